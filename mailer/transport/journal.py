"""A worker's journal: one octet a copy, in a memory-mapped file, so that a kill forgets nothing that was sent.

A store into a shared mapping is in the page cache at once: it survives `kill -9` without a system call a letter, though
not a power cut: after one the file may be older than the database, so that a journal is believed only in the boot it
names. While a worker lives it holds a lock on its file; a file nobody holds belongs to a dead worker, and whoever finds
it settles what it says (design.md section 4, "Exactness").

Layout: 8 octets magic, 40 octets boot, 8 octets claim number, 8 octets count, then `count` copy ids of 8 octets, then
`count` marks.
"""

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from mailer.core.errors import MailerError

_MAGIC = b"MAILJRN2"
_HEADER = struct.Struct("<8s40sqq")
_BOOT_OCTETS = 40
_CLAIM = struct.Struct("<qq")
_CLAIM_AT = _HEADER.size - _CLAIM.size
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_ID = struct.Struct("<q")
#: More copies than a claim ever holds.
CAPACITY = 1024
_SIZE = _HEADER.size + CAPACITY * (_ID.size + 1)


class JournalError(MailerError, RuntimeError):
    """The journal cannot be used; nothing may be sent without it."""


class Mark(IntEnum):
    """What is known of a copy of the claim."""

    UNTOUCHED = 0
    FINAL_DOT = 1
    ACCEPTED = 2
    NOT_NOW = 3
    REFUSED = 4


@dataclass(frozen=True, slots=True)
class Remains:
    """What a dead worker's journal says: its name, its claim (0: it had begun none), and the mark of every copy.

    Of a journal that is not `legible` (damaged, no journal of ours, or not of this boot) nothing follows: all that the
    worker held is in doubt.
    """

    worker: str
    claim: int
    marks: tuple[tuple[int, Mark], ...]
    legible: bool = True


def this_boot() -> str:
    """The kernel's name for the time since this machine was started."""
    return _BOOT_ID.read_text(encoding="ascii").strip()


class Journal:
    """The journal of one living worker, good for one boot: without a name, this one."""

    def __init__(self, folder: Path, worker: str, boot: str | None = None) -> None:
        named = _named(boot)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.worker = worker
        self.path = folder / f"{worker}.journal"
        self._file = _opened(self.path)
        octets = os.pread(self._file, _SIZE, 0)
        if any(octets) and not _is_settled(octets, named):
            os.close(self._file)
            raise JournalError(f"The journal of {worker} is not settled yet: recover first.")
        os.ftruncate(self._file, _SIZE)
        self._map = mmap.mmap(self._file, _SIZE)
        self._marks_at = 0
        self._map[: _HEADER.size] = _HEADER.pack(_MAGIC, named, 0, 0)
        # The one time that the disk is waited for: whatever a power cut leaves of this file names the boot.
        self._map.flush()

    def begin(self, claim: int, copies: Sequence[int]) -> None:
        """Write down a claim before its first MAIL FROM: nothing touched yet."""
        if len(copies) > CAPACITY:
            raise JournalError(f"A claim of {len(copies)} copies does not fit; {CAPACITY} do.")
        self._marks_at = _HEADER.size + len(copies) * _ID.size
        self._map[_HEADER.size : self._marks_at] = b"".join(map(_ID.pack, copies))
        self._map[self._marks_at : self._marks_at + len(copies)] = bytes(len(copies))
        self._map[_CLAIM_AT : _HEADER.size] = _CLAIM.pack(claim, len(copies))

    def mark(self, index: int, mark: Mark) -> None:
        """Note what is known of the copy at this place of the claim."""
        self._map[self._marks_at + index] = mark

    def clear(self) -> None:
        """The claim is settled in the database: the journal holds nothing."""
        self._map[_CLAIM_AT : _HEADER.size] = _CLAIM.pack(0, 0)

    def close(self) -> None:
        """Let go of the file; an empty journal is removed, so that none piles up."""
        empty = _CLAIM.unpack_from(self._map, _CLAIM_AT)[1] == 0
        if empty:
            self.path.unlink(missing_ok=True)
        self._map.close()
        os.close(self._file)


def left_behind(folder: Path, boot: str | None = None) -> Iterator[Remains]:
    """The journals of dead workers; each is locked while it is looked at, and removed once the next is asked for."""
    named = _named(boot)
    for path in sorted(folder.glob("*.journal")):
        file = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            continue
        try:
            yield _read(path.stem, os.pread(file, _SIZE, 0), named)
            path.unlink(missing_ok=True)
        finally:
            os.close(file)


def _opened(path: Path) -> int:
    """The file, locked; opened again if its last holder removed it before we had the lock."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            raise JournalError(f"Another process works as {path.stem}: give each worker its own name.") from error
        if os.fstat(file).st_nlink:
            return file
        os.close(file)


def _named(boot: str | None) -> bytes:
    """A boot as the header holds it; never empty, since a file full of zeros must not look as if it were of it."""
    named = (this_boot() if boot is None else boot).encode()
    if not 0 < len(named) <= _BOOT_OCTETS:
        raise JournalError(f"{boot!r} does not name a boot: 1 to {_BOOT_OCTETS} octets do.")
    return named.ljust(_BOOT_OCTETS, b"\0")


def _is_settled(octets: bytes, named: bytes) -> bool:
    """Whether a journal of this boot holds nothing: its worker had begun no claim, or had settled it."""
    if len(octets) != _SIZE:
        return False
    magic, boot, _, count = _HEADER.unpack_from(octets)
    return (magic, boot, count) == (_MAGIC, named, 0)


def _read(worker: str, octets: bytes, named: bytes) -> Remains:
    if _is_settled(octets, named):
        return Remains(worker, 0, ())
    magic, boot, claim, count = _HEADER.unpack_from(octets) if len(octets) == _SIZE else (b"", b"", 0, 0)
    if (magic, boot) != (_MAGIC, named) or not 0 < count <= CAPACITY:
        return Remains(worker, 0, (), legible=False)
    marks_at = _HEADER.size + count * _ID.size
    ids = (_ID.unpack_from(octets, _HEADER.size + index * _ID.size)[0] for index in range(count))
    try:
        marks = tuple(zip(ids, map(Mark, octets[marks_at : marks_at + count]), strict=True))
    except ValueError:
        return Remains(worker, 0, (), legible=False)
    return Remains(worker, claim, marks)
