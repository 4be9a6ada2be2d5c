"""Beside the pages somebody carries out what a click left behind, whatever goes wrong with one write."""

import logging
from collections.abc import Sequence
from datetime import datetime

import pytest
from django.db import OperationalError
from django.db.models import F

from mailer.actions import finish_leaving
from mailer.actions.face_restore import may_send, note_changes
from mailer.actions.finish_leaving import finish, leave_behind, left_behind
from mailer.commands import finisher as finisher_module
from mailer.commands.finisher import Finisher
from mailer.core.consent import Channel
from mailer.core.departing import Act, Departure
from mailer.house import House
from mailer.models import CarriedOut, Counter, Member, ReadTo, Subscription
from mailer.models.changes import begin_change
from mailer.models.outbox import unsigned
from tests.actions.conftest import ann, office
from tests.actions.office import Office, copy_to

__all__ = ["ann", "office"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def finisher(office: Office, monkeypatch: pytest.MonkeyPatch) -> Finisher:
    may_send(office.house, office.now)
    for closes in ("close_old_connections", "let_go"):
        monkeypatch.setattr(finisher_module, closes, lambda: None)
    return Finisher(office.house, lambda: office.now)


def leave_some(office: Office, how_many: int) -> None:
    handle = unsigned(copy_to("ann@example.org").handle)
    for seed in range(how_many):
        leave_behind(office.house, Departure(seed, Act.LEAVE, handle, office.now, Channel.ONE_CLICK))


def test_what_waits_is_carried_out_before_it_ends(
    finisher: Finisher, office: Office, ann: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[int] = []

    def counted(house: House, acts: Sequence[Departure], now: datetime) -> None:
        writes.append(len(acts))
        finish(house, acts, now)

    monkeypatch.setattr(finisher_module, "finish", counted)
    leave_some(office, 25)
    finisher.stop()
    finisher.run()
    assert writes == [10, 10, 5]
    assert CarriedOut.unscoped.count() == 25
    assert Subscription.unscoped.get(member=ann).state == "left"


def test_nothing_is_noted_of_the_file(finisher: Finisher, office: Office, ann: Member) -> None:
    """How far that was read is between the file and whoever sends: after a restore all of it must be read again."""
    leave_some(office, 1000)
    finisher.stop()
    finisher.run()
    assert not ReadTo.unscoped.exists()


@pytest.mark.parametrize("fault", [OperationalError("the database is away"), TypeError("a fault of ours")])
def test_what_cannot_be_done_is_said_and_left_to_whoever_sends(
    finisher: Finisher,
    office: Office,
    ann: Member,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: Exception,
) -> None:
    def fail_once(*_: object) -> None:
        monkeypatch.setattr(finisher_module, "finish", finish)
        raise fault

    monkeypatch.setattr(finisher_module, "finish", fail_once)
    leave_some(office, 11)
    finisher.stop()
    with caplog.at_level(logging.WARNING):
        finisher.run()
    assert str(fault) in caplog.text
    assert "10 who left" in caplog.text
    assert CarriedOut.unscoped.count() == 1


def test_where_nobody_takes_them_no_more_than_some_are_kept(
    finisher: Finisher, office: Office, ann: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish_leaving, "_MOST", 2)
    leave_some(office, 5)
    assert left_behind(office.house).qsize() == 2
    finisher.stop()
    finisher.run()
    assert CarriedOut.unscoped.count() == 2


def test_in_a_database_that_must_be_faced_first_nothing_is_done(
    finisher: Finisher, office: Office, ann: Member
) -> None:
    """It would raise the very counter by which a worker notices that an older database was restored."""
    begin_change()
    note_changes(office.house)
    Counter.unscoped.filter(name=Counter.CHANGES).update(value=F("value") - 1)
    leave_some(office, 3)
    finisher.stop()
    finisher.run()
    assert not CarriedOut.unscoped.exists()
    assert may_send(office.house, office.now) is not None
