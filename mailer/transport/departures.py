"""The departures: lines that are only ever added to, in files that no restore of the database touches (U13, U14, P13).

Law of the file: `append` returns when the line is on the disk, and any number of threads and processes append at once:
one write a line, O_APPEND, one fdatasync for all that were written before it. Each line stands between two line ends,
so that one torn by a power cut or a full disk spoils no other. Files are one a month, for the owner only, and their
names never come again, so that the database can remember how far each has been read.

A full disk does not keep anybody from leaving: the room for some thousands of lines is held back in a file of its own.
"""

import errno
import os
import re
import secrets
import threading
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from mailer.transport.disk import free_octets

_NAME = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-[0-9a-f]{16}\.departures")
_RESERVE, _RESERVE_OCTETS = "reserve", 1 << 20
#: With less than this free, what was given up is left to the lines.
_PLENTY = 8 * _RESERVE_OCTETS
#: The most that is read at once; no line is longer.
_CHUNK = 1 << 20


@dataclass
class _OpenFile:
    """A file that this process appends to; one fdatasync serves all threads that wrote before it began."""

    path: Path
    number: int
    broken: bool = False
    _written: int = 0
    _synced: int = 0
    _writing: threading.Lock = field(default_factory=threading.Lock)
    _syncing: threading.Lock = field(default_factory=threading.Lock)

    def __del__(self) -> None:
        os.close(self.number)

    def usable(self, month: str) -> bool:
        """Whether it is of this month, sound, and still in its folder."""
        return not self.broken and self.path.name.startswith(month) and os.fstat(self.number).st_nlink > 0

    def append(self, octets: bytes) -> None:
        """Write and wait for the disk; raises OSError."""
        with self._writing:
            if os.write(self.number, octets) != len(octets):
                raise OSError(errno.ENOSPC, "only a part of the line was written")
            self._written += 1
            mine = self._written
        with self._syncing:
            if self._synced >= mine:
                return
            reached = self._written
            try:
                os.fdatasync(self.number)
            except OSError:
                # After a failure the kernel may call lost pages clean: nothing more is promised of this file.
                self.broken = True
                raise
            self._synced = reached


class DepartureLog:
    """The files of one folder.

    What a reader in this process remembers of each: its size when it was `seen`, how far it was `read_to`, and how far
    the database has `noted` that.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: dict[str, int] = {}
        self.read_to: dict[str, int] = {}
        self.noted: dict[str, int] = {}
        self._file: _OpenFile | None = None
        self._opening = threading.Lock()

    def append(self, line: bytes, day: date) -> None:
        """Add a line; it is durable when this returns. Raises OSError if that cannot be promised."""
        octets = b"\n" + line + b"\n"
        try:
            self._open_file(day).append(octets)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT} or not self._give_up_reserve():
                raise
            self._open_file(day).append(octets)

    def hold_room(self) -> None:
        """Make the folder, and hold back room there if there is plenty; raises OSError if there can be no folder.

        Once before the first line, and again and again, since the room may have been given up.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / _RESERVE
        if path.exists() or free_octets(self.folder) < _PLENTY:
            return
        try:
            path.touch(mode=0o600)
            path.write_bytes(bytes(_RESERVE_OCTETS))
        except OSError:
            # No room for a reserve is no reason to refuse a line.
            path.unlink(missing_ok=True)

    def sizes(self) -> dict[str, int]:
        """Every file with its size, oldest month first; a few microseconds."""
        try:
            with os.scandir(self.folder) as entries:
                found = [(each.name, each.stat().st_size) for each in entries if _NAME.fullmatch(each.name)]
        except FileNotFoundError:
            return {}
        return dict(sorted(found))

    def news(self) -> dict[str, int]:
        """The files that have another size than when this process last read them, with that size."""
        return {name: size for name, size in self.sizes().items() if self.seen.get(name) != size}

    def read(self, name: str, start: int, end: int) -> bytes:
        """Whole lines from an offset up to another; empty if there are none. A line that is being written waits."""
        octets = self._octets(name, start, max(0, min(_CHUNK, end - start)))
        return octets[: octets.rfind(b"\n") + 1]

    def ends_with(self, name: str, offset: int, tail: bytes) -> bool:
        """Whether a line with this end ends at the offset: whether it is the file that was read that far."""
        return offset >= len(tail) and self._octets(name, offset - len(tail), len(tail)) == tail

    def forget(self) -> None:
        """Remember nothing of what was read: the database may be another one now."""
        self.seen.clear()
        self.read_to.clear()
        self.noted.clear()

    def remove_before(self, day: date) -> list[str]:
        """Remove the files of months that ended before this day; their names."""
        old = [name for name in self.sizes() if _end_of(name) <= day]
        for name in old:
            (self.folder / name).unlink(missing_ok=True)
            for known in (self.seen, self.read_to, self.noted):
                known.pop(name, None)
        return old

    def _octets(self, name: str, start: int, most: int) -> bytes:
        file = os.open(self.folder / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(file, most, start)
        finally:
            os.close(file)

    def _open_file(self, day: date) -> _OpenFile:
        month = f"{day:%Y-%m}"
        with self._opening:
            if self._file is None or not self._file.usable(month):
                self._file = self._opened(month)
            return self._file

    def _opened(self, month: str) -> _OpenFile:
        """This month's file; two processes that find none may each make one, and both are read."""
        self.hold_room()
        there = [name for name in self.sizes() if name.startswith(month)]
        # The random part keeps apart what two hosts write for one database.
        name = there[0] if there and not self._is_broken(there[0]) else f"{month}-{secrets.token_hex(8)}.departures"
        path = self.folder / name
        number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for folder in (self.folder, self.folder.parent):
            _sync_folder(folder)
        return _OpenFile(path, number)

    def _is_broken(self, name: str) -> bool:
        return self._file is not None and self._file.broken and self._file.path.name == name

    def _give_up_reserve(self) -> bool:
        try:
            (self.folder / _RESERVE).unlink()
        except OSError:
            return False
        return True


def _end_of(name: str) -> date:
    """The first day after the month of a file."""
    first = date(int(name[:4]), int(name[5:7]), 1)
    return (first + timedelta(days=31)).replace(day=1)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
