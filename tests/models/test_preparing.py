"""What is made by set: one copy for a household, handles that nobody can guess, a queue that is fair, nothing twice."""

import itertools

import pytest
from django.db import IntegrityError, connection, transaction

from mailer.bench import members
from mailer.core.audience import Rule
from mailer.core.delivery import CopyState
from mailer.core.mailing import MailingState
from mailer.house import House
from mailer.models import Copy, Delivery, Mailing, Member, preparing
from mailer.models.base import writing
from tests.models.rows import copy_row, mailing_row
from tests.world import NOW, TODAY, Draw, consent, join, stream, withdraw

pytestmark = pytest.mark.django_db


def prepare(house: House, mailing: Mailing, draw: Draw, rule: Rule | None = None) -> None:
    """Everyone in one range."""
    rule = rule or Rule({stream(house): None}, None)
    preparing.draft(mailing.pk, rule, TODAY, None, draw.handle, 0, 1_000_000)
    with writing():
        preparing.make_deliveries(mailing.pk)


def accepted(house: House, member: Member) -> None:
    """They have had a letter."""
    mailing = mailing_row(house)
    copy = copy_row(mailing, CopyState.ACCEPTED, mailbox=member.mailbox)
    Delivery.unscoped.create(mailing=mailing, member=member, copy=copy, outcome="carried")


def rows(mailing: Mailing) -> list[tuple[object, ...]]:
    """All that was made for it."""
    copies = Copy.unscoped.filter(mailing=mailing).order_by("pk")
    deliveries = Delivery.unscoped.filter(mailing=mailing).order_by("pk")
    return [
        *copies.values_list("pk", "handle", "mailbox", "language", "segments", "position", "state"),
        *deliveries.values_list("pk", "member", "copy", "stream", "outcome", "reason"),
    ]


@pytest.fixture
def mailing(house: House) -> Mailing:
    return mailing_row(house, MailingState.PREPARING)


def test_a_range_done_twice_changes_nothing(house: House, mailing: Mailing) -> None:
    news, draw = stream(house), Draw()
    join(house, "Ann Smith", "home@example.org", consents=[news])
    join(house, "Bob Smith", "home@example.org", consents=[news])
    join(house, "Cleo Stone", left=[news])
    join(house, "Dan Paper", None)
    prepare(house, mailing, draw)
    once = rows(mailing)
    prepare(house, mailing, draw)
    assert rows(mailing) == once
    outcomes = Delivery.unscoped.order_by("member").values_list("outcome", "reason")
    assert list(outcomes) == [("carried", ""), ("carried", ""), ("excluded", "left"), ("unmailable", "")]


def test_a_range_done_again_makes_no_copy_for_who_has_an_outcome_already(house: House, mailing: Mailing) -> None:
    news, draw = stream(house), Draw()
    ann = join(house, "Ann Smith", left=[news])
    prepare(house, mailing, draw)
    once = rows(mailing)
    consent(house, ann, news, NOW)
    prepare(house, mailing, draw)
    assert rows(mailing) == once


def test_the_tables_of_the_session_do_not_grow_with_the_ranges(house: House, mailing: Mailing) -> None:
    if connection.vendor != "postgresql":
        return  # SQLite gives every page back at once
    filled = members.fill(300, at=NOW)
    sizes = set()
    for _ in range(3):
        preparing.draft(mailing.pk, filled.rule, TODAY, None, Draw().handle, 0, 1_000_000)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_relation_size('mailer_rider'), pg_relation_size('mailer_draft')")
            sizes.add(cursor.fetchone())
    assert len(sizes) == 1


def test_two_languages_in_one_household_are_two_copies(house: House, mailing: Mailing) -> None:
    news = stream(house)
    join(house, "Ann Smith", "home@example.org", consents=[news])
    cy = join(house, "Siân Smith", "home@example.org", consents=[news])
    Member.unscoped.filter(pk=cy.pk).update(language="cy")
    prepare(house, mailing, Draw())
    assert sorted(Copy.unscoped.values_list("language", flat=True)) == ["cy", "en-GB"]
    assert Delivery.unscoped.get(member=cy).copy.language == "cy"


def test_a_household_with_one_who_never_had_a_letter_gets_a_first_letter(house: House, mailing: Mailing) -> None:
    news = stream(house)
    accepted(house, join(house, "Ann Smith", "home@example.org", consents=[news]))
    join(house, "Bob Smith", "home@example.org", consents=[news])
    accepted(house, join(house, "Cleo Stone", "cleo@example.org", consents=[news]))
    prepare(house, mailing, Draw())
    copies = Copy.unscoped.filter(mailing=mailing).values_list("mailbox__address", "segments")
    assert dict(copies) == {"home@example.org": "first", "cleo@example.org": ""}


@pytest.mark.parametrize(("state", "becomes"), [("queued", "first"), ("claimed", "")])
def test_who_joins_a_waiting_copy_makes_it_a_first_letter_but_never_one_in_a_workers_hands(
    house: House, mailing: Mailing, state: str, becomes: str
) -> None:
    news = stream(house)
    bob = join(house, "Bob Smith", "home@example.org", consents=[news])
    there = copy_row(mailing, state, mailbox=bob.mailbox, language="en-GB")
    prepare(house, mailing, Draw())
    there.refresh_from_db()
    assert there.segments == becomes
    assert Delivery.unscoped.get(mailing=mailing, member=bob).copy == there


