"""The journal survives its worker, belongs to one, and never speaks of what it does not know."""

import fcntl
import mmap
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from mailer.transport.journal import CAPACITY, Journal, JournalError, Mark, Marked, left_behind, this_boot

IDS = (7, 2**40, 9)
BOOT = "0b6a4a2e-7f1c-4a53-9c57-3f5d1c0d9f11"
LATER = "b1f3c0de-1111-4222-8333-444455556666"


def abandoned(folder: Path, *marks: tuple[int, Mark], boot: str | None = None) -> Path:
    """A journal whose worker is dead: the lock is gone, the file is there."""
    journal = Journal(folder, "w1", boot)
    places = journal.begin(41, IDS)
    for index, mark in marks:
        journal.mark(places[index], mark)
    os.close(os.dup(journal._file))
    fcntl.flock(journal._file, fcntl.LOCK_UN)
    return journal.path


def test_a_dead_workers_marks_are_read(tmp_path: Path) -> None:
    path = abandoned(tmp_path, (0, Mark.ACCEPTED), (2, Mark.FINAL_DOT))
    (remains,) = left_behind(tmp_path)
    assert (remains.worker, remains.legible) == ("w1", True)
    assert remains.marked == (
        Marked(41, 7, Mark.ACCEPTED), Marked(41, 2**40, Mark.UNTOUCHED), Marked(41, 9, Mark.FINAL_DOT),
    )  # fmt: skip
    assert not path.exists()
    assert list(left_behind(tmp_path)) == []


def test_the_layout_is_as_written_down(tmp_path: Path) -> None:
    octets = abandoned(tmp_path, (1, Mark.REFUSED), boot=BOOT).read_bytes()
    assert struct.unpack_from("<8s40s16x", octets) == (b"MAILJRN3", BOOT.encode() + bytes(4))
    assert struct.unpack_from("<4q", octets, 64) == (41, 41, 41, 0)
    assert struct.unpack_from("<3q", octets, 64 + 8 * CAPACITY) == IDS
    assert octets[64 + 16 * CAPACITY :][:4] == bytes([0, 4, 0, 0])
    assert len(octets) == 64 + 17 * CAPACITY


def test_several_claims_lie_side_by_side_and_are_freed_one_by_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w1")
    first, second = journal.begin(41, [7, 8]), journal.begin(42, [9])
    journal.mark(second[0], Mark.FINAL_DOT)
    journal.clear([first[0]])
    assert journal.room == CAPACITY - 2
    third = journal.begin(43, [10])
    assert third == [first[0]]
    fcntl.flock(journal._file, fcntl.LOCK_UN)
    (remains,) = left_behind(tmp_path)
    assert set(remains.marked) == {
        Marked(41, 8, Mark.UNTOUCHED), Marked(42, 9, Mark.FINAL_DOT), Marked(43, 10, Mark.UNTOUCHED),
    }  # fmt: skip


def test_a_place_begins_to_speak_only_when_its_copy_stands_there(tmp_path: Path) -> None:
    """Killed while a claim is written into the journal: what stands there is true."""
    stored: list[tuple[str, int]] = []

    class Watched:
        def __init__(self, name: str) -> None:
            self.name = name

        def __setitem__(self, place: int, number: int) -> None:
            stored.append((self.name, number))

    journal: Any = Journal(tmp_path, "w1")
    for name in ("_copies", "_marks", "_claims"):
        setattr(journal, name, Watched(name))
    journal.begin(41, [7])
    assert stored == [("_copies", 7), ("_marks", Mark.UNTOUCHED), ("_claims", 41)]


def test_after_a_power_cut_a_journal_is_not_believed(tmp_path: Path) -> None:
    """What is on the disk may be older than the database: it was never synced."""
    path = abandoned(tmp_path, (0, Mark.ACCEPTED), boot=BOOT)
    (remains,) = left_behind(tmp_path, LATER)
    assert (remains.worker, remains.marked, remains.legible) == ("w1", (), False)
    assert not path.exists()


