"""The bell rings on, whatever happens to one ring, and more slowly while something is wrong."""

import logging
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from threading import Event
from types import SimpleNamespace

import pytest
from django.db import OperationalError

from mailer.house import House
from mailer.worker import bell as bell_module
from mailer.worker import chance
from mailer.worker.bell import Bell
from mailer.worker.patience import Patience
from tests.commands.site import DEADLINE


@pytest.fixture
def bell(house: House, monkeypatch: pytest.MonkeyPatch) -> Bell:
    for name in ("recover", "seal_ledger", "close_old_connections", "let_go"):
        monkeypatch.setattr(bell_module, name, lambda *_: None)
    return Bell(house, lambda: None)


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
