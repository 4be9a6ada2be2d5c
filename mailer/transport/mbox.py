"""An mbox file, read message by message, without a lock and without writing to it (RFC 4155; standards B10).

A message begins at a line `From `, sender and date, that stands first or after an empty line; a sentence that begins
with "From" has no date behind it. What a mail server appends meanwhile is read as far as it has come.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mailer.core.bounce.fate import Fate
from mailer.transport.maildir import READ_LIMIT

_MAX_LINE = 64 * 1024
_MAX_BEGIN = 1000
_BEGINS = re.compile(rb"From \S.* \d\d:\d\d(:\d\d)?( .*)? \d{4}( .*)?\r?\n?")


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message of the file, which stays as it is."""

    name: str
    content: bytes = field(repr=False)

    def read(self, limit: int = READ_LIMIT) -> bytes:
        """At most `limit` bytes of it."""
        return self.content[:limit]

    def done(self, fate: Fate) -> None:
        """Nothing: it is somebody's file."""


def is_mbox(path: Path) -> bool:
    """Whether the file begins as one does."""
    with path.open("rb") as file:
        return _begins(file.readline(_MAX_LINE))


def waiting(path: Path) -> Iterator[Waiting]:
    """Its messages in their order, one in memory at a time."""
    with path.open("rb") as file:
        for number, content in enumerate(_messages(file), start=1):
            yield Waiting(f"{path}, message {number}", content)


def _messages(file: BinaryIO) -> Iterator[bytes]:
    message = None
    empty = True
    for line in iter(lambda: file.readline(_MAX_LINE), b""):
        if empty and _begins(line):
            if message is not None:
                yield bytes(message)
            message = bytearray()
        elif message is not None and len(message) < READ_LIMIT:
            message += line
        empty = line in (b"\n", b"\r\n")
    if message is not None:
        yield bytes(message)


def _begins(line: bytes) -> bool:
    return len(line) < _MAX_BEGIN and _BEGINS.fullmatch(line) is not None
