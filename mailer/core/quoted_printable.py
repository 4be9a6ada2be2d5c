"""Quoted-printable for letters that are joined from pieces (RFC 2045 section 6.7; performance.md section 3).

Every encoded piece begins at column 0 and leaves the column at 0, with a soft break where its text does not
end a line. So pieces join in any order, and the length of a value never moves the text after it. Besides:

* a dot at column 0 is written `=2E`: no dot-stuffing is ever needed, and the octets that are signed are the
  octets that travel (F4, F5);
* `From ` at column 0 is written `=46rom `, which mailbox files would otherwise mangle;
* tabs and every space after a space are encoded, and no line ends in a space: the body already has the form
  that relaxed canonicalisation gives (RFC 6376 section 3.4.4).
"""

import binascii
import re

LONGEST_LINE = 76
SOFT_BREAK = b"=\r\n"

_SIMPLE = re.compile("[^\x00-\x20\x7f](?: ?[^\x00-\x20\x7f])*")
_PLAIN = frozenset(range(33, 127)) - {ord("=")}
_TOKENS = tuple(bytes([octet]) if octet in _PLAIN else b"=%02X" % octet for octet in range(256))
_SPACE = ord(" ")


def encode(text: str) -> bytes:
    """Encode text with `\n` line ends; what does not end in one ends in a soft break."""
    if not text:
        return b""
    if len(text) < LONGEST_LINE and _SIMPLE.fullmatch(text) and not text.startswith(("From ", ".")):
        # The C encoder differs from ours only in what this text does not have; names are encoded one by one.
        encoded_line = binascii.b2a_qp(text.encode("utf-8"))
        if len(encoded_line) < LONGEST_LINE:
            return encoded_line + SOFT_BREAK
    *lines, last = text.split("\n")
    encoded = [_line(line) + b"\r\n" for line in lines]
    if last:
        encoded.append(_line(last) + SOFT_BREAK)
    return b"".join(encoded)


def _line(text: str) -> bytes:
    """One line of text as physical lines, without what ends the last of them."""
    out: list[bytes] = []
    column = 0
    after_space = False
    octets = text.encode("utf-8")
    for index, octet in enumerate(octets):
        token = _TOKENS[octet]
        is_single_space = octet == _SPACE and not after_space and index < len(octets) - 1
        if is_single_space:
            token = b" "
        after_space = octet == _SPACE
        # One column is kept for the "=" of a soft break, wherever the line may have to end.
        if column + len(token) >= LONGEST_LINE:
            out.append(SOFT_BREAK)
            column = 0
        if column == 0 and (token == b"." or octets.startswith(b"From ", index)):
            token = b"=%02X" % octet
        out.append(token)
        column += len(token)
    return b"".join(out)
