"""What the clock does: prepare what is near, start what is due, end what is done. Rung often, by any number of bells.

What is due is a row; each step is a conditional update or a range made under a lock, so two bells are harmless and a
step that was cut off is done again (design.md section 2).
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import OperationalError

from mailer.access import THE_CLOCK, author_scope
from mailer.actions.adopt_lists import is_adopted
from mailer.actions.compose import DrawWord, compile_for, list_of, stream_of, written
from mailer.actions.leave import Draw
from mailer.actions.pause_mailing import pause
from mailer.core.audience import Rule
from mailer.core.errors import MailerError
from mailer.core.mailing import MailingState
from mailer.core.pace import Pace
from mailer.core.schedule import Due, due
from mailer.house import House
from mailer.models import Mailing, outbox, preparing, recheck, steering
from mailer.models.audience import next_range
from mailer.models.base import writing
from mailer.models.ledger import record
from mailer.models.site import Counter, current
from mailer.models.steering import advance, in_state

_LOG = logging.getLogger("mailer.clock")
_S = MailingState
#: The first range of members; those after it are as long as this machine does in a moment.
FIRST_RANGE = Pace(1000)
#: Deliveries put right in one write at the start.
CHUNK = 250
#: Seconds that only grow, to measure by.
Ticks = Callable[[], float]


def keep_time(
    house: House, *, now: datetime, draw: Draw, draw_word: DrawWord, ticks: Ticks = time.monotonic
) -> datetime | None:
    """Do all that is due; when something is due next (None: nothing is planned)."""
    with writing():
        outbox.requeue_due(now)
        outbox.cancel_orphans(now)
    _lose_lapsed_claims(now)
    if is_adopted(house):
        for mailing in in_state(_S.SCHEDULED, _S.PREPARING):
            with _alone(mailing, now):
                _bring_forward(house, mailing, now, draw, draw_word, ticks)
    for mailing in in_state(_S.SENDING):
        with _alone(mailing, now):
            _finish(mailing, now)
    return steering.next_moment()


@contextmanager
def _alone(mailing: Mailing, now: datetime) -> Iterator[None]:
    """An error nobody foresaw stops the mailing that it is about, and none after it; a busy database stops none."""
    try:
        yield
    except OperationalError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it was is logged with its traceback, and the next mailing comes
        _LOG.exception("mailing %s is paused: an error of ours", mailing.pk)
        # Only the type: its words may hold an address.
        pause(mailing, now, f"an error of ours: {type(error).__name__}")


class AuthorGone(MailerError, PermissionError):
    """Nobody in office stands behind a mailing any more."""


def rule_now(house: House, mailing: Mailing, now: datetime) -> Rule:
    """The audience rule as far as its author still reaches; raises AuthorGone if that is nowhere."""
    writers = list_of(house, mailing.issue).writers
    scope = author_scope(mailing, writers, house.today(now))
    rule = Rule.from_json(mailing.rule).narrowed(scope.regions)
    if rule.regions is not None and not rule.regions:
        raise AuthorGone(
            "Its author's office was revoked, so nobody in office stands behind it. Cancel it; whoever holds the"
            " office now can send it as an issue of their own."
        )
    return rule


def _bring_forward(
    house: House, mailing: Mailing, now: datetime, draw: Draw, draw_word: DrawWord, ticks: Ticks
) -> None:
    sending = house.config.sending
    when = due(now, mailing.starts_at, mailing.not_after, timedelta(minutes=sending.grace_minutes))
    if when is Due.MISSED:
        _miss(mailing, now)
    elif now >= mailing.starts_at - timedelta(minutes=sending.prepare_ahead_minutes):
        try:
            _prepare(house, mailing, now, draw, draw_word, ticks)
            if when is Due.DUE:
                _start(house, mailing, now, draw, ticks)
        except MailerError as error:
            pause(mailing, now, f"It cannot be sent: {error}")


def _prepare(house: House, mailing: Mailing, now: datetime, draw: Draw, draw_word: DrawWord, ticks: Ticks) -> None:
    """Compile the letter and make the deliveries, range by range."""
    if mailing.state == _S.SCHEDULED:
        issue = mailing.issue
        letter = compile_for(
            house, list_of(house, issue), stream_of(house, issue), written(mailing.revision), draw_word()
        )
        with writing():
            if not advance(mailing.pk, _S.PREPARING):
                return
            steering.keep_letter(mailing.pk, json.dumps(letter.to_json()), letter.digest, now)
    pace: Pace | None = FIRST_RANGE
    while pace:
        pace = _prepare_range(house, mailing.pk, now, draw, ticks, pace)


def _prepare_range(house: House, number: int, now: datetime, draw: Draw, ticks: Ticks, pace: Pace) -> Pace | None:
    """Make the next range of deliveries; the pace of the one after it, None when all are made or it was stopped."""
    began = ticks()
    with writing():
        mailing = steering.locked(number)
        if mailing.state != _S.PREPARING or mailing.prepared_at is not None:
            return None
        found = next_range(mailing.prepared_to or 0, pace.size)
        if found is None:
            steering.note(number, prepared_at=now)
            return None
        after, until = found
        rule = rule_now(house, mailing, now)
        preparing.make_deliveries(number, rule, house.today(now), house.allow_list, draw, after=after, until=until)
        steering.note(number, prepared_to=until)
    return pace.after(ticks() - began)


def _start(house: House, mailing: Mailing, now: datetime, draw: Draw, ticks: Ticks) -> None:
    """Check everyone once more, then let the senders begin.

    Who is changed while this goes on bumps `changes` over the number written down here, and is asked at the claim.
    """
    with writing():
        if not _is_ready(steering.locked(mailing.pk)):
            return
        changes = current(Counter.CHANGES)
    rule, today = rule_now(house, mailing, now), house.today(now)
    going_on = _put_right(house, mailing.pk, recheck.of_the_erased(mailing.pk), now, draw)
    pace, after = FIRST_RANGE, 0
    while going_on and (found := next_range(after, pace.size)):
        began = ticks()
        first, after = found
        wrong = recheck.doubtful(mailing.pk, rule, today, house.allow_list, after=first, until=after)
        pace = pace.after(ticks() - began)
        going_on = _put_right(house, mailing.pk, wrong, now, draw)
    if not going_on:
        return
    with writing():
        if _is_ready(steering.locked(mailing.pk)):
            advance(mailing.pk, _S.SENDING, started_at=now, checked_at_change=changes, checked_on=today)
            record(
                now,
                THE_CLOCK.reference,
                "mailing started",
                about="mailing",
                number=mailing.pk,
                region=mailing.region_id,
            )


def _is_ready(mailing: Mailing) -> bool:
    """Whether it may start: another clock may be preparing it still, and a person may have stopped it."""
    return mailing.state == _S.PREPARING and mailing.prepared_at is not None


def _put_right(house: House, number: int, deliveries: Sequence[int], now: datetime, draw: Draw) -> bool:
    """Let these follow their member to another mailbox, or withdraw them; False if the mailing was stopped."""
    for chunk in (deliveries[start : start + CHUNK] for start in range(0, len(deliveries), CHUNK)):
        with writing():
            mailing = steering.locked(number)
            if not _is_ready(mailing):
                return False
            carried = recheck.carried_of(number).filter(pk__in=chunk)
            preparing.follow_moves(number, draw, set(carried.values_list("copy", flat=True)))
            recheck.withdraw_those_out(carried, rule_now(house, mailing, now), house.today(now), house.allow_list)
    return True


def _finish(mailing: Mailing, now: datetime) -> None:
    with writing():
        if mailing.not_after <= now:
            steering.give_up_waiting(mailing.pk, now)
        if outbox.is_finished(mailing.pk) and advance(mailing.pk, _S.SENT, finished_at=now):
            record(
                now,
                THE_CLOCK.reference,
                "mailing sent",
                about="mailing",
                number=mailing.pk,
                region=mailing.region_id,
            )


def _miss(mailing: Mailing, now: datetime) -> None:
    with writing():
        if advance(mailing.pk, _S.MISSED, "found too late: nobody got it; schedule it again", finished_at=now):
            steering.cancel_waiting(mailing.pk, now)
            record(
                now,
                THE_CLOCK.reference,
                "mailing missed",
                about="mailing",
                number=mailing.pk,
                region=mailing.region_id,
            )


def _lose_lapsed_claims(now: datetime) -> None:
    """A claim whose worker has not renewed it is lost with its host: nobody knows what was sent."""
    with writing():
        for mailing in outbox.lose_lapsed(now):
            record(now, THE_CLOCK.reference, "claims lost with their host", about="mailing", number=mailing)
