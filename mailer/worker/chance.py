"""The clock, and chance: only doors read the one and draw the other."""

import os
import re
import secrets
import socket
import string
from datetime import UTC, datetime

_LETTERS = string.ascii_letters + string.digits


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def handle() -> int:
    """A random 64-bit handle."""
    return secrets.randbits(64)


def word() -> str:
    """A random word that no author can have written."""
    return "Z" + "".join(secrets.choice(_LETTERS) for _ in range(23))


def worker_name() -> str:
    """Host, process and a random part: no two workers ever have one name, and a person finds the machine."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname().partition(".")[0])[:32] or "host"
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"