def test_after_a_power_cut_an_empty_journal_does_not_say_that_nothing_was_begun(tmp_path: Path) -> None:
    """Only its first state had reached the disk."""
    path = Journal(tmp_path, "w1", BOOT).path
    octets = path.read_bytes()
    path.unlink()
    path.write_bytes(octets)
    with pytest.raises(JournalError, match="settled"):
        Journal(tmp_path, "w1", LATER)
    (remains,) = left_behind(tmp_path, LATER)
    assert not remains.legible
    path.write_bytes(octets)
    (remains,) = left_behind(tmp_path, BOOT)
    assert (remains.marked, remains.legible) == ((), True)


def test_its_boot_is_on_the_disk_before_anything_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[bytes] = []

    class Seen(mmap.mmap):
        def flush(self, *_: int) -> None:
            flushed.append(self[:64])
            super().flush()

    monkeypatch.setattr("mailer.transport.journal.mmap.mmap", Seen)
    journal = Journal(tmp_path, "w1", BOOT)
    journal.clear(journal.begin(41, IDS))
    assert flushed == [struct.pack("<8s40s16x", b"MAILJRN3", BOOT.encode())], "once: no letter waits for the disk"


def test_a_boot_is_one_until_the_machine_starts_anew() -> None:
    assert len(this_boot()) == 36
    assert this_boot() == this_boot()


def test_a_boot_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="boot"):
        Journal(tmp_path, "w1", "")


def test_a_living_workers_journal_is_left_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w1")
    journal.begin(41, IDS)
    assert list(left_behind(tmp_path)) == []
    assert journal.path.exists()


def test_two_workers_of_one_name_are_refused(tmp_path: Path) -> None:
    first = Journal(tmp_path, "w1")
    with pytest.raises(JournalError, match="own name"):
        Journal(tmp_path, "w1")
    first.close()
    Journal(tmp_path, "w1")


def test_a_journal_that_was_not_settled_is_not_written_over(tmp_path: Path) -> None:
    abandoned(tmp_path, (0, Mark.ACCEPTED))
    with pytest.raises(JournalError, match="settled"):
        Journal(tmp_path, "w1")
    (remains,) = left_behind(tmp_path)
    assert remains.marked[0] == Marked(41, 7, Mark.ACCEPTED)
    Journal(tmp_path, "w1")


def test_a_journal_removed_while_it_was_opened_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process settles and removes the file between our open and our lock."""
    (tmp_path / "w1.journal").touch()
    real, calls = fcntl.flock, []

    def flock(file: int, how: int) -> None:
        if not calls:
            (tmp_path / "w1.journal").unlink()
        calls.append(how)
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    journal = Journal(tmp_path, "w1")
    monkeypatch.undo()
    assert os.fstat(journal._file).st_ino == journal.path.stat().st_ino


def test_a_settled_journal_goes_with_its_worker(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w1")
    journal.clear(journal.begin(1, IDS))
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_an_unsettled_journal_stays(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w1")
    journal.begin(1, IDS)
    journal.close()
    (remains,) = left_behind(tmp_path)
    assert {each.claim for each in remains.marked} == {1}


def test_a_claim_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "w1")
    journal.begin(1, range(CAPACITY))
    with pytest.raises(JournalError):
        journal.begin(2, range(CAPACITY + 1))


@pytest.mark.parametrize("content", [b"", bytes(24), bytes(64 + 17 * CAPACITY)], ids=["empty", "short zeros", "zeros"])
def test_a_journal_that_names_no_boot_is_not_believed(tmp_path: Path, content: bytes) -> None:
    """Killed before its header was written, or lost by the disk."""
    (tmp_path / "w1.journal").write_bytes(content)
    (remains,) = left_behind(tmp_path)
    assert (remains.marked, remains.legible) == ((), False)


@pytest.mark.parametrize(
    "damage",
    [
        lambda octets: octets[:40],
        lambda octets: octets[:-1],
        lambda octets: b"\x7fELF" + octets[4:],
        lambda octets: octets[: 64 + 16 * CAPACITY] + b"\xff" + octets[65 + 16 * CAPACITY :],
    ],
    ids=["truncated", "one short", "foreign", "unknown mark"],
)
def test_a_damaged_journal_says_so(tmp_path: Path, damage: object) -> None:
    path = abandoned(tmp_path, (0, Mark.ACCEPTED))
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    (remains,) = left_behind(tmp_path)
    assert not remains.legible
    assert remains.marked == ()
    assert not path.exists()
