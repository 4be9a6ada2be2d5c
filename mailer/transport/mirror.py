"""The mirror: the site's incarnation and counters as this host last saw them, in a file outside the database.

Law of the file: a counter is written after the database has made it durable, and before the first letter of its claim,
so that the mirror is never ahead of its own database; that it is ahead proves that an older one was restored. A write
is in the page cache at once and survives `kill -9`; the disk is asked for at most once a second, so that a power cut
may lose the last second of counting. Then the mirror lags, which is taken for no proof of anything
(`core.standing.UNSYNCED`).

The file is text, a name and a value a line. The counters and the newest line of the audit log come first, with as many
digits as the largest has, and are written in place; everything else is written anew as a whole.
"""

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from mailer.core.errors import MailerError
from mailer.core.standing import Counts, LogLine, Machine, Mirrored

_DIGITS = 20
#: Where the digits of each counter begin.
_PLACES = {"sends": len("sends "), "changes": len("sends ") + _DIGITS + 1 + len("changes ")}
_LINE, _LINE_AT = b"line ", _PLACES["changes"] + _DIGITS + 1
#: Octets; no mirror has as many.
_MOST = 1 << 16
_NO_LINE = LogLine(0, "0" * 32)
#: Seconds from one fdatasync to the next.
_SYNC_EVERY = 1.0


class MirrorError(MailerError, ValueError):
    """The mirror cannot be read; nothing may be sent without it."""


class Mirror:
    """The mirror in one file, which may not be there yet. `ticks` are monotonic seconds."""

    def __init__(self, path: Path, ticks: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._ticks = ticks
        self._file: int | None = None
        self._synced_at = 0.0
        self._noting = threading.Lock()

    def read(self) -> Mirrored | None:
        """What it says; None if there is none."""
        try:
            return self._parsed(self._octets())
        except FileNotFoundError:
            return None

    def write(self, mirrored: Mirrored) -> None:
        """Write all of it anew, durably; what is there is replaced as a whole."""
        with self._noting:
            self._replace(mirrored)

    def make_room(self) -> None:
        """Write what an earlier version of Mailer wrote anew, with a place for the line; nothing is lost of it."""
        with self._noting, self._held() as file:
            if file is not None and not _has_room(file):
                self._replace(self._parsed(os.pread(file, _MOST, 0)))

    def note(self, line: LogLine | None = None, **counters: int) -> None:
        """Raise counters to these values, and the line to this one, unless they are higher already.

        Nothing if there is no mirror yet; no line in a mirror that an earlier version of Mailer wrote.
        """
        with self._noting:
            with self._held() as file:
                if file is None:
                    return
                for name, value in counters.items():
                    _raise(file, _PLACES[name], value)
                if line is not None and _has_room(file):
                    _raise_line(file, line)
            now = self._ticks()
            if now - self._synced_at >= _SYNC_EVERY:
                os.fdatasync(file)
                self._synced_at = now

    def _replace(self, mirrored: Mirrored) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.path.with_suffix(f".{os.getpid()}.new")
        number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(number, _text(mirrored).encode("ascii"))
            os.fsync(number)
        finally:
            os.close(number)
        draft.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _held(self) -> Iterator[int | None]:
        """The file, with other processes kept out: the one that counts, though it be written anew meanwhile."""
        while (file := self._opened()) is not None:
            with _locked(file):
                if os.fstat(file).st_nlink:
                    yield file
                    return
        yield None

    def _parsed(self, octets: bytes) -> Mirrored:
        try:
            lines = dict(line.split(" ", 1) for line in octets.decode("ascii").splitlines())
            counts = Counts(lines["incarnation"], int(lines["sends"]), int(lines["changes"]))
            machine = json.loads(lines["machine"])
            place = Machine(**{**machine, "addresses": frozenset(machine["addresses"])})
            return Mirrored(counts, place, _line(lines.get("line")))
        except (ValueError, KeyError, TypeError) as error:
            raise MirrorError(
                f"{self.path} cannot be read. If its disk is sound, move it away and run `mailer site adopt`."
            ) from error

    def _octets(self) -> bytes:
        """The file as it is between two writes; without its lock, which a process that was frozen may hold."""
        before = self.path.read_bytes()
        while (octets := self.path.read_bytes()) != before:
            before = octets
        return octets

    def _opened(self) -> int | None:
        if self._file is not None and os.fstat(self._file).st_nlink == 0:
            # Forgotten before it is closed: its number may be another file's at once.
            file, self._file = self._file, None
            os.close(file)
        if self._file is None:
            try:
                self._file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
        return self._file


@contextmanager
def _locked(file: int) -> Iterator[None]:
    """Keep other processes out between looking and writing."""
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _raise(file: int, place: int, value: int) -> None:
    if int(os.pread(file, _DIGITS, place)) < value:
        os.pwrite(file, f"{value:0{_DIGITS}d}".encode("ascii"), place)


def _has_room(file: int) -> bool:
    """Whether it has a place for the line."""
    return os.pread(file, len(_LINE), _LINE_AT) == _LINE


def _raise_line(file: int, line: LogLine) -> None:
    if int(os.pread(file, _DIGITS, _LINE_AT + len(_LINE))) < line.number:
        # In one write: number and digest are of one line, whoever is killed.
        os.pwrite(file, _line_text(line).encode("ascii"), _LINE_AT)


def _line(text: str | None) -> LogLine | None:
    number, _, digest = (text or "0").partition(" ")
    return LogLine(int(number), digest) if int(number) else None


def _line_text(line: LogLine) -> str:
    return f"line {line.number:0{_DIGITS}d} {line.digest}"


def _text(mirrored: Mirrored) -> str:
    counts, machine = mirrored.counts, asdict(mirrored.machine)
    machine["addresses"] = sorted(mirrored.machine.addresses)
    return (
        f"sends {counts.sends:0{_DIGITS}d}\n"
        f"changes {counts.changes:0{_DIGITS}d}\n"
        f"{_line_text(mirrored.line or _NO_LINE)}\n"
        f"incarnation {counts.incarnation}\n"
        f"machine {json.dumps(machine)}\n"
    )
