"""What lies in the demo's Maildirs, as a person looks at it: letters as they were caught, and reports that came back.

Reads only. A file of a Maildir never changes, so what was read once is kept.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.parser import BytesHeaderParser, BytesParser
from email.utils import parseaddr
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

_LETTER = re.compile(r"(?:letter|bounce)\.[0-9]{6}")
_FOLDERS = ("new", "cur", ".kept/new", ".kept/cur")


class Sort(StrEnum):
    """What an item of the mailbag is."""

    LETTER = "letter"
    FAREWELL = "farewell"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Item:
    """A caught letter or a report, by its header fields; `who` is whom a letter is to, or whom a report is from."""

    name: str
    path: Path
    sort: Sort
    list_id: str
    recipient: str
    who: str
    subject: str
    leave_url: str


@dataclass(frozen=True, slots=True)
class Opened:
    """An item's fields as they stand in it, and its bodies."""

    fields: str
    text: str
    html: str


def items(*maildirs: Path) -> list[Item]:
    """Everything in these Maildirs, in order of arrival."""
    return [_item(path) for maildir in maildirs for path in _paths(maildir)]


def opened(item: Item) -> Opened:
    """An item with its bodies decoded."""
    raw = item.path.read_bytes()
    message = BytesParser(policy=policy.default).parsebytes(raw)
    head = _head(raw).decode("utf-8", "replace").replace("\r\n", "\n")
    if item.sort is Sort.REPORT and message.is_multipart():
        return Opened(head, "\n\n".join(map(_words, message.iter_parts())), "")
    return Opened(head, _body(message, "plain"), _body(message, "html"))


def _paths(maildir: Path) -> Iterator[Path]:
    found = (path for folder in _FOLDERS for path in (maildir / folder).glob("*.[0-9]*"))
    return iter(sorted((path for path in found if _LETTER.match(path.name)), key=lambda path: path.name))


@lru_cache(maxsize=4096)
def _item(path: Path) -> Item:
    # Only the head is given to the parser, which would look at every line of the body too.
    head = BytesHeaderParser(policy=policy.compat32).parsebytes(_head(path.read_bytes()))
    fields = {name: str(head[name] or "") for name in _FIELDS}
    name = path.name[: len("letter.000000")]
    list_id = _inside(fields["List-Id"])
    sort = Sort.REPORT if name.startswith("bounce") else Sort.LETTER if list_id else Sort.FAREWELL
    return Item(
        name=name.replace(".", "-"),
        path=path,
        sort=sort,
        list_id=list_id,
        recipient=fields["Delivered-To"],
        who=_who(fields["From" if sort is Sort.REPORT else "To"]),
        subject=_decoded(fields["Subject"]),
        leave_url=_inside(fields["List-Unsubscribe"]),
    )


_FIELDS = ("Delivered-To", "From", "To", "Subject", "List-Id", "List-Unsubscribe")


def _who(field: str) -> str:
    """A name, or where there is none the address."""
    name, address = parseaddr(field)
    return _decoded(name) or address


def _decoded(words: str) -> str:
    # The parser of policy.default puts a blank between two encoded words of a name where there is none.
    return str(make_header(decode_header(words)))


def _head(raw: bytes) -> bytes:
    return raw.partition(b"\r\n\r\n")[0]


def _inside(value: str) -> str:
    """What stands between angle brackets."""
    found = re.search(r"<([^<>]*)>", value)
    return found[1] if found else ""


def _body(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    return "" if part is None else str(part.get_content())


def _words(part: Message) -> str:
    """A part of a report as it stands there; the parts of its parts too."""
    inner = part.get_payload(decode=True)
    octets = inner if isinstance(inner, bytes) else part.as_bytes()
    return octets.decode("utf-8", "replace").replace("\r\n", "\n").strip()
