"""After a database error the journal is settled before anything more is sent; names are never used twice."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from django.db import OperationalError

from mailer.actions.pulse import Pulse
from mailer.house import House
from mailer.transport.journal import Journal, Mark, Marked, Remains, left_behind
from mailer.transport.memory import MemoryPool, MemoryRelay
from mailer.worker import chance, process
from mailer.worker.process import Worker

PULSE = Pulse(chance.sign_of_life("w"))


class BrokenSender:
    """A sender whose database fails after the final dot of a letter was answered."""

    def __init__(self, _house: House, journal: Journal, *_: object) -> None:
        self.journal = journal

    def work(self) -> bool:
        places = self.journal.begin(7, [1, 2])
        self.journal.mark(places[0], Mark.ACCEPTED)
        raise OperationalError("the database is away")

    def rest(self) -> None: ...


class TornSender(BrokenSender):
    """Its database fails when a claim is durable and not in the journal yet."""

    def work(self) -> bool:
        raise OperationalError("the database is away")


def test_a_database_error_leaves_what_was_sent_in_the_journal_and_it_is_settled_first(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (remains,) = after(BrokenSender, house, tmp_path, monkeypatch)
    assert remains.marked == (Marked(7, 1, Mark.ACCEPTED), Marked(7, 2, Mark.UNTOUCHED))


def test_a_claim_that_did_not_come_into_the_journal_is_given_back_first(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would lie there until its lease ends, and letters that were never tried would be in doubt."""
    (remains,) = after(TornSender, house, tmp_path, monkeypatch)
    assert (remains.legible, remains.marked) == (True, ()), "by its worker's name recover finds it"


def after(
    sender: type[BrokenSender], house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Sequence[Remains]:
    """What a worker with this sender finds of itself when its database has failed."""
    told: list[Remains] = []
    worker = Worker(house, MemoryPool(MemoryRelay()), ())
    monkeypatch.setattr(House, "journals", tmp_path)
    monkeypatch.setattr(process, "Sender", sender)
    monkeypatch.setattr(process, "close_old_connections", lambda: None)
    monkeypatch.setattr(process, "may_send", lambda *_: None)
    monkeypatch.setattr(process, "recover", lambda *_: told.extend(left_behind(tmp_path)))
    monkeypatch.setattr(process.time, "sleep", lambda _: setattr(worker, "stopping", True))
    worker._work_under_one_name(PULSE)
    assert told == [], "nobody had left anything behind at the start"
    worker._work_under_one_name(PULSE)
    return told


def test_a_lease_runs_on_while_the_machine_is_suspended(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = {time.CLOCK_BOOTTIME: 3600.0, time.CLOCK_MONOTONIC: 1.0}
    sender = Worker(house, MemoryPool(MemoryRelay()), ())._sender(Journal(tmp_path, "w"), PULSE)
    monkeypatch.setattr(process.time, "clock_gettime", clocks.__getitem__)
    assert sender.ticks() == 3600.0


def test_two_workers_never_have_one_name_and_it_fits_its_column() -> None:
    names = {chance.worker_name() for _ in range(1000)}
    assert len(names) == 1000
    assert max(map(len, names)) <= 64


def test_words_are_such_as_the_compiler_takes() -> None:
    assert len({chance.word() for _ in range(1000)}) == 1000
    assert all(word.isalnum() and word[0].isalpha() and len(word) == 24 for word in (chance.word() for _ in range(50)))
    assert all(0 <= chance.handle() < 2**64 for _ in range(50))
