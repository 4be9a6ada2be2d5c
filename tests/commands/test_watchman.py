"""Beside the pages somebody watches the workers, whatever goes wrong with one look."""

import logging

import pytest
from django.db import OperationalError

from mailer.commands import watchman as watchman_module
from mailer.commands.shell import Shell
from mailer.commands.watchman import Watchman
from mailer.core.alarm import AlarmKind
from mailer.core.mailing import MailingState
from mailer.house import House
from mailer.models import Alarm
from mailer.transport.departures import DepartureLog
from tests.models.rows import copy_row, mailing_row
from tests.world import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def watchman(house: House, monkeypatch: pytest.MonkeyPatch) -> Watchman:
    monkeypatch.setattr(Shell, "clock", lambda _: NOW)
    monkeypatch.setattr(watchman_module, "close_old_connections", lambda: None)
    return Watchman(Shell(as_json=False), house)


def test_it_notices_that_no_worker_lives_and_tells_people(
    watchman: Watchman, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    copy_row(mailing_row(house, MailingState.SENDING), "queued")
    watchman.look()
    (row,) = Alarm.unscoped.all()
    assert (row.kind, row.told_at) == (AlarmKind.NO_WORKER, NOW)
    assert "No worker was seen since 09:00" in caplog.text


def test_it_holds_back_room_for_who_leaves(watchman: Watchman, house: House) -> None:
    watchman.look()
    assert (house.config.data.departures / "reserve").exists()


def test_where_no_room_can_be_held_back_that_is_said(
    watchman: Watchman, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: DepartureLog) -> None:
        raise OSError("Not a directory")

    monkeypatch.setattr(DepartureLog, "hold_room", refuse)
    watchman.look()
    assert "No room could be held back" in caplog.text


@pytest.mark.parametrize("fault", [OperationalError("the database is away"), TypeError("a fault of ours")])
def test_what_goes_wrong_with_a_look_is_said_and_ends_nothing(
    watchman: Watchman, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(watchman_module, "watch_workers", fail)
    with caplog.at_level(logging.ERROR):
        watchman.look()
    assert str(fault) in caplog.text


def test_it_looks_until_it_is_stopped(watchman: Watchman, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def look() -> None:
        looks.append(1)
        if len(looks) == 3:
            watchman.stop()

    monkeypatch.setattr(watchman_module, "_EVERY", 0)
    monkeypatch.setattr(watchman_module, "let_go", lambda: looks.append(0))
    monkeypatch.setattr(watchman, "look", look)
    watchman._run()
    assert looks == [1, 1, 1, 0], "and lets go of the database at the end"
