"""A worker's journal: one octet a copy, in a memory-mapped file, so that a kill forgets nothing that was sent.

A store into a shared mapping is in the page cache at once: it survives `kill -9` without a system call a letter, though
not a power cut: after one the file may be older than the database, so that a journal is believed only in the boot it
names. While a worker lives it holds a lock on its file; a file nobody holds belongs to a dead worker, and whoever finds
it settles what it says (design.md section 4, "Exactness").

Layout: 8 octets magic, 40 octets boot, 16 octets that are zero; then for each of `CAPACITY` places its claim's number
(8 octets, 0: the place is free), then for each its copy's id (8 octets), then for each its mark (1 octet). Numbers are
in this machine's order of octets, since no other reads them.
"""

import fcntl
import mmap
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from mailer.core.errors import MailerError

_MAGIC = b"MAILJRN3"
_HEADER = struct.Struct("<8s40s16x")
_BOOT_OCTETS = 40
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
#: More copies than a worker ever holds.
CAPACITY = 8192
_CLAIMS_AT = _HEADER.size
_NUMBERS = struct.Struct(f"={CAPACITY}q")
_COPIES_AT = _CLAIMS_AT + _NUMBERS.size
_MARKS_AT = _COPIES_AT + _NUMBERS.size
_SIZE = _MARKS_AT + CAPACITY


class JournalError(MailerError, RuntimeError):
    """The journal cannot be used; nothing may be sent without it."""


class Mark(IntEnum):
    """What is known of a copy of the claim."""

    UNTOUCHED = 0
    FINAL_DOT = 1
    ACCEPTED = 2
    NOT_NOW = 3
    REFUSED = 4


# For each copy of a claim: to look it up in its enumeration takes six times as long.
_UNTOUCHED = Mark.UNTOUCHED


@dataclass(frozen=True, slots=True)
class Marked:
    """A copy that a dead worker had claimed under this number, and what is known of it."""

    claim: int
    copy: int
    mark: Mark


@dataclass(frozen=True, slots=True)
class Remains:
    """What a dead worker's journal says: its name, and every copy whose answer it had not settled.

    Of a journal that is not `legible` (damaged, no journal of ours, or not of this boot) nothing follows: all that the
    worker held is in doubt.
    """

    worker: str
    marked: tuple[Marked, ...]
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
        whole = memoryview(self._map)
        #: Of each place the claim and the copy, as numbers, and the mark.
        self._claims = whole[_CLAIMS_AT:_COPIES_AT].cast("q")
        self._copies = whole[_COPIES_AT:_MARKS_AT].cast("q")
        self._marks = whole[_MARKS_AT:]
        whole.release()
        self._free = list(range(CAPACITY - 1, -1, -1))
        self._map[: _HEADER.size] = _HEADER.pack(_MAGIC, named)
        # The one time that the disk is waited for: whatever a power cut leaves of this file names the boot.
        self._map.flush()

    @property
    def room(self) -> int:
        """How many more copies it can hold."""
        return len(self._free)

    def begin(self, claim: int, copies: Sequence[int]) -> list[int]:
        """Write down a claim before its first MAIL FROM: nothing touched yet. The places of its copies."""
        if len(copies) > len(self._free):
            raise JournalError(f"A claim of {len(copies)} copies does not fit; {len(self._free)} do.")
        places = [self._free.pop() for _ in copies]
        for place, copy in zip(places, copies, strict=True):
            self._copies[place] = copy
            self._marks[place] = _UNTOUCHED
            # Last, since with it the place begins to speak.
            self._claims[place] = claim
        return places

    def mark(self, place: int, mark: Mark) -> None:
        """Note what is known of the copy at this place."""
        self._marks[place] = mark

    def clear(self, places: Iterable[int]) -> None:
        """These copies are settled in the database: the journal says nothing more of them."""
        for place in places:
            self._claims[place] = 0
            self._free.append(place)

    def close(self) -> None:
        """Let go of the file; an empty journal is removed, so that none piles up."""
        if len(self._free) == CAPACITY:
            self.path.unlink(missing_ok=True)
        self.leave()

    def leave(self) -> None:
        """Let go of the file, which stays: there may be claims that did not come into it, and it names their worker."""
        for view in (self._claims, self._copies, self._marks):
            view.release()
        self._map.close()
        os.close(self._file)


def left_behind(folder: Path, boot: str | None = None) -> Iterator[Remains]:
    """The journals of dead workers; each is locked while it is looked at, and removed once the next is asked for."""
    named = _named(boot)
    for path in sorted(folder.glob("*.journal")):
        try:
            file = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue  # settled by another since we looked
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            continue
        if not os.fstat(file).st_nlink:
            os.close(file)
            continue
        try:
            yield _read(path.stem, os.pread(file, _SIZE, 0), named)
            path.unlink(missing_ok=True)
        finally:
            os.close(file)


def _opened(path: Path) -> int:
    """The file, locked. A new one has its name only when it is locked: nobody takes it for a dead worker's."""
    draft = path.with_suffix(".new")
    while True:
        is_new = not path.exists()
        file = os.open(draft if is_new else path, os.O_RDWR | (os.O_CREAT if is_new else 0), 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            raise JournalError(f"Another process works as {path.stem}: give each worker its own name.") from error
        if is_new:
            draft.rename(path)
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
    """Whether a journal of this boot holds nothing: its worker had begun no claim, or had settled all."""
    return _is_of(octets, named) and not any(octets[_CLAIMS_AT:_COPIES_AT])


def _is_of(octets: bytes, named: bytes) -> bool:
    return len(octets) == _SIZE and _HEADER.unpack_from(octets) == (_MAGIC, named)


def _read(worker: str, octets: bytes, named: bytes) -> Remains:
    if not _is_of(octets, named):
        return Remains(worker, (), legible=False)
    claims = _NUMBERS.unpack_from(octets, _CLAIMS_AT)
    copies = _NUMBERS.unpack_from(octets, _COPIES_AT)
    marks = octets[_MARKS_AT:]
    try:
        places = zip(claims, copies, marks, strict=True)
        return Remains(worker, tuple(Marked(claim, copy, Mark(mark)) for claim, copy, mark in places if claim))
    except ValueError:
        return Remains(worker, (), legible=False)
