"""Reading reports that somebody names, or that a mail server hands over: files, folders, Maildirs, mboxes, a pipe."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from mailer.actions.leave import Draw
from mailer.actions.read_bounces import FileSource, ReadReport, Source, read_reports
from mailer.core.bounce.fate import Fate
from mailer.house import House
from mailer.models import BounceSource
from mailer.transport import maildir, mbox

_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Piped:
    """One message on a pipe, read to its end: a mail server may take a pipe that is closed early for a failure."""

    pipe: BinaryIO
    name: str = "a pipe"

    def read(self) -> bytes:
        raw = self.pipe.read(maildir.READ_LIMIT)
        while self.pipe.read(_BLOCK):
            pass
        return raw

    def done(self, fate: Fate) -> None:
        """Nothing: whoever handed it over keeps it no longer, and we have it."""


def read_files(house: House, paths: Iterable[Path], now: datetime, draw: Draw) -> Iterator[ReadReport]:
    """Read reports from files, folders of files, Maildirs and mboxes."""
    return read_reports(house, _in(paths), now, draw, BounceSource.FILE)


def read_pipe(house: House, pipe: BinaryIO, now: datetime, draw: Draw) -> Iterator[ReadReport]:
    """Read the one message that a mail server hands over."""
    return read_reports(house, [_Piped(pipe)], now, draw, BounceSource.PIPE)


def _in(paths: Iterable[Path]) -> Iterator[Source]:
    for path in paths:
        if path.is_file():
            yield from mbox.waiting(path) if mbox.is_mbox(path) else [FileSource(path)]
        elif (path / "new").is_dir() and (path / "cur").is_dir():
            yield from maildir.waiting(path)
        else:
            yield from map(FileSource, sorted(file for file in path.iterdir() if file.is_file()))
