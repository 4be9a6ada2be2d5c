"""What goes over the wire: one reverse-path, one recipient, one message (RFC 5321 section 2.3.1, standards F18)."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Envelope:
    """One SMTP transaction; nobody changes one, and to forbid it would cost each letter more.

    `sender` is the signed return path, `recipient` the stored address octet for octet, both ``local@domain``
    without angle brackets and in ASCII unless `smtputf8`. `parts`, one after the other, are the whole message: CRLF
    line ends, no octet over 127 unless `smtputf8`, not yet dot-stuffed. Most parts of a newsletter are the same objects
    in every copy: they are gathered as they are written, so that no copy of them fills memory. `is_fit` says that
    whoever built it has judged the addresses and vouches for the octets (core.batch): no line begins with a dot, and
    nobody need look through them again. `size` is octets of the whole message, counted once.
    """

    sender: str
    recipient: str
    parts: tuple[bytes, ...]
    smtputf8: bool = False
    is_fit: bool = False
    size: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.size = sum(map(len, self.parts))

    @property
    def payload(self) -> bytes:
        """The whole message in one piece."""
        return b"".join(self.parts)
