"""Beside the pages somebody carries out what a click left behind, whatever goes wrong with one try."""

import logging

import pytest
from django.db import OperationalError

from mailer.actions.leave import Extent, leave
from mailer.actions.replay_departures import DeparturesUnreadable
from mailer.actions.write_down import departures
from mailer.commands import finisher as finisher_module
from mailer.commands.finisher import Finisher
from mailer.core.consent import Channel
from mailer.models import Member, Subscription
from tests.actions.conftest import office
from tests.actions.office import Office, leave_token
from tests.world import anne, join, stream

__all__ = ["office"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(office: Office) -> Member:
    ann = join(office.house, "Ann Smith", "ann@example.org", consents=[stream(office.house)])
    office.begun(anne())
    office.send_all()
    return ann


@pytest.fixture
def finisher(office: Office, monkeypatch: pytest.MonkeyPatch) -> Finisher:
    monkeypatch.setattr(finisher_module, "close_old_connections", lambda: None)
    monkeypatch.setattr(finisher_module, "_REST", 0)
    return Finisher(office.house, lambda: office.now)


def test_what_was_only_written_down_is_carried_out(
    finisher: Finisher, office: Office, ann: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr("mailer.actions.leave.carry_out", busy)
        patch.setattr("mailer.config.Config.departures_are_shared", True)
        token = leave_token(office.relay.caught[0])
        left = leave(office.house, token, Extent.THIS, Channel.ONE_CLICK, now=office.now, draw=office.draw.handle)
    assert left is not None
    assert left.noted
    assert Subscription.unscoped.get(member=ann).state == "active"
    assert finisher.finish()
    assert Subscription.unscoped.get(member=ann).state == "left"


@pytest.mark.parametrize(
    "fault",
    [OperationalError("the database is away"), DeparturesUnreadable("the folder"), TypeError("a fault of ours")],
)
def test_what_goes_wrong_is_said_and_tried_again(
    finisher: Finisher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(finisher_module, "replay_departures", fail)
    with caplog.at_level(logging.WARNING):
        assert not finisher.finish()
    assert str(fault) in caplog.text


def test_it_works_when_there_is_something_to_do_until_it_is_stopped(
    finisher: Finisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def finish() -> bool:
        done.append("tried")
        if len(done) == 2:
            finisher.stop()
        return len(done) > 1

    monkeypatch.setattr(finisher, "finish", finish)
    monkeypatch.setattr(finisher_module, "let_go", lambda: done.append("let go"))
    departures(finisher.house).left_over.set()
    finisher._run()
    assert done == ["tried", "tried", "let go"]
