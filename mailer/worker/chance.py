"""The clock, and chance: only doors read the one and draw the other."""

import os
import re
import secrets
import socket
import string
import time
from datetime import UTC, datetime
from importlib.metadata import version

from mailer.core.watch import Clocks, SignOfLife

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


def clocks() -> Clocks:
    """The time, and the seconds since this machine was started, its sleep included."""
    return Clocks(now(), time.clock_gettime(time.CLOCK_BOOTTIME))


def host() -> str:
    """This machine's name, so that a person finds it."""
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname().partition(".")[0])[:32] or "host"


def worker_name() -> str:
    """Host, process and a random part: no two workers ever have one name."""
    return f"{host()}-{os.getpid()}-{secrets.token_hex(4)}"


def sign_of_life(name: str) -> SignOfLife:
    """What this process, as a worker of this name, says of itself at its start."""
    return SignOfLife(name, host(), os.getpid(), version("mailer"), now())
