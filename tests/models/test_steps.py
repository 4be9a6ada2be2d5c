"""What is asked each second, and each claim, costs no more for all the letters that ever went.

Counted in steps of SQLite's machine, or in what PostgreSQL reads of copies, deliveries and their indexes.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F

from mailer.actions.keep_time import keep_time
from mailer.actions.prepare_mailing import Whom, check_everyone
from mailer.actions.show_state import public_state
from mailer.bench import members
from mailer.core.audience import Rule, Standing
from mailer.core.mailing import MailingState
from mailer.core.reply import Reply
from mailer.house import House
from mailer.models import Copy, Delivery, Mailing, Member, outbox, preparing, recheck, steering
from mailer.models.base import first_row, writing
from mailer.worker import chance
from tests.commands.site import until
from tests.models.rows import copy_row, mailing_row, void_of
from tests.world import NOW, TODAY

pytestmark = pytest.mark.django_db
_READ = """WITH watched (id) AS (VALUES ('mailer_copy'::regclass), ('mailer_delivery'::regclass))
    SELECT SUM(pg_stat_get_xact_tuples_returned(oid)) FROM pg_class WHERE oid IN (SELECT id FROM watched)
    OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT id FROM watched))"""
_EARLIER_READERS = """SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_xmin IS NOT NULL"""
#: Steps between two counts, and what two mailings may cost more than one, in indexes that are a level deeper.
_EACH, _TWO_MAILINGS = 1, 3
_ASKED: dict[str, Callable[[House, int], object]] = {
    "the clock": lambda house, _: keep_time(house, now=NOW, draw=chance.handle, draw_word=chance.word),
    "a worker that looks for work": lambda _house, _: steering.next_to_send(NOW),
    "whether a mailing is over": lambda _house, mailing: outbox.is_finished(mailing),
    "the page that says whether sending works": lambda house, _: public_state(house, NOW),
}


def copies(mailing: Mailing, state: str, count: int) -> None:
    """So many letters of it."""
    first = Copy.unscoped.count() + 1000
    Copy.unscoped.bulk_create(
        Copy(
            mailing=mailing,
            handle=number,
            position=number,
            language="en",
            state=state,
            void=void_of(state, number),
        )
        for number in range(first, first + count)
    )


def believe_in_an_empty_table(house: House) -> None:
    """The worst that PostgreSQL may have counted: a table that has pages and nothing in it."""
    copies(mailing_row(house), "accepted", 1000)
    Delivery.unscoped.all().delete()
    Copy.unscoped.all().delete()
    count_tables()


def count_tables() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE mailer_copy")
        cursor.execute("ANALYZE mailer_delivery")


def effort(ask: Callable[[], object]) -> int:
    """Steps, or rows and entries that were read."""
    if connection.vendor == "postgresql":
        before = read()
        ask()
        return read() - before
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    connection.connection.set_progress_handler(step, _EACH)
    try:
        ask()
    finally:
        connection.connection.set_progress_handler(None, 0)
    return count


def read() -> int:
    return int(first_row(_READ)[0])


def believe_that_all_had_gone(house: House) -> None:
    """What it believes on the day of the next newsletter."""
    copies(mailing_row(house), "accepted", 5000)
    count_tables()


@pytest.mark.parametrize("believe", [believe_in_an_empty_table, believe_that_all_had_gone])
@pytest.mark.parametrize("left", ["deferred", "held", "claimed", "queued"])
@pytest.mark.parametrize("what", _ASKED)
def test_a_question_of_every_second_does_not_grow_with_the_mailing(
    house: House, what: str, left: str, believe: Callable[[House], None]
) -> None:
    efforts = []
    believe(house)
    for letters in (100, 5000):
        mailing = mailing_row(house, MailingState.SENDING)
        copies(mailing, "accepted", letters)
        if connection.vendor == "sqlite":  # PostgreSQL takes another index as long as it has not counted so many
            copies(mailing_row(house, MailingState.CANCELLED), "cancelled", letters)
        copy_row(mailing, left)
        _ASKED[what](house, mailing.pk)  # what is asked once a process is no part of it
        efforts.append(effort(lambda mailing=mailing: _ASKED[what](house, mailing.pk)))
    few, many = efforts
    assert many <= few * _TWO_MAILINGS, f"{few} became {many}"
    assert connection.vendor == "sqlite" or many < 1000, "all copies are read, of few as of many"


def test_to_write_answers_down_does_not_grow_with_what_was_claimed_before(house: House) -> None:
    mailing = mailing_row(house, MailingState.SENDING)
    copies(mailing, "queued", 2940)
    first, _, last = (hand_over(mailing, letters) for letters in (20, 2900, 20))
    assert last <= first * _TWO_MAILINGS, f"{first} became {last}"
    assert Copy.unscoped.filter(state="accepted").count() == 2940


def test_to_write_many_answers_down_does_not_grow_with_the_site(house: House) -> None:
    """A database that has counted its tables thinks it quicker to read all of one for a thousand answers."""
    mailing = mailing_row(house, MailingState.SENDING)
    efforts = []
    for letters in (3000, 20_000):
        copies(mailing, "queued", letters)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE mailer_copy")
        efforts.append(hand_over(mailing, 1000))
    few, many = efforts
    assert many <= few * _TWO_MAILINGS, f"{few} became {many}"


@pytest.mark.django_db(transaction=True)
def test_to_look_for_lost_claims_does_not_grow_with_what_was_claimed_before(house: House) -> None:
    mailing = mailing_row(house, MailingState.SENDING)
    copies(mailing, "queued", 12_020)
    efforts = []
    for letters in (20, 12_000):
        # SQLite counts nothing unless it is told to.
        hand_over(mailing, letters, meanwhile=count_tables if connection.vendor == "postgresql" else None)
        wait_for_earlier_readers()
        for _ in range(2):  # the first forgets
            with writing():
                last = effort(lambda: outbox.lose_lapsed(NOW))
        efforts.append(last)
    few, many = efforts
    assert many <= few * _TWO_MAILINGS, f"{few} became {many}"


def test_to_check_letters_again_does_not_grow_with_their_mailing(house: House) -> None:
    """Somebody left who is on a letter in hand: of a million deliveries two are read."""
    filled = members.fill(3000, at=NOW)
    believe_in_an_empty_table(house)
    efforts = []
    for people in (100, 3000):
        mailing = mailing_row(house, MailingState.SENDING)
        preparing.draft(mailing.pk, filled.rule, TODAY, None, chance.handle, 0, people)
        with writing():
            preparing.make_deliveries(mailing.pk)
            number, ids = outbox.claim(mailing.pk, "w1", now=NOW, lease=timedelta(minutes=15), most=50)
        with writing():
            leave = effort(lambda n=number, two=ids[:2]: withdraw(recheck.carried_by_claim(n, two), filled.rule))
            move = effort(lambda m=mailing.pk, two=ids[:2]: preparing.follow_moves(m, chance.handle, two))
        efforts.append((leave, move))
    for few, many in zip(*efforts, strict=True):
        assert 0 < many <= few * _TWO_MAILINGS, f"{few} became {many}"


def withdraw(riding: Sequence[recheck.Rider], rule: Rule) -> None:
    """Those of them who may not be written to any more: nobody."""
    assert not recheck.withdraw_those_out(riding, rule, TODAY, None)


def wait_for_earlier_readers() -> None:
    """PostgreSQL forgets no entry that somebody who began before may still see: autovacuum, when it counts a table."""
    if connection.vendor == "postgresql":
        until(lambda: first_row(_EARLIER_READERS) is None, "nobody reads who began before")


def counted_when_all_had_gone(house: House, rule: Rule) -> None:
    """What PostgreSQL believes on the day of the next newsletter: of all the copies there are, none waits."""
    for _ in range(3):
        efforts_of_a_mailing(house, rule, _MANY)
    count_tables()


_FEW, _MANY = 250, 2000
_COUNTED: dict[str, Callable[[House, Rule], object]] = {
    # After a mailing, since of a table of a few pages all is rightly read.
    "never": lambda house, rule: efforts_of_a_mailing(house, rule, _MANY),
    "when it was emptied": lambda house, _: believe_in_an_empty_table(house),
    "when all had gone": counted_when_all_had_gone,
}


@pytest.mark.parametrize("counted", _COUNTED)
def test_a_letter_costs_no_more_the_more_there_are_in_its_mailing(house: House, counted: str) -> None:
    """From the first draft to the answer: whatever the database counted, and when."""
    rule = members.fill(_MANY, at=NOW).rule
    few = efforts_of_a_mailing(house, rule, _FEW)
    _COUNTED[counted](house, rule)
    many = efforts_of_a_mailing(house, rule, _MANY)
    # Of a table of a page or two what is read is not always counted: at least an entry and its row a letter.
    most = {what: max(effort, 2 * _FEW) * (_MANY // _FEW) * _TWO_MAILINGS for what, effort in few.items()}
    assert not {what: (few[what], many[what]) for what in few if many[what] > most[what]}


def efforts_of_a_mailing(house: House, rule: Rule, people: int) -> dict[str, int]:
    """What each step of a mailing to so many takes."""
    mailing = mailing_row(house, MailingState.PREPARING, prepared_at=NOW)
    draft = effort(lambda: preparing.draft(mailing.pk, rule, TODAY, None, chance.handle, 0, people))
    with writing():
        make = effort(lambda: preparing.make_deliveries(mailing.pk))
    check = effort(lambda: recheck.doubtful(mailing.pk, rule, TODAY, None, 0, people))
    # A fifth are out since they were drafted.
    Member.unscoped.annotate(place=F("pk") % 5).filter(place=0).update(standing=Standing.CLAIMED)
    start = effort(lambda: check_everyone(mailing.pk, Whom(rule, TODAY, None), chance.handle))
    Member.unscoped.update(standing=Standing.MEMBER)
    with writing():
        claimed: list[tuple[int, list[int]]] = []
        lease = timedelta(minutes=15)
        claim = effort(lambda: claimed.append(outbox.claim(mailing.pk, "w1", now=NOW, lease=lease, most=people)))
    ((number, ids),) = claimed
    hold = effort(lambda: outbox.held_by(number))
    with writing():
        answers = [(copy, NOW, Reply(250, "2.0.0", "Kept")) for copy in ids]
        mark = effort(lambda: outbox.mark_accepted(answers, "w1"))
    return {"draft": draft, "make": make, "check": check, "start": start, "claim": claim, "hold": hold, "mark": mark}


def hand_over(mailing: Mailing, letters: int, meanwhile: Callable[[], None] | None = None) -> int:
    """Claim so many, and write down that they were taken: what the latter costs."""
    with writing():
        _, ids = outbox.claim(mailing.pk, "w1", now=NOW, lease=timedelta(minutes=15), most=letters)
    if meanwhile:
        meanwhile()
    answers = [(copy, NOW, Reply(250, "2.0.0", "Kept")) for copy in ids]
    with writing():
        return effort(lambda: outbox.mark_accepted(answers, "w1"))
