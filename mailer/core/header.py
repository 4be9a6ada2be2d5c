"""The only place where header fields are made (RFC 5322, RFC 2047; standards F2, F3, F12, F16, L1, M1, M2).

A value that could end its line, now or after some reader has decoded the encoded-words in it, is refused.
List-* fields are folded only before `<`: a fold or an encoded-word inside an address would kill it.
"""

import base64
import binascii
import contextlib
import re
import string
from collections.abc import Sequence

from mailer.core.characters import unsafe_in_line
from mailer.core.errors import MailerError

LONGEST_LINE = 78
LONGEST_ENCODED_LINE = 76
LONGEST_WORD = 75
LONGEST_FIELD = 900

_ENCODED_WORD = re.compile(r"=\?([^?\s]*)\?([bqBQ])\?([^?]*)\?=")
_PRINTABLE = re.compile(r"[!-~]{1,60}(?: {1,4}[!-~]{1,60})*")
_URI = re.compile(r"[!#-;=?-Z_a-z~\[\]%]+")
_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4} "
    r"[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}"
)
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ATOMS = re.compile(rf"{_ATOM}(?: {_ATOM})*")
_MESSAGE_ID = re.compile(rf"(?=.{{3,240}}\Z){_ATOM}(?:\.{_ATOM})*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_IN_WORD = {letter: letter for letter in string.ascii_letters + string.digits + "!*+-/"} | {" ": "_"}

_OCTET_IN_WORD = tuple(_IN_WORD.get(chr(octet), f"={octet:02X}") for octet in range(256))


class HeaderError(MailerError, ValueError):
    """This value must not stand in a header."""


def guard(name: str, value: str) -> str:
    """The value, if neither it nor what its encoded-words decode to can end a line (F16, CVE-2024-6923)."""
    found = unsafe_in_line(value)
    if found is None and "=?" in value:
        found = unsafe_in_line(_decoded(value))
    if found:
        raise HeaderError(f"{name}: the value holds {found}, which could forge a header; correct it")
    return value


def _decoded(value: str) -> str:
    """What lenient readers might make of the value: every encoded-word decoded, words within words too."""
    for _ in range(3):
        decoded = _ENCODED_WORD.sub(_decoded_word, value)
        if decoded == value:
            break
        value = decoded
    return value


def _decoded_word(match: re.Match[str]) -> str:
    charset, encoding, text = match.groups()
    try:
        if encoding in "bB":
            octets = base64.b64decode(text + "=" * (-len(text) % 4))
        else:
            octets = binascii.a2b_qp(text.encode("ascii", "replace"), header=True)
    except (binascii.Error, ValueError):
        return text
    # Both readings count: a reader that does not know the character set falls back to what it does know.
    readings = octets.decode("utf-8", "replace")
    with contextlib.suppress(LookupError, ValueError):
        readings += octets.decode(charset, "replace")
    return readings


def unstructured(name: str, text: str) -> bytes:
    """A field of free text, such as Subject: as it is where that is safe, else in encoded-words."""
    guard(name, text)
    if "=?" in text or not _PRINTABLE.fullmatch(text):
        return _field(name, encoded_words(text, first_line=LONGEST_ENCODED_LINE - len(name) - 2))
    return _field(name, _folded(text, len(name) + 2))


def _folded(text: str, column: int) -> str:
    """Break lines before spaces and keep those, so that unfolding gives back the very same text."""
    out: list[str] = []
    for part in re.findall(r" *[^ ]+", text):
        if out and column + len(part) > LONGEST_LINE:
            out.append("\r\n")
            column = 0
        out.append(part)
        column += len(part)
    return "".join(out)


def encoded_words(text: str, first_line: int) -> str:
    """RFC 2047 encoded-words on folded lines, each of whole characters; always safe inside a phrase too."""
    if len(text) < LONGEST_WORD:
        whole = "".join(map(_OCTET_IN_WORD.__getitem__, text.encode("utf-8")))
        if len(whole) <= min(first_line, LONGEST_WORD) - len("=?utf-8?q??="):
            return f"=?utf-8?q?{whole}?="
    words: list[str] = []
    current, room = "", min(first_line, LONGEST_WORD) - len("=?utf-8?q??=")
    for character in text:
        token = _IN_WORD.get(character) or "".join(f"={octet:02X}" for octet in character.encode("utf-8"))
        if current and len(current) + len(token) > room:
            words.append(current)
            current, room = "", LONGEST_WORD - len("=?utf-8?q??=")
        current += token
    words.append(current)
    return "\r\n ".join(f"=?utf-8?q?{word}?=" for word in words)


def phrase(name: str, text: str, column: int) -> str:
    """A display name: atoms, a quoted-string, or encoded-words (RFC 5322 section 3.2.5; F19)."""
    guard(name, text)
    plain = text.isascii() and "=?" not in text and len(text) <= LONGEST_LINE - column - 2 and text == text.strip()
    if plain and _ATOMS.fullmatch(text):
        return text
    if plain and " ".join(text.split()) == text:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return encoded_words(text.strip(), first_line=LONGEST_ENCODED_LINE - column)


def mailbox(name: str, display: str, address: str) -> bytes:
    """A field of exactly one mailbox; the address has passed core/address.py and is only guarded here."""
    guard(name, address)
    if not display.strip():
        return _field(name, f"<{address}>" if name == "List-Id" else address)
    shown = phrase(name, display, len(name) + 2)
    last = len(shown.rsplit("\n", 1)[-1]) + (0 if "\n" in shown else len(name) + 2)
    longest = LONGEST_ENCODED_LINE if "=?" in shown else LONGEST_LINE
    fold = "\r\n " if last + len(address) + len(" <>") > longest else " "
    return _field(name, f"{shown}{fold}<{address}>")


def uris(name: str, addresses: Sequence[str]) -> bytes:
    """A List-* field of URIs in angle brackets, folded only before `<` (RFC 2369 section 2)."""
    for address in addresses:
        guard(name, address)
        if not _URI.fullmatch(address):
            raise HeaderError(f"{name}: “{address[:60]}” is not a URI; write it percent-encoded")
    value, column = "", len(name) + 1
    for index, address in enumerate(addresses):
        shown = f"<{address}>" if index == len(addresses) - 1 else f"<{address}>,"
        if column + 1 + len(shown) > LONGEST_LINE:
            value, column = value + "\r\n", 0
        value, column = f"{value} {shown}", column + 1 + len(shown)
    field = f"{name}:{value}\r\n".encode()
    if len(field) > LONGEST_FIELD:
        raise HeaderError(f"{name}: {len(field)} octets; {LONGEST_FIELD} are the most. Use a shorter base URL")
    return field


def token(name: str, value: str) -> bytes:
    """A field whose value we make ourselves: one short line of printable ASCII."""
    guard(name, value)
    if not value.isascii() or len(name) + 2 + len(value) > LONGEST_LINE:
        raise HeaderError(f"{name}: “{value[:60]}” does not fit one short line of ASCII")
    return _field(name, value)


def date(value: str) -> bytes:
    """The Date field, from a value as message.format_date makes it (F15)."""
    if not _DATE.fullmatch(value):
        raise HeaderError(f"Date: “{value[:60]}” is not a date as message.format_date makes it")
    return _field("Date", value)


def message_id(value: str) -> bytes:
    """The Message-ID field, from local@domain without angle brackets (F14)."""
    if not _MESSAGE_ID.fullmatch(value):
        raise HeaderError(f"Message-ID: “{value[:60]}” is not local@domain in plain ASCII")
    return b"Message-ID: <%b>\r\n" % value.encode("ascii")


def _field(name: str, value: str) -> bytes:
    return f"{name}: {value}\r\n".encode()
