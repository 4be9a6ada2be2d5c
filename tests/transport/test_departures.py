"""The departures' files: durable when answered, whole lines only, and nobody in anybody's way (U13, P13)."""

import errno
import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from mailer.transport import departures as departures_module
from mailer.transport.departures import DepartureLog

DAY = date(2026, 11, 20)


@pytest.fixture
def log(tmp_path: Path) -> DepartureLog:
    return DepartureLog(tmp_path / "departures")


def lines(log: DepartureLog) -> list[bytes]:
    """Every line of every file."""
    return [line for name, size in log.sizes().items() for line in log.read(name, 0, size).split(b"\n") if line]


def only(log: DepartureLog) -> Path:
    (name,) = log.sizes()
    return log.folder / name


def test_lines_come_back_in_order_for_the_owner_alone(log: DepartureLog) -> None:
    assert log.sizes() == {}
    for line in (b"one", b"two"):
        log.append(line, DAY)
    assert lines(log) == [b"one", b"two"]
    assert stat.S_IMODE(only(log).stat().st_mode) == 0o600
    assert stat.S_IMODE(log.folder.stat().st_mode) == 0o700


def test_a_line_is_on_the_disk_before_it_is_answered(log: DepartureLog, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda file: synced.append(os.fstat(file).st_size))
    log.append(b"one", DAY)
    assert synced == [len(b"\none\n")]


def test_one_wait_for_the_disk_serves_all_who_wrote_meanwhile(
    log: DepartureLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append(b"first", DAY)
    all_written = threading.Event()
    written: list[int] = []
    syncs: list[int] = []
    real = os.write

    def counted(file: int, octets: bytes) -> int:
        written.append(real(file, octets))
        if len(written) == 8:
            all_written.set()
        return written[-1]

    def slow(file: int) -> None:
        syncs.append(file)
        assert all_written.wait(10)

    monkeypatch.setattr(os, "write", counted)
    monkeypatch.setattr(os, "fdatasync", slow)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: log.append(b"x", DAY), range(8)))
    assert 1 <= len(syncs) <= 2, "one for the first, one for all who came while it waited"


def test_after_the_disk_refused_nothing_more_is_promised_of_that_file(
    log: DepartureLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_file: int) -> None:
        raise OSError(errno.EIO, "the disk")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", refuse)
        with pytest.raises(OSError, match="the disk"):
            log.append(b"lost", DAY)
    log.append(b"kept", DAY)
    assert len(log.sizes()) == 2


def test_a_new_month_is_a_new_file_and_old_months_go(log: DepartureLog) -> None:
    for day in (date(2025, 12, 31), date(2026, 1, 1), DAY):
        log.append(day.isoformat().encode(), day)
    assert [name[:7] for name in log.sizes()] == ["2025-12", "2026-01", "2026-11"]
    assert log.remove_before(date(2025, 12, 31)) == []
    assert [name[:7] for name in log.remove_before(date(2026, 1, 31))] == ["2025-12"]
    assert [name[:7] for name in log.sizes()] == ["2026-01", "2026-11"]


def test_another_process_goes_on_in_the_same_file(log: DepartureLog) -> None:
    log.append(b"one", DAY)
    DepartureLog(log.folder).append(b"two", DAY)
    assert len(log.sizes()) == 1
    assert lines(log) == [b"one", b"two"]


def test_a_folder_that_was_taken_away_is_made_anew(log: DepartureLog) -> None:
    log.append(b"one", DAY)
    only(log).unlink()
    log.append(b"two", DAY)
    assert lines(log) == [b"two"]


def test_a_torn_line_spoils_neither_the_one_before_nor_the_one_after(log: DepartureLog) -> None:
    log.append(b"one", DAY)
    with only(log).open("ab") as file:
        file.write(b"\nhalf of a li")
    assert lines(log) == [b"one"], "what has no end may still be being written"
    log.append(b"two", DAY)
    assert lines(log) == [b"one", b"half of a li", b"two"]


def test_news_are_told_until_they_are_read(log: DepartureLog) -> None:
    assert not log.news()
    log.append(b"one", DAY)
    assert log.news()
    log.seen.update(log.sizes())
    assert not log.news()
    log.append(b"two", DAY)
    assert log.news()
    log.seen.update(log.sizes())
    log.forget()
    assert log.news()


def test_what_is_no_file_of_ours_is_left_alone(log: DepartureLog) -> None:
    log.append(b"one", DAY)
    for name in ("notes.txt", "2026-13-0123456789abcdef.departures", "2026-11.departures"):
        (log.folder / name).write_text("x")
    assert len(log.sizes()) == 1


def test_the_end_of_a_line_tells_whether_it_is_the_file_that_was_read(log: DepartureLog) -> None:
    log.append(b"one", DAY)
    name, size = only(log).name, only(log).stat().st_size
    assert log.ends_with(name, size, b"one\n")
    assert not log.ends_with(name, size, b"two\n")
    assert not log.ends_with(name, size + 4, b"one\n")
    assert not log.ends_with(name, 2, b"one\n")


def test_a_full_disk_keeps_nobody_from_leaving(log: DepartureLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append(b"one", DAY)
    real = os.write

    def full(file: int, octets: bytes) -> int:
        if (log.folder / "reserve").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, octets)

    monkeypatch.setattr(os, "write", full)
    log.append(b"two", DAY)
    assert lines(log) == [b"one", b"two"]


def test_room_is_held_back_before_anybody_leaves_and_again_when_there_is_plenty(
    log: DepartureLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = log.folder / "reserve"
    log.hold_room()
    assert reserve.stat().st_size == 1 << 20
    reserve.unlink()
    monkeypatch.setattr(departures_module, "free_octets", lambda _: 2 << 20)
    log.hold_room()
    assert not reserve.exists(), "what was given up is for the lines"
    monkeypatch.setattr(departures_module, "free_octets", lambda _: 1 << 30)
    log.hold_room()
    assert reserve.exists()


def test_half_a_line_is_no_promise(log: DepartureLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append(b"one", DAY)
    (log.folder / "reserve").unlink()
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, octets: real(file, octets[:3]))
    with pytest.raises(OSError, match="only a part"):
        log.append(b"two", DAY)


_MANY = """
import sys
from datetime import date
from pathlib import Path
from mailer.transport.departures import DepartureLog
log = DepartureLog(Path(sys.argv[1]))
for n in range(100):
    log.append(f"{sys.argv[2]}-{n} ".encode() * 40, date(2026, 11, 20))
"""


def test_two_processes_append_at_once_and_no_line_is_lost_or_mixed(log: DepartureLog) -> None:
    log.append(b"before", DAY)
    both = [subprocess.Popen([sys.executable, "-c", _MANY, str(log.folder), name]) for name in "ab"]
    assert [process.wait(60) for process in both] == [0, 0]
    expected = [b"before", *(f"{name}-{n} ".encode() * 40 for name in "ab" for n in range(100))]
    assert sorted(lines(log)) == sorted(expected)
