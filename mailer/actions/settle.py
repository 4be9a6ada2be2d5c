"""Writing down what the relay answered, and what follows from it for copy, mailbox and mailing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailer.access import THE_CLOCK
from mailer.actions.pause_mailing import pause
from mailer.core.configkind import Uncertain
from mailer.core.delivery import CopyState, Judged
from mailer.core.schedule import next_attempt
from mailer.core.verdict import DEFAULTS, Class, Effect, judge_mailbox, rule
from mailer.house import House
from mailer.models import Copy, Mailing, Notice, SuppressionReason, departure, outbox, returns
from mailer.models.ledger import record
from mailer.models.outbox import Claimed
from mailer.models.site import Counter, bump

#: So many letters held in one claim, and none accepted: something is wrong that more trying does not mend.
_TOO_MANY_HELD = 3
#: A letter accepted longer ago than this, and not come back, has arrived (standards 3.3).
_SETTLES = timedelta(days=DEFAULTS.settled_days)
_QUOTA_RENEWS = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Settled:
    """One copy, what its answer means, and when that was known."""

    copy: Claimed
    judged: Judged
    at: datetime


def settle(house: House, mailing: Mailing, claim: int, results: Sequence[Settled]) -> None:
    """Write down a claim's answers; call it inside `writing()`."""
    for result in results:
        copy = result.copy
        state, retry_at = _retry(
            house,
            result.judged,
            copy.attempts,
            copy.first_attempt_at,
            result.at,
            spread=copy.copy,
            not_after=mailing.not_after,
        )
        judged = Judged(state, result.judged.reply_class, result.judged.reply)
        if not outbox.mark(Copy, copy.copy, claim, judged, now=result.at, retry_at=retry_at):
            continue
        if state is CopyState.REFUSED:
            _note_refusal(house, result)
        if state is CopyState.UNCERTAIN and _may_resend(house, result):
            outbox.requeue_one_uncertain(copy.copy)
    _pause_if_all_are_held(mailing, results)


def settle_notice(notice: Notice, judged: Judged, now: datetime, house: House) -> None:
    """Write down what became of a one-off letter."""
    first = notice.first_attempt_at or now
    state, retry_at = _retry(house, judged, notice.attempts, first, now, spread=notice.pk)
    judged = Judged(state, judged.reply_class, judged.reply)
    outbox.mark(Notice, notice.pk, notice.claim or 0, judged, now=now, retry_at=retry_at)


def judge_mailbox_of(house: House, mailbox_id: int, copy_id: int, heard: Class, *, why: str, now: datetime) -> Effect:
    """Apply the tables of standards 3.3 to a mailbox; what was done."""
    verdict = judge_mailbox(
        returns.mailbox_record(mailbox_id),
        heard,
        house.today(now),
        accepted_on=returns.last_settled_on(mailbox_id, but=copy_id, before=now - _SETTLES),
    )
    returns.keep_record(mailbox_id, verdict.record)
    if verdict.effect is Effect.UNDELIVERABLE and returns.make_undeliverable(mailbox_id, why, now):
        bump(Counter.CHANGES)
        record(now, THE_CLOCK.reference, "mailbox undeliverable", about="mailbox", number=mailbox_id)
    if verdict.effect is Effect.SUPPRESS:
        departure.suppress_mailbox(mailbox_id, SuppressionReason.COMPLAINT, now)
        bump(Counter.CHANGES)
        record(now, THE_CLOCK.reference, "mailbox suppressed", about="mailbox", number=mailbox_id)
    return verdict.effect


def _retry(
    house: House,
    judged: Judged,
    attempts: int,
    first_attempt_at: datetime,
    now: datetime,
    *,
    spread: int,
    not_after: datetime | None = None,
) -> tuple[CopyState, datetime | None]:
    """The state to write, and when to try again: a deferral without a next time has expired."""
    if judged.state is CopyState.DEFERRED:
        give_up = timedelta(hours=house.config.sending.give_up_hours)
        again = next_attempt(attempts, first_attempt_at, now, give_up, spread=spread, not_after=not_after)
        return (CopyState.DEFERRED, again) if again else (CopyState.EXPIRED, None)
    if judged.state is CopyState.HELD and judged.reply_class is Class.QUOTA:
        return judged.state, now + _QUOTA_RENEWS
    return judged.state, None


def _may_resend(house: House, result: Settled) -> bool:
    return house.config.sending.uncertain is Uncertain.RESEND and result.copy.attempts == 1


def _note_refusal(house: House, result: Settled) -> None:
    reply, heard = result.judged.reply, result.judged.reply_class
    if reply is None or heard is None:
        return
    effect = judge_mailbox_of(house, result.copy.mailbox, result.copy.copy, heard, why=str(reply), now=result.at)
    returns.keep_refusal(
        result.copy.copy,
        code=reply.code,
        status=reply.status or "",
        text=reply.text,
        kind=heard,
        reason=rule(reply.code, reply.status, reply.text).reason,
        verdict=effect,
        now=result.at,
    )


def _pause_if_all_are_held(mailing: Mailing, results: Sequence[Settled]) -> None:
    held = [r for r in results if r.judged.state is CopyState.HELD and r.judged.reply_class is not Class.QUOTA]
    accepted = any(r.judged.state is CopyState.ACCEPTED for r in results)
    if accepted or len(held) < _TOO_MANY_HELD:
        return
    reason = f"The mail server refuses our letters, not the people: {held[-1].judged.reply}"
    pause(mailing, held[-1].at, reason)
