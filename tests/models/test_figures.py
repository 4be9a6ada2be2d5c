"""Figures by region and by domain, and how far a mailing is; run on both databases."""

from collections.abc import Iterable
from datetime import timedelta

import pytest

from mailer.core.mailing import MailingState
from mailer.house import House
from mailer.models import Delivery, Mailing, MemberRegion, figures
from tests.models.rows import copy_row, mailing_row
from tests.world import NOW, TODAY, join, region_number

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def mailing(house: House) -> Mailing:
    return mailing_row(house, MailingState.SENDING)


def deliver(
    house: House, mailing: Mailing, state: str, *, box: str | None = "", regions: Iterable[str] = (), **values: object
) -> Delivery:
    """Somebody gets a copy in this state."""
    member = join(house, "Ann Smith", box, regions=regions)
    copy = copy_row(mailing, state, mailbox=member.mailbox, **values)
    delivery: Delivery = Delivery.unscoped.create(mailing=mailing, member=member, copy=copy, outcome="carried")
    return delivery


@pytest.mark.parametrize("state", ["queued", "claimed", "deferred", "held"])
def test_a_copy_that_may_still_go_is_not_decided(house: House, mailing: Mailing, state: str) -> None:
    copy_row(mailing, state)
    copy_row(mailing, "accepted")
    copy_row(mailing_row(house), "accepted")
    assert figures.progress(mailing.pk) == (1, 2)


def test_the_rate_counts_what_was_decided_just_now(mailing: Mailing) -> None:
    for minutes in (0.5, 0.9, 1, 5):
        copy_row(mailing, "accepted", decided_at=NOW - minutes * MINUTE)
    copy_row(mailing, "queued")
    assert figures.decided_since(mailing.pk, NOW - MINUTE) == 2


def test_people_are_counted_where_they_live_today(house: House, mailing: Mailing) -> None:
    deliver(house, mailing, "accepted", regions=["norfolk"])
    deliver(house, mailing, "refused", regions=["norfolk", "london"])
    moved = deliver(house, mailing, "accepted", regions=["suffolk"])
    MemberRegion.unscoped.filter(member=moved.member).update(ends=TODAY)
    unmailable = join(house, "Olwen Rees", None, regions=["london"])
    Delivery.unscoped.create(mailing=mailing, member=unmailable, outcome="unmailable")
    found = figures.by_region(mailing.pk, TODAY, None)
    assert found == {"london": {"refused": 1, "unmailable": 1}, "norfolk": {"accepted": 1, "refused": 1}}


def test_of_one_region_no_other_is_shown(house: House, mailing: Mailing) -> None:
    deliver(house, mailing, "accepted", regions=["norfolk", "london"])
    assert figures.by_region(mailing.pk, TODAY, {region_number("norfolk")}) == {"norfolk": {"accepted": 1}}
    assert figures.by_region(mailing.pk, TODAY, set()) == {}


def test_copies_are_counted_by_the_domain_that_they_go_to(house: House, mailing: Mailing) -> None:
    deliver(house, mailing, "accepted", box="a@example.org")
    deliver(house, mailing, "refused", box="b@example.org")
    deliver(house, mailing, "accepted", box="c@example.net")
    copy_row(mailing, "accepted")
    assert figures.by_domain(mailing.pk) == {
        "": {"accepted": 1},
        "example.net": {"accepted": 1},
        "example.org": {"accepted": 1, "refused": 1},
    }
