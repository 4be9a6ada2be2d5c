"""The bell rings on, whatever happens to one ring, and more slowly while something is wrong."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from threading import Event
from types import SimpleNamespace

import pytest
from django.db import OperationalError

from mailer.actions import watch_site
from mailer.actions.fetch_reports import Look, Vigil
from mailer.house import House
from mailer.worker import bell as bell_module
from mailer.worker import chance
from mailer.worker.bell import Bell
from mailer.worker.patience import Patience
from tests.commands.site import DEADLINE


@pytest.fixture
def bell(house: House, monkeypatch: pytest.MonkeyPatch) -> Bell:
    for name in ("recover", "seal_ledger", "close_old_connections", "let_go", "watch_site", "follow_returns"):
        monkeypatch.setattr(bell_module, name, lambda *_: None)
    monkeypatch.setattr(watch_site, "clock_is_off", lambda *_: None)
    for name in ("follow_clock", "why_not", "note_changes"):
        monkeypatch.setattr(bell_module, name, lambda *_: None)
    for name in ("forget_old_reports", "forget_old_departures", "forget_old", "show_failures"):
        monkeypatch.setattr(bell_module, name, lambda *_: None)
    monkeypatch.setattr(bell_module, "Teller", lambda *_: SimpleNamespace(tell_all=lambda: 0))
    return Bell(house, lambda: None, StillPulse())  # type: ignore[arg-type]


class StillPulse:
    """A pulse that writes nothing."""

    def __init__(self) -> None:
        self.beats, self.ended = 0, False

    def beat(self, _now: datetime) -> None:
        self.beats += 1

    def end(self) -> None:
        self.ended = True


def keeps_time(monkeypatch: pytest.MonkeyPatch, does: Callable[[], object]) -> None:
    monkeypatch.setattr(bell_module, "keep_time", lambda *_, **__: does())


def test_it_rings_at_once_and_again(bell: Bell, monkeypatch: pytest.MonkeyPatch) -> None:
    rung, twice = [], Event()

    def ring() -> None:
        rung.append(1)
        if len(rung) == 2:
            twice.set()

    keeps_time(monkeypatch, ring)
    bell.start()
    assert twice.wait(DEADLINE)
    bell.shut_down()


def test_what_is_due_within_the_second_is_rung_for_then(bell: Bell, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = []
    bell._scheduler = SimpleNamespace(modify_job=lambda _, next_run_time: moved.append(next_run_time))  # type: ignore[assignment]
    now = chance.now()
    monkeypatch.setattr(bell_module.chance, "now", lambda: now)
    for seconds, expected in ((0.25, [now + timedelta(seconds=0.25)]), (5, []), (-1, [])):
        keeps_time(monkeypatch, lambda seconds=seconds: now + timedelta(seconds=seconds))
        bell.ring()
        assert moved == expected
        moved.clear()


@pytest.mark.parametrize("fault", [OperationalError("database is locked"), TypeError("a fault of ours")])
def test_a_fault_is_said_and_the_next_rings_come_later(
    bell: Bell, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    ticks, rings = [0.0], []
    bell._patience = Patience(lambda: ticks[0])

    def fail() -> None:
        rings.append(ticks[0])
        raise fault

    keeps_time(monkeypatch, fail)
    with caplog.at_level(logging.ERROR, "mailer.worker"):
        for _ in range(1200):
            bell.ring()
            ticks[0] += 0.1
    assert str(fault) in caplog.text
    pauses = [round(later - earlier, 1) for earlier, later in pairwise(rings)]
    assert pauses[:3] == [0.5, 1.0, 2.0]
    assert max(pauses) <= 30.1
    assert len(rings) < 12, "it never loops in haste"


def test_a_bell_that_is_shut_down_while_it_rings_ends(bell: Bell, monkeypatch: pytest.MonkeyPatch) -> None:
    ringing, go_on = Event(), Event()

    def ring() -> object:
        ringing.set()
        assert go_on.wait(DEADLINE)
        return chance.now() + timedelta(seconds=0.5)

    keeps_time(monkeypatch, ring)
    bell.start()
    assert ringing.wait(DEADLINE)
    bell.shut_down()
    go_on.set()


def test_with_a_wrong_clock_nothing_is_started_and_it_rings_on(bell: Bell, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    told: list[object] = []
    faults = iter(["It went back.", "It went back.", None, None])
    keeps_time(monkeypatch, lambda: kept.append(1))
    monkeypatch.setattr(watch_site, "clock_is_off", lambda *_: next(faults))
    monkeypatch.setattr(bell_module, "follow_clock", lambda _host, fault, _now: told.append(fault))
    for expected in (0, 0, 1, 2):
        bell.ring()
        assert len(kept) == expected
    assert told == ["It went back.", "It went back.", None], "and what is over is said once"


def test_at_its_start_a_clock_that_is_right_ends_what_rang_before(bell: Bell, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    keeps_time(monkeypatch, lambda: None)
    monkeypatch.setattr(bell_module, "follow_clock", lambda _host, fault, _now: told.append(fault))
    bell.ring()
    bell.ring()
    assert told == [None]


def test_it_gives_signs_of_life_until_it_ends(bell: Bell, monkeypatch: pytest.MonkeyPatch) -> None:
    beaten = Event()
    keeps_time(monkeypatch, lambda: None)
    monkeypatch.setattr(bell.pulse, "beat", lambda _: beaten.set())
    bell.start()
    assert beaten.wait(DEADLINE)
    bell.shut_down()
    assert bell.pulse.ended  # type: ignore[attr-defined]


def test_a_worker_is_seen_before_it_looks_for_workers(bell: Bell, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(bell.pulse, "beat", lambda _: done.append("beats"))
    monkeypatch.setattr(bell_module, "watch_site", lambda *_: done.append("looks"))
    bell.watch()
    assert done == ["beats", "looks"]


def test_what_fails_in_the_watch_does_not_slow_the_bell(bell: Bell, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("away")

    kept: list[int] = []
    keeps_time(monkeypatch, lambda: kept.append(1))
    monkeypatch.setattr(bell_module, "watch_site", fail)
    bell.watch()
    bell.ring()
    assert kept == [1]


@pytest.mark.parametrize("job", ["forget_old_reports", "show_failures"])
def test_old_reports_are_forgotten_and_the_desk_is_tended(
    bell: Bell, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    done = Event()
    keeps_time(monkeypatch, lambda: None)
    monkeypatch.setattr(bell_module, job, lambda *_: done.set())
    bell.start()
    assert done.wait(DEADLINE)
    bell.shut_down()


def test_patience_begins_anew_after_a_success() -> None:
    ticks = [0.0]
    patience = Patience(lambda: ticks[0])
    patience.failed()
    patience.failed()
    assert patience.pause == 1.0
    assert patience.is_resting()
    patience.succeeded()
    assert not patience.is_resting()
    patience.failed()
    assert patience.pause == 0.5


def test_reports_are_fetched_again_at_once_while_there_are_more_and_troubles_are_said(
    bell: Bell, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks = [Look("a", (), more=True), Look("a", (), trouble="The mailbox cannot be read.", more=False)]
    monkeypatch.setattr(bell_module, "poll", lambda *_, **__: [looks.pop(0)])
    with caplog.at_level(logging.WARNING, "mailer.worker"):
        bell.fetch_reports()
    assert looks == []
    assert "The mailbox cannot be read." in caplog.text
    assert not bell._patience.is_resting(), "a mailbox that is away slows nothing else"


def test_who_is_stopped_waits_for_no_news(bell: Bell, monkeypatch: pytest.MonkeyPatch) -> None:
    def poll(*_: object, vigil: Vigil, **__: object) -> list[Look]:
        assert not vigil.stopping()
        bell.shut_down()
        assert vigil.stopping()
        return [Look("a", (), more=True)]

    bell._scheduler = SimpleNamespace(shutdown=lambda **_: None)  # type: ignore[assignment]
    monkeypatch.setattr(bell_module, "poll", poll)
    bell.fetch_reports()
