"""What may be written between DATA and the final dot (RFC 5321 section 4.5.2, standards F3-F6, M3, S7).

Law of the file: a letter that could end early, be cut in two or carry an octet that was not announced is a
defect of whoever built it, and is refused before anything of it is written; nothing is mended here.
"""

import re

from mailer.core.address import check_wire
from mailer.core.envelope import Envelope
from mailer.core.errors import MailerError

_BARE_CR = re.compile(rb"\r(?!\n)")
# A search for the octet before the dot is three times as fast as one for the three octets that it stands for.
_LEADING_DOT = re.compile(rb"\n\.")


class PayloadRefused(MailerError, ValueError):
    """A letter that was built wrong."""


def check_envelope(envelope: Envelope) -> None:
    """Refuse an envelope that must not reach any server: hostile addresses (S6), a malformed letter."""
    check_wire(envelope.recipient)
    if envelope.sender:  # none is the null reverse-path of automatic answers (T22)
        check_wire(envelope.sender)
    if not (envelope.smtputf8 or (envelope.sender + envelope.recipient).isascii()):
        raise PayloadRefused("An address is not ASCII, and the envelope does not ask for SMTPUTF8.")
    check_payload(envelope.payload, ascii_only=not envelope.smtputf8)


def check_payload(payload: bytes, *, ascii_only: bool = True) -> None:
    if not payload.endswith(b"\r\n"):
        raise PayloadRefused("The letter does not end with CRLF.")
    # When every CR has its LF and there are as many of one as of the other, no LF stands alone.
    if payload.count(b"\r") != payload.count(b"\n") or _BARE_CR.search(payload):
        raise PayloadRefused("The letter holds a CR or LF outside the pair CRLF.")
    if b"\0" in payload:
        raise PayloadRefused("The letter holds a NUL.")
    if ascii_only and not payload.isascii():
        raise PayloadRefused("The letter holds an octet over 127; encode it as quoted-printable.")


def dot_stuffed(payload: bytes) -> bytes:
    """The payload as it is written (F4); the same object when no line begins with a dot."""
    if payload.startswith(b"."):
        payload = b"." + payload
    if _LEADING_DOT.search(payload):
        return payload.replace(b"\r\n.", b"\r\n..")
    return payload
