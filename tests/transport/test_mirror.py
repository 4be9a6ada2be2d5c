"""The mirror outside the database: never lower than it was, whole or refused, and cheap (design.md section 4)."""

import fcntl
import multiprocessing
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mailer.core.standing import Counts, LogLine, Machine, Mirrored
from mailer.transport.machine import this_machine
from mailer.transport.mirror import Mirror, MirrorError

MIRRORED = Mirrored(Counts("ab" * 16, 12, 34), Machine("m1", "boot-1", frozenset({"02:00:00:00:00:01"}), 5, 100))


@dataclass
class Ticks:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror(tmp_path / "journal" / "site", Ticks())


def as_an_earlier_version(path: Path) -> None:
    """Without a place for the line."""
    lines = path.read_text(encoding="ascii").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("line ")), encoding="ascii")


def counts(mirror: Mirror) -> tuple[int, int]:
    found = mirror.read()
    assert found is not None
    return found.counts.sends, found.counts.changes


def test_what_is_written_is_read_again(mirror: Mirror) -> None:
    assert mirror.read() is None
    mirror.write(MIRRORED)
    assert mirror.read() == MIRRORED
    mirror.write(replace(MIRRORED, machine=Machine()))
    assert mirror.read() == replace(MIRRORED, machine=Machine())
    assert [path.name for path in mirror.path.parent.iterdir()] == ["site"]


def test_a_counter_is_only_ever_raised(mirror: Mirror) -> None:
    mirror.write(MIRRORED)
    for sends, expected in ((13, 13), (11, 13), (2**62, 2**62)):
        mirror.note(sends=sends)
        assert counts(mirror) == (expected, 34)
    mirror.note(changes=35)
    assert counts(mirror) == (2**62, 35)
    assert mirror.read() == replace(MIRRORED, counts=Counts("ab" * 16, 2**62, 35))


def test_the_line_is_only_ever_a_later_one(mirror: Mirror) -> None:
    mirror.write(MIRRORED)
    first, second = LogLine(7, "a" * 32), LogLine(12, "b" * 32)
    for line, expected in ((first, first), (second, second), (first, second), (LogLine(12, "c" * 32), second)):
        mirror.note(line)
        assert mirror.read() == replace(MIRRORED, line=expected)
    mirror.write(replace(MIRRORED, line=first))
    assert mirror.read() == replace(MIRRORED, line=first)


def test_a_mirror_of_an_earlier_version_is_read_and_counted_in_and_gets_no_line(mirror: Mirror) -> None:
    mirror.write(MIRRORED)
    as_an_earlier_version(mirror.path)
    assert mirror.read() == MIRRORED
    mirror.note(LogLine(7, "a" * 32), sends=13)
    assert mirror.read() == replace(MIRRORED, counts=replace(MIRRORED.counts, sends=13))


def test_without_a_mirror_nothing_is_noted(mirror: Mirror) -> None:
    mirror.note(sends=13)
    assert mirror.read() is None


def test_a_mirror_that_was_written_anew_meanwhile_is_the_one_that_counts(mirror: Mirror) -> None:
    mirror.write(MIRRORED)
    mirror.note(sends=13)
    Mirror(mirror.path).write(MIRRORED)
    mirror.note(sends=14)
    assert counts(mirror) == (14, 34)


def test_the_disk_is_asked_for_at_most_once_a_second(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.write(MIRRORED)
    ticks = mirror._ticks
    assert isinstance(ticks, Ticks)
    synced: list[float] = []
    monkeypatch.setattr(os, "fdatasync", lambda _file: synced.append(ticks.now))
    for ticks.now in (100.0, 100.5, 100.9, 101.0, 101.5, 102.1):
        mirror.note(sends=int(ticks.now * 10))
    assert synced == [100.0, 101.0, 102.1]


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"sends 12\n",
        b"\xff" * 100,
        b"sends x\nchanges 1\nincarnation a\nmachine {}\n",
        b'sends 1\nchanges 1\nline x\nincarnation a\nmachine {"addresses": []}\n',
    ],
)
def test_a_mirror_that_cannot_be_read_stops_everything(mirror: Mirror, damage: bytes) -> None:
    mirror.write(MIRRORED)
    mirror.path.write_bytes(damage)
    with pytest.raises(MirrorError, match="mailer site adopt"):
        mirror.read()


def _count(path: Path, numbers: range) -> None:
    mirror = Mirror(path)
    for number in numbers:
        mirror.note(sends=number)


def test_several_processes_never_lower_it(mirror: Mirror) -> None:
    mirror.write(MIRRORED)
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_count, args=(mirror.path, range(start, 3000, 2))) for start in (20, 21)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert counts(mirror) == (2999, 34)


def test_room_for_the_line_is_made_once_and_loses_nothing(mirror: Mirror) -> None:
    mirror.write(MIRRORED)
    as_an_earlier_version(mirror.path)
    another = Mirror(mirror.path)
    another.note(sends=99)
    mirror.make_room()
    inode = mirror.path.stat().st_ino
    mirror.make_room()
    assert mirror.path.stat().st_ino == inode
    # The other still has the file that was written anew.
    another.note(LogLine(7, "a" * 32), sends=100)
    expected = replace(MIRRORED, counts=replace(MIRRORED.counts, sends=100), line=LogLine(7, "a" * 32))
    assert mirror.read() == expected


def test_threads_write_it_anew_and_count_in_it_side_by_side(mirror: Mirror) -> None:
    mirror.write(MIRRORED)
    faults: list[Exception] = []

    def again(act: Callable[[int], None]) -> None:
        try:
            for number in range(300):
                act(number)
        except Exception as error:  # noqa: BLE001 - whatever it was is what the test is about
            faults.append(error)

    acts: list[Callable[[int], None]] = [lambda number: mirror.note(sends=number), lambda _: mirror.write(MIRRORED)]
    threads = [threading.Thread(target=again, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert counts(mirror)[0] >= MIRRORED.counts.sends


def test_it_is_read_while_a_frozen_process_holds_its_lock(mirror: Mirror) -> None:
    mirror.write(MIRRORED)
    with mirror.path.open("r+b") as frozen:
        fcntl.flock(frozen, fcntl.LOCK_EX)
        assert mirror.read() == MIRRORED


def test_what_is_written_to_between_two_readings_is_read_again(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.write(MIRRORED)
    whole = mirror.path.read_bytes()
    half = whole.replace(b"sends 00000000000000000012", b"sends 00000000000000000099")
    found = iter([half, whole, whole])
    monkeypatch.setattr(Path, "read_bytes", lambda _: next(found))
    assert mirror.read() == MIRRORED


def test_a_copied_folder_is_another_place_and_a_renamed_one_is_not(tmp_path: Path) -> None:
    first = tmp_path / "var"
    first.mkdir()
    here = this_machine(first)
    assert here.boot
    assert not this_machine(first).is_another_than(here)
    first.rename(tmp_path / "moved")
    assert not this_machine(tmp_path / "moved").is_another_than(here)
    (tmp_path / "copy").mkdir()
    assert this_machine(tmp_path / "copy").is_another_than(here)
