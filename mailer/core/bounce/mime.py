"""Just enough MIME to find the parts of a report, in bounded time and whatever the bytes (standards B10).

Law of the file: nothing raises, and every loop is bounded by a number that stands here. `email.parser` is not
used because it recurses with the depth of the mail and reads a whole returned letter line by line; a report
needs three headers and one small part.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header

MAX_BYTES = 2 * 1024 * 1024
MAX_LEVELS = 20
MAX_PARTS = 100
MAX_HEAD = 128 * 1024
MAX_VALUE = 4096

Headers = tuple[tuple[str, str], ...]

_FIELD = re.compile(r"^([!-9;-~]+)[ \t]*:(.*(?:\n[ \t].*)*)", re.MULTILINE)
_FOLD = re.compile(r"\n[ \t]+")
_PARAMETER = re.compile(r""";\s*([a-z0-9*-]+)\s*=\s*(?:"([^"]*)"|([^\s;"]+))""", re.IGNORECASE)
# Codecs that turn bytes into text and nothing else; a mail may not choose among the others.
_CHARSET = re.compile(
    r"(utf-?[78]|us-ascii|ascii|iso-?8859-?\d+|windows-125\d|cp(125\d|437|850|852|866|932)|koi8-[ru]"
    r"|iso-2022-(jp|kr)|shift_jis|euc-(jp|kr)|gb2312|gbk|gb18030|big5)",
    re.IGNORECASE | re.ASCII,
)
# What mail programs call charsets that Python knows by another name.
_ALIASES = {"unicode-1-1-utf-7": "utf-7", "x-sjis": "cp932", "windows-31j": "cp932", "ks_c_5601-1987": "euc-kr"}


@dataclass(frozen=True, slots=True)
class Part:
    """A message or a part of one: headers (names in lower case, values unfolded), and the body as it came."""

    headers: Headers
    body: bytes

    def get(self, name: str) -> str:
        for found, value in self.headers:
            if found == name:
                return value
        return ""

    def get_all(self, name: str) -> tuple[str, ...]:
        return tuple(value for found, value in self.headers if found == name)

    @property
    def content_type(self) -> str:
        return self.get("content-type").partition(";")[0].strip().lower() or "text/plain"

    def parameter(self, name: str) -> str:
        for found, quoted, bare in _PARAMETER.findall(self.get("content-type")):
            if found.lower() == name:
                return str(quoted or bare)
        return ""

    def decoded(self, limit: int = MAX_BYTES) -> bytes:
        """The first so many octets of the body without its transfer encoding; what cannot be decoded stays as it is."""
        encoding = self.get("content-transfer-encoding").strip().lower()
        if encoding == "quoted-printable":
            return binascii.a2b_qp(self.body[: 3 * limit])[:limit]
        if encoding == "base64":
            letters = re.sub(rb"[^A-Za-z0-9+/]", b"", self.body[: 2 * limit])
            try:
                return binascii.a2b_base64(letters + b"==")[:limit]
            except binascii.Error:
                return self.body[:limit]
        return self.body[:limit]

    def text(self, limit: int = MAX_BYTES) -> str:
        return _decode(self.decoded(limit), self.parameter("charset"))


def parse(raw: bytes) -> Part:
    """The message, with at most the first 2 MB of it, its line ends made one kind."""
    return _part(_lines(raw[:MAX_BYTES]))


def walk(part: Part) -> Iterator[Part]:
    """The part and what it contains, outermost first, never looking into an enclosed message."""
    waiting = [(part, 1)]
    for _ in range(MAX_PARTS):
        if not waiting:
            return
        part, level = waiting.pop()
        yield part
        if level < MAX_LEVELS and part.content_type.startswith("multipart/"):
            waiting.extend((child, level + 1) for child in reversed(_children(part)))


def fields(text: str) -> Headers:
    """A block of header fields; lines that are none are passed over."""
    return tuple(
        (name.lower(), (_FOLD.sub(" ", value) if "\n" in value else value)[:MAX_VALUE].strip())
        for name, value in _FIELD.findall(text[:MAX_HEAD])
    )


def readable(value: str) -> str:
    """A header value with its encoded words decoded, as far as they can be."""
    if "=?" not in value:
        return value
    try:
        pieces = decode_header(value)
    except (MessageError, ValueError):
        return value
    return "".join(_word(piece, charset) for piece, charset in pieces)


def _word(piece: bytes | str, charset: str | None) -> str:
    if isinstance(piece, str):
        return piece
    return _decode(piece, charset or "")


def _decode(octets: bytes, charset: str) -> str:
    charset = _ALIASES.get(charset.lower(), charset)
    return octets.decode(charset if _CHARSET.fullmatch(charset) else "utf-8", "replace")


def _lines(raw: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in raw else raw


def _part(block: bytes) -> Part:
    if block.startswith(b"From "):  # the separator of an mbox
        block = block.partition(b"\n")[2]
    head, _, body = (b"", b"", block[1:]) if block.startswith(b"\n") else block.partition(b"\n\n")
    return Part(fields(head[:MAX_HEAD].decode("utf-8", "replace")), body)


def _children(part: Part) -> list[Part]:
    boundary = part.parameter("boundary").rstrip().encode("utf-8", "replace")
    if not boundary:
        return []
    pieces = (b"\n" + part.body).split(b"\n--" + boundary, MAX_PARTS)[1:]
    children = []
    for piece in pieces:
        if piece.startswith(b"--"):
            break
        rest, newline, block = piece.partition(b"\n")
        if newline and not rest.strip():
            children.append(_part(block))
    return children
