"""What lies in the demo's Maildirs, as a person looks at it: letters as they were caught, and reports that came back.

Reads only. A file of a Maildir never changes, so what was read once is kept.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser, BytesParser
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
    """A caught letter or a report, by its header fields."""

    name: str
    path: Path
    sort: Sort
    list_id: str
    recipient: str
    to: str
    subject: str
    leave_url: str
    message_id: str
    about: str


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
    head = raw.partition(b"\r\n\r\n")[0].decode("utf-8", "replace").replace("\r\n", "\n")
    if item.sort is Sort.REPORT and message.is_multipart():
        parts = [part.get_payload(decode=True) or _of_parts(part) for part in message.iter_parts()]
        return Opened(head, "\n\n".join(_words(part) for part in parts), "")
    return Opened(head, _body(message, "plain"), _body(message, "html"))


def _paths(maildir: Path) -> Iterator[Path]:
    found = (path for folder in _FOLDERS for path in (maildir / folder).glob("*.[0-9]*"))
    return iter(sorted((path for path in found if _LETTER.match(path.name)), key=lambda path: path.name))


@lru_cache(maxsize=4096)
def _item(path: Path) -> Item:
    head = BytesHeaderParser(policy=policy.default).parsebytes(path.read_bytes())
    name = path.name[: len("letter.000000")]
    list_id = _inside(str(head["List-Id"] or ""))
    sort = Sort.REPORT if name.startswith("bounce") else Sort.LETTER if list_id else Sort.FAREWELL
    return Item(
        name=name.replace(".", "-"),
        path=path,
        sort=sort,
        list_id=list_id,
        recipient=str(head["Delivered-To"] or ""),
        to=str(head["To"] or ""),
        subject=str(head["Subject"] or ""),
        leave_url=_inside(str(head["List-Unsubscribe"] or "")),
        message_id=_inside(str(head["Message-ID"] or "")),
        about=_inside(str(head["In-Reply-To"] or "")),
    )


def _inside(value: str) -> str:
    """What stands between angle brackets."""
    found = re.search(r"<([^<>]*)>", value)
    return found[1] if found else ""


def _body(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    return "" if part is None else str(part.get_content())


def _of_parts(part: EmailMessage) -> bytes:
    payload = part.get_payload()
    return b"\n".join(each.as_bytes() for each in payload) if isinstance(payload, list) else str(payload).encode()


def _words(part: bytes) -> str:
    return part.decode("utf-8", "replace").replace("\r\n", "\n").strip()
