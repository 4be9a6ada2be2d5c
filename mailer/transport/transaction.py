"""How a letter is announced to a server, and which letters it may not be shown at all (T11, F6, RFC 6531, RFC 1870)."""

from mailer.core.address import AddressError
from mailer.core.envelope import Envelope
from mailer.core.reply import Capabilities, Reply, parse
from mailer.transport.payload import PayloadRefused, check_envelope

_NEEDS_SMTPUTF8 = parse(b"553 5.6.7 Not sent: this address needs SMTPUTF8, which the relay does not offer\r\n")
_NEEDS_8BITMIME = parse(b"554 5.6.3 Not sent: this letter needs 8BITMIME, which the relay does not offer\r\n")
_TOO_LARGE = parse(b"552 5.3.4 Not sent: this letter is larger than the relay takes\r\n")


def refusal_of_ours(envelope: Envelope, offered: Capabilities) -> Reply | None:
    """Why this letter is not begun at a server that offers this; None if it may be."""
    if not envelope.is_fit:
        try:
            check_envelope(envelope)
        except (PayloadRefused, AddressError) as error:
            return Reply(554, "5.6.0", f"Not sent: {error}")
    if envelope.smtputf8 and not offered.smtputf8:
        return _NEEDS_SMTPUTF8
    if not (offered.eight_bit_mime or envelope.is_fit or envelope.payload.isascii()):
        return _NEEDS_8BITMIME
    if 0 < (offered.size or 0) < envelope.size:
        return _TOO_LARGE
    return None


def announcement(envelope: Envelope, offered: Capabilities) -> bytes:
    """MAIL, RCPT and DATA, a line each."""
    size = f" SIZE={envelope.size}" if offered.size is not None else ""
    # Only a letter to an address that is not ASCII holds anything else (F6).
    octets = "" if envelope.is_fit or envelope.payload.isascii() else " BODY=8BITMIME"
    utf8 = " SMTPUTF8" if envelope.smtputf8 else ""
    mail, rcpt = f"MAIL FROM:<{envelope.sender}>{size}{octets}{utf8}", f"RCPT TO:<{envelope.recipient}>"
    return f"{mail}\r\n{rcpt}\r\nDATA\r\n".encode()
