"""Stop, resume, cancel: a person's hand on a mailing, effective within one letter."""

from datetime import datetime

from mailer import access
from mailer.access import Actor
from mailer.actions.compose import list_of
from mailer.core.errors import MailerError
from mailer.core.mailing import MailingState
from mailer.house import House
from mailer.models import Mailing
from mailer.models.base import writing
from mailer.models.ledger import record, record_mailing
from mailer.models.site import Counter, bump
from mailer.models.steering import (
    advance,
    cancel_waiting,
    give_up_waiting,
    mailing_of,
    note,
    release_held,
    requeue_uncertain,
)


class SteeringRefused(MailerError, ValueError):
    """The mailing is not in a state in which this can be done."""


def stop(actor: Actor, house: House, number: int, now: datetime) -> None:
    """Send nothing more until somebody resumes it."""
    with writing():
        mailing = _mailing(actor, house, number)
        _move(mailing, MailingState.STOPPED, actor, now, f"stopped by {actor.name}")


def resume(actor: Actor, house: House, number: int, now: datetime) -> None:
    """Go on where it stopped; copies that waited for a person are tried again."""
    with writing():
        mailing = _mailing(actor, house, number)
        if mailing.state == MailingState.SENDING:
            _release(mailing, actor, now)
            return
        if mailing.state not in (MailingState.PAUSED, MailingState.STOPPED):
            raise SteeringRefused(f"The mailing is {mailing.state}: only what is paused, stopped or held can go on.")
        if mailing.not_after <= now:
            _move(mailing, MailingState.MISSED, actor, now, "resumed after its `not after`", finished_at=now)
            give_up_waiting(mailing.pk, now)
        elif mailing.started_at is not None:
            _move(mailing, MailingState.SENDING, actor, now, "", wait_until=None)
            release_held(mailing.pk)
        else:
            # Whoever resumes it after its time means now: it is not late, it was asked for.
            starts = max(mailing.starts_at, now)
            _move(mailing, MailingState.SCHEDULED, actor, now, "", wait_until=None, starts_at=starts)


def _release(mailing: Mailing, actor: Actor, now: datetime) -> None:
    """Try again what waits for a person while the rest goes on."""
    count = release_held(mailing.pk)
    if not count:
        raise SteeringRefused("The mailing is sending, and nothing in it waits for a person.")
    note(mailing.pk, wait_until=None)
    record(now, actor.reference, "held copies released", about="mailing", number=mailing.pk, copies=count)


def cancel(actor: Actor, house: House, number: int, now: datetime) -> None:
    """Never send what has not been handed over."""
    with writing():
        mailing = _mailing(actor, house, number)
        _move(mailing, MailingState.CANCELLED, actor, now, f"cancelled by {actor.name}", finished_at=now)
        cancel_waiting(mailing.pk, now)


def send_again_to_uncertain(actor: Actor, house: House, number: int, now: datetime) -> int:
    """Send again to those of whom we are uncertain: they may have it twice, with the same Message-ID."""
    with writing():
        mailing = _mailing(actor, house, number)
        if mailing.state in {MailingState.CANCELLED, MailingState.MISSED} or mailing.not_after <= now:
            raise SteeringRefused("Its time is over, or it was cancelled: nothing more of it is sent.")
        count = requeue_uncertain(mailing.pk)
        if count and mailing.state == MailingState.SENT:
            advance(mailing.pk, MailingState.SENDING, finished_at=None)
        record(now, actor.reference, "uncertain sent again", about="mailing", number=mailing.pk, copies=count)
    return count


def _mailing(actor: Actor, house: House, number: int) -> Mailing:
    issue = access.issue(actor, number)
    actor.needs_reach(list_of(house, issue).writers, issue.region_id)
    mailing = mailing_of(issue)
    if mailing is None:
        raise SteeringRefused(f"Issue {number} was never scheduled.")
    return mailing


def _move(mailing: Mailing, target: MailingState, actor: Actor, now: datetime, reason: str, **values: object) -> None:
    bump(Counter.CHANGES)
    if not advance(mailing.pk, target, reason, **values):
        raise SteeringRefused(f"The mailing is {mailing.state}, so it cannot become {target}.")
    record_mailing(now, actor.reference, target, mailing, reason=reason)
