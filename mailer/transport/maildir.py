"""A Maildir, read so that nothing in it is ever lost (the format: maildir(5); standards B9, B10).

Law of the file: we move messages, we never delete, overwrite or alter one. What was understood goes to
`cur/`, marked as seen. What was not is kept for a person in the subfolder `.kept`, unseen, where every mail
program shows it, and is not offered again. What is somebody's own letter stays where it is. A message that
another program moves meanwhile is its affair.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mailer.core.bounce.fate import Fate
from mailer.core.errors import MailerError

READ_LIMIT = 2 * 1024 * 1024
KEPT = ".kept"

_FOLDERS = ("tmp", "new", "cur")


class NotAMaildirError(MailerError, ValueError):
    """The path has no new/ and cur/."""


class GoneError(MailerError, FileNotFoundError):
    """Another program took the message between our looking and our reading."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message that nobody has dealt with."""

    maildir: Path
    path: Path

    @property
    def name(self) -> str:
        """The unique part of its file name, the same wherever it is moved."""
        return self.path.name.partition(":")[0]

    def read(self, limit: int = READ_LIMIT) -> bytes:
        """At most `limit` bytes of it; a link or a pipe in its place is not followed."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError as gone:
            raise GoneError(f"{self.path} was taken by another program; nothing to do") from gone
        with os.fdopen(descriptor, "rb") as file:
            return file.read(limit)

    def done(self, fate: Fate) -> Path:
        """Put it where its fate says: to `cur/` as seen, to `.kept` for a person, or nowhere."""
        match fate:
            case Fate.UNDERSTOOD:
                return _move(self.path, self.maildir / "cur", self.name, "S")
            case Fate.KEPT:
                _make(kept := self.maildir / KEPT)
                return _move(self.path, kept / "cur", self.name, "")
            case Fate.NOT_OURS:
                return self.path


def waiting(path: Path) -> Iterator[Waiting]:
    """What lies in `new/`, and in `cur/` not yet seen, by name, which is by time of arrival."""
    if not all((path / folder).is_dir() for folder in ("new", "cur")):
        raise NotAMaildirError(f"{path} is not a Maildir: it needs the folders new/ and cur/")
    for folder in ("new", "cur"):
        for entry in sorted((path / folder).iterdir()):
            if not (entry.name.startswith(".") or "S" in _flags(entry.name)) and _is_file(entry):
                yield Waiting(path, entry)


def _flags(name: str) -> str:
    return name.partition(":2,")[2]


def _is_file(entry: Path) -> bool:
    try:
        return stat.S_ISREG(entry.lstat().st_mode)
    except FileNotFoundError:
        return False


def _make(folder: Path) -> None:
    for name in _FOLDERS:
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "maildirfolder").touch(mode=0o600)  # Maildir++: this is a subfolder, not a mailbox


def _move(path: Path, folder: Path, name: str, flags: str) -> Path:
    flags = "".join(sorted({*_flags(path.name), *flags}))
    attempt = 0
    while True:
        target = folder / f"{name}{f'_{attempt}' if attempt else ''}:2,{flags}"
        try:
            os.link(path, target, follow_symlinks=False)  # unlike rename, it never overwrites
        except FileExistsError:
            if not target.samefile(path):
                attempt += 1
                continue
        except FileNotFoundError as gone:
            raise GoneError(f"{path} was taken by another program; nothing to do") from gone
        path.unlink(missing_ok=True)
        return target
