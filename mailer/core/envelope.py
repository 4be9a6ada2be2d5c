"""What goes over the wire: one reverse-path, one recipient, one message (RFC 5321 section 2.3.1, standards F18)."""

from typing import NamedTuple


class Envelope(NamedTuple):
    """One SMTP transaction.

    `sender` is the signed return path, `recipient` the stored address octet for octet, both ``local@domain``
    without angle brackets and in ASCII unless `smtputf8`. `payload` is the whole message: CRLF line ends, no
    octet over 127 unless `smtputf8`, not yet dot-stuffed. `is_fit` says that whoever built it has judged the addresses
    and vouches for the octets (core.batch): no line begins with a dot, and nobody need look through them again.
    """

    sender: str
    recipient: str
    payload: bytes
    smtputf8: bool = False
    is_fit: bool = False
