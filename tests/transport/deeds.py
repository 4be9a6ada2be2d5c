"""What a scripted mail server does, what it knows when it does it, and what it keeps."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from mailer.core.reply import Step


class Then(Enum):
    GO_ON = "go on"
    DROP = "hang up in good order"
    RESET = "hang up with a TCP reset"
    STALL = "neither read nor write any more"


@dataclass(frozen=True, slots=True)
class Deed:
    """What the server does at one moment; every piece is a write of its own."""

    says: tuple[bytes, ...] = ()
    then: Then = Then.GO_ON
    pause: float = 0.0  # seconds between pieces
    keeps: bool | None = None  # of a letter: None means, as said

    @property
    def digit(self) -> str:
        return b"".join(self.says)[:1].decode("latin-1")


@dataclass(frozen=True, slots=True)
class Moment:
    """What a misbehaviour may know."""

    step: Step
    line: str
    nth: int  # how often this step was reached at this server, this time included
    recipient: str  # of this RCPT, or the first one of the transaction
    attempts: int  # RCPTs for this recipient so far, this one included
    letters: int  # kept on this connection so far
    kept: int  # kept by this server so far


Misbehaviour = Callable[[Moment, Deed], Deed]


@dataclass(frozen=True, slots=True)
class Caught:
    """One letter that the server kept."""

    sender: str
    recipients: tuple[str, ...]
    mail: str  # the whole MAIL command
    raw: bytes  # as it came, with the dots that were stuffed
    secure: bool

    @property
    def content(self) -> bytes:
        return self.raw.removeprefix(b".").replace(b"\r\n.", b"\r\n")


@dataclass(slots=True)
class Recorded:
    """What came over one connection."""

    tcp: bytearray = field(default_factory=bytearray)  # every octet on the wire, TLS records included
    octets: bytearray = field(default_factory=bytearray)  # what SMTP heard, deciphered
    commands: list[str] = field(default_factory=list)
    secure: bool = False
    tls_failure: str = ""


def reply(text: str) -> bytes:
    r"""The octets of a reply: `reply("250 mail.example.net\nSIZE 0")` has two lines."""
    code, words = text[:3], text[4:].split("\n")
    return "".join(f"{code}{'-' if n < len(words) else ' '}{word}\r\n" for n, word in enumerate(words, 1)).encode()
