"""Since when something waits that a worker should be doing."""

from datetime import datetime, timedelta

import pytest

from mailer.core.mailing import MailingState
from mailer.house import House
from mailer.models import Mailing, Notice, backlog
from tests.models.rows import copy_row, mailing_row
from tests.world import NOW, join

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
BEGUN = NOW - timedelta(hours=1)


def test_nothing_waits_where_nothing_is() -> None:
    assert backlog.waiting_since(NOW) is None


@pytest.mark.parametrize("state", [MailingState.SCHEDULED, MailingState.PREPARING])
def test_what_is_due_waits_since_its_time(house: House, state: MailingState) -> None:
    mailing = mailing_row(house, state, started_at=None)
    assert backlog.waiting_since(NOW) == BEGUN
    Mailing.unscoped.filter(pk=mailing.pk).update(starts_at=NOW + MINUTE)
    assert backlog.waiting_since(NOW) is None
    assert backlog.waiting_since(NOW + MINUTE) == NOW + MINUTE


def sending(house: House, copies: str, **values: datetime) -> Mailing:
    mailing = mailing_row(house, MailingState.SENDING, **values)
    copy_row(mailing, copies)
    return mailing


def test_letters_in_the_queue_wait_since_their_mailing_began(house: House) -> None:
    sending(house, "queued")
    assert backlog.waiting_since(NOW) == BEGUN


@pytest.mark.parametrize("state", ["claimed", "deferred", "held", "accepted"])
def test_letters_that_nobody_can_take_now_do_not_wait(house: House, state: str) -> None:
    sending(house, state)
    assert backlog.waiting_since(NOW) is None


def test_a_mailing_that_rests_does_not_wait_until_it_may(house: House) -> None:
    sending(house, "queued", wait_until=NOW + MINUTE)
    assert backlog.waiting_since(NOW) is None
    assert backlog.waiting_since(NOW + MINUTE) == NOW + MINUTE


def test_what_is_over_or_stands_still_does_not_wait(house: House) -> None:
    sending(house, "queued", not_after=NOW)
    for state in (MailingState.PAUSED, MailingState.STOPPED, MailingState.CANCELLED):
        copy_row(mailing_row(house, state), "queued")
    assert backlog.waiting_since(NOW) is None


def test_a_letter_of_its_own_waits_since_it_was_written(house: House) -> None:
    box = join(house, "Ann Smith").mailbox
    Notice.unscoped.create(
        handle=1, kind="farewell", mailbox=box, subject="", text="", html="", created_at=NOW - MINUTE
    )
    assert backlog.waiting_since(NOW) == NOW - MINUTE
    sending(house, "queued")
    assert backlog.waiting_since(NOW) == BEGUN


def test_what_was_decided_moved(house: House) -> None:
    sending(house, "queued")
    copy_row(mailing_row(house, MailingState.SENT), "accepted", decided_at=NOW)
    assert not backlog.moved_since(NOW - MINUTE)
    copy_row(mailing_row(house, MailingState.SENDING), "refused", decided_at=NOW)
    assert backlog.moved_since(NOW - MINUTE)
    assert not backlog.moved_since(NOW)


def test_a_letter_of_its_own_that_was_decided_moved_too(house: House) -> None:
    box = join(house, "Ann Smith").mailbox
    Notice.unscoped.create(
        handle=1, kind="farewell", mailbox=box, subject="", text="", html="", created_at=NOW, decided_at=NOW
    )
    assert backlog.moved_since(NOW - MINUTE)


def test_what_stands_still_is_known_by_its_reason(house: House) -> None:
    mailing_row(house, MailingState.STOPPED)
    paused = mailing_row(house, MailingState.PAUSED, state_reason="The mail server: 535")
    assert backlog.paused() == {paused.pk: "The mail server: 535"}
