"""What most tests of this room say: a relay for a Wire, an envelope, one hand-over."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from mailer.core.envelope import Envelope
from mailer.core.reply import Answer
from mailer.transport.access_token import Source
from mailer.transport.relay import Relay, Timeouts
from mailer.transport.smtp import connect
from tests.transport.wire import Wire

ANNE, BEA, CARL = "anne@example.org", "bea@example.org", "carl@example.org"
LETTER = b"Subject: Spring\r\n\r\nDear member,\r\nall is well.\r\n"
PATIENT = 5.0
MakeWire = Callable[..., Wire]


def timeouts(seconds: float = PATIENT) -> Timeouts:
    """Every wait as short as this: a server that stalls costs a test no more."""
    return Timeouts(*[seconds] * 9)


def relay_to(
    server: Wire,
    *,
    tls: Literal["implicit", "starttls-required", "none"] = "none",
    user: str = "",
    password: str = "",
    patience: float = PATIENT,
    ca_file: Path | None = None,
    token_from: Source | None = None,
) -> Relay:
    host = "127.0.0.1" if tls == "none" else "localhost"
    return Relay(host, server.port, tls, "mail.example.com", user, password, timeouts(patience), ca_file, token_from)


def envelope(recipient: str = ANNE, payload: bytes = LETTER, **more: bool) -> Envelope:
    return Envelope("b+token@bounce.example.com", recipient, (payload,), **more)


def hand_over(server: Wire, recipient: str = ANNE, *, patience: float = PATIENT) -> Answer:
    """One letter over one connection."""
    with connect(relay_to(server, patience=patience)) as session:
        return session.hand_over(envelope(recipient))