def test_a_withdrawn_copy_is_not_ridden_on(house: House, mailing: Mailing) -> None:
    bob = join(house, "Bob Smith", "home@example.org", consents=[stream(house)])
    gone = copy_row(mailing, CopyState.WITHDRAWN, mailbox=bob.mailbox, language="en-GB")
    prepare(house, mailing, Draw())
    assert Delivery.unscoped.get(mailing=mailing, member=bob).copy not in {None, gone}


def test_the_database_refuses_a_mailbox_a_second_copy_whatever_is_in_it(house: House, mailing: Mailing) -> None:
    """Two workers who move two people into one household at once cannot make one each."""
    bob = join(house, "Bob Smith")
    copy_row(mailing, CopyState.QUEUED, mailbox=bob.mailbox, segments="first")
    with pytest.raises(IntegrityError), transaction.atomic():
        copy_row(mailing, CopyState.CLAIMED, mailbox=bob.mailbox, segments="")


def test_who_left_does_not_ride_along_to_a_new_mailbox(house: House, mailing: Mailing) -> None:
    """Only those whose mailbox is another one are moved; the rest of the household stays on its copy."""
    news, draw = stream(house), Draw()
    ann = join(house, "Ann Smith", "home@example.org", consents=[news])
    bob = join(house, "Bob Smith", "home@example.org", consents=[news])
    elsewhere = join(house, "Cleo Stone", "cleo@example.org")
    prepare(house, mailing, draw)
    old = Delivery.unscoped.get(member=ann).copy
    withdraw(house, bob, news, NOW)
    Member.unscoped.filter(pk=ann.pk).update(mailbox=elsewhere.mailbox)
    with writing():
        preparing.follow_moves(mailing.pk, draw.handle, [old.pk])
    assert Delivery.unscoped.get(member=bob).copy == old
    assert Delivery.unscoped.get(member=ann).copy.mailbox == elsewhere.mailbox


def test_copies_of_another_mailing_are_left_alone(house: House) -> None:
    draw = Draw()
    ann = join(house, "Ann Smith", "ann@example.org", consents=[stream(house)])
    elsewhere = join(house, "Cleo Stone", "cleo@example.org")
    one, two = (mailing_row(house, MailingState.SENDING) for _ in range(2))
    prepare(house, one, draw)
    old = Delivery.unscoped.get(mailing=one, member=ann).copy
    Member.unscoped.filter(pk=ann.pk).update(mailbox=elsewhere.mailbox)
    with writing():
        preparing.follow_moves(two.pk, draw.handle, [old.pk])
    assert Delivery.unscoped.get(mailing=one, member=ann).copy == old


def test_handles_are_the_draws_and_fill_all_bits() -> None:
    handles = preparing._handles(Draw(1).handle, 500)
    assert handles == preparing._handles(Draw(1).handle, 500)
    assert set(handles).isdisjoint(preparing._handles(Draw(2).handle, 500))
    assert len(set(handles)) == 500
    own = [handle & preparing._OWN_BITS for handle in handles]
    assert [sum(value >> bit & 1 for value in own) > 180 for bit in range(52)] == [True] * 52
    many = [preparing._handles(Draw(seed).handle, 1)[0] for seed in range(200)]
    assert min(many) < -(1 << 62) < (1 << 62) < max(many)


def test_a_handle_says_nothing_of_the_row(house: House, mailing: Mailing) -> None:
    """In the order of its handles a household is as likely to be before its neighbour as behind it (standards U3)."""
    filled = members.fill(300, at=NOW)
    prepare(house, mailing, Draw(3), filled.rule)
    handles = Copy.unscoped.order_by("mailbox").values_list("handle", flat=True)
    rising = sum(first < second for first, second in itertools.pairwise(handles))
    assert 0.4 < rising / len(handles) < 0.6


def test_the_queue_mixes_those_who_joined_early_and_late(house: House, mailing: Mailing) -> None:
    """A list that came sorted by region or by domain is not sent region by region."""
    filled = members.fill(1200, at=NOW)
    prepare(house, mailing, Draw(4), filled.rule)
    queue = list(Copy.unscoped.order_by("position").values_list("mailbox", flat=True))
    lowest, highest = min(queue), max(queue)
    for start in range(0, len(queue) - 300, 100):
        fifths = {5 * (box - lowest) // (highest - lowest + 1) for box in queue[start : start + 300]}
        assert len(fifths) >= 4


def test_those_who_stand_together_in_the_queue_were_made_together(house: House, mailing: Mailing) -> None:
    """Else a claim of fifty would touch fifty pages."""
    filled = members.fill(1200, at=NOW)
    prepare(house, mailing, Draw(5), filled.rule)
    queue = list(Copy.unscoped.order_by("position").values_list("pk", flat=True))
    together = sum(second == first + 1 for first, second in itertools.pairwise(queue))
    assert together / len(queue) > 0.9
