"""What the clock does: prepare what is near, start what is due, end what is done. Rung often, by any number of bells.

What is due is a row; each step is a conditional update or a range made under a lock, so two bells are harmless and a
step that was cut off is done again (design.md section 2).
"""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import OperationalError

from mailer.access import THE_CLOCK, author_scope
from mailer.actions.adopt_lists import is_adopted
from mailer.actions.compose import DrawWord, compile_for, list_of, stream_of, written
from mailer.actions.leave import Draw
from mailer.actions.pause_mailing import pause
from mailer.actions.prepare_mailing import Ticks, Whom, check_everyone, make_deliveries, may_start
from mailer.actions.replay_departures import replay_departures
from mailer.core.audience import Rule
from mailer.core.errors import MailerError
from mailer.core.mailing import MailingState
from mailer.core.schedule import Due, due
from mailer.house import House
from mailer.models import Mailing, outbox, preparing, steering
from mailer.models.base import writing
from mailer.models.ledger import record, record_mailing
from mailer.models.site import Counter, current
from mailer.models.steering import advance, in_state

_LOG = logging.getLogger("mailer.clock")
_S = MailingState


def keep_time(
    house: House, *, now: datetime, draw: Draw, draw_word: DrawWord, ticks: Ticks = time.monotonic
) -> datetime | None:
    """Do all that is due; when something is due next (None: nothing is planned)."""
    replay_departures(house, now)
    with writing():
        outbox.requeue_due(now)
        for number in outbox.orphaned():
            steering.cancel_waiting(number, now)
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
    if preparing.progress(mailing.pk) is not None:
        make_deliveries(mailing.pk, _whom(house, mailing, now), now, draw, ticks)


def _whom(house: House, mailing: Mailing, now: datetime) -> Whom:
    return Whom(rule_now(house, mailing, now), house.today(now), house.allow_list)


def _start(house: House, mailing: Mailing, now: datetime, draw: Draw, ticks: Ticks) -> None:
    """Check everyone once more, then let the senders begin.

    Who is changed while this goes on bumps `changes` over the number written down here, and is asked at the claim.
    """
    with writing():
        if not may_start(mailing.pk):
            return
        changes = current(Counter.CHANGES)
    whom = _whom(house, mailing, now)
    if not check_everyone(mailing.pk, whom, draw, ticks):
        return
    with writing():
        if may_start(mailing.pk):
            advance(mailing.pk, _S.SENDING, started_at=now, checked_at_change=changes, checked_on=whom.today)
            record_mailing(now, THE_CLOCK.reference, "started", mailing)


def _finish(mailing: Mailing, now: datetime) -> None:
    with writing():
        if mailing.not_after <= now:
            steering.give_up_waiting(mailing.pk, now)
        if outbox.is_finished(mailing.pk) and advance(mailing.pk, _S.SENT, finished_at=now):
            record_mailing(now, THE_CLOCK.reference, "sent", mailing)


def _miss(mailing: Mailing, now: datetime) -> None:
    with writing():
        if advance(mailing.pk, _S.MISSED, "found too late: nobody got it; schedule it again", finished_at=now):
            steering.cancel_waiting(mailing.pk, now)
            record_mailing(now, THE_CLOCK.reference, "missed", mailing)


def _lose_lapsed_claims(now: datetime) -> None:
    """A claim whose worker has not renewed it is lost with its host: nobody knows what was sent."""
    with writing():
        for mailing in outbox.lose_lapsed(now):
            record(now, THE_CLOCK.reference, "claims lost with their host", about="mailing", number=mailing)
