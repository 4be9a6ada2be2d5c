"""Writing down what the relay answered, and what follows from it for copy, mailbox and mailing."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from mailer.access import THE_CLOCK
from mailer.actions import hold_back
from mailer.actions.hold_back import domain_of
from mailer.actions.pause_mailing import pause
from mailer.core.configkind import Uncertain
from mailer.core.delivery import CopyState, Judged, refuses_us
from mailer.core.reply import Answer
from mailer.core.returning import Answered, answered
from mailer.core.schedule import RetryCalendar, next_attempt
from mailer.core.verdict import Class, Effect, judge_mailbox, rule
from mailer.house import House
from mailer.models import Copy, Mailing, Notice, SuppressionReason, departure, destination, outbox, returns
from mailer.models.changes import begin_change, name_touched
from mailer.models.ledger import record
from mailer.models.outbox import Claimed

# By names of their own: to look them up in their enumeration for each letter takes six times as long.
_ACCEPTED, _HELD = CopyState.ACCEPTED, CopyState.HELD
#: So many letters held one after the other.
_TOO_MANY_HELD = 3
#: A one-off letter that our relay refuses: how long it rests, and until when it is tried.
_NOTICE_RESTS, _NOTICE_HOLDS = timedelta(hours=6), timedelta(days=14)


class Settled(NamedTuple):
    """One copy, what its answer means, and when that was known."""

    copy: Claimed
    answer: Answer | None
    judged: Judged
    at: datetime


def settle(
    house: House, mailing: Mailing, claim: int, worker: str, results: Sequence[Settled], slowed: frozenset[str]
) -> dict[str, datetime]:
    """Write down a claim's answers, inside `writing()`; the destinations that asked us to slow down, and until when.

    `slowed` are those that had asked so before the claim: a few letters may have tried whether they take some again.
    """
    accepted = [result for result in results if result.judged.state is _ACCEPTED]
    outbox.mark_accepted(
        [(copy.copy, at, reply) for copy, _, (_, _, reply), at in accepted if reply is not None], worker
    )
    if slowed and (took := slowed.intersection(domain_of(result.copy.address) for result in accepted)):
        destination.eased(took, accepted[-1].at)
    resting: dict[str, datetime] = {}
    for result in results:
        if result.judged.state is not _ACCEPTED:
            until = _settle_one(house, mailing, claim, result)
            if until is not None:
                resting[domain_of(result.copy.address)] = until
    return resting


def _settle_one(house: House, mailing: Mailing, claim: int, result: Settled) -> datetime | None:
    """Write one answer down; until when its destination rests, if it asked us to slow down."""
    copy = result.copy
    state, retry_at = retry(
        house, result.judged, copy.attempts, copy.first_attempt_at, result.at,
        spread=copy.copy, not_after=mailing.not_after,
    )  # fmt: skip
    rests_until = hold_back.answered(copy.address, result.answer, result.at) if result.answer else None
    if retry_at is not None and rests_until is not None:
        retry_at = max(retry_at, rests_until)
    judged = Judged(state, result.judged.reply_class, result.judged.reply)
    if outbox.mark(Copy, copy.copy, claim, judged, now=result.at, retry_at=retry_at):
        if state in {CopyState.REFUSED, CopyState.EXPIRED}:
            _note_refusal(house, result)
        if state is CopyState.UNCERTAIN:
            resend_if_so_chosen(house, copy.copy)
    return rests_until


def settle_notices(house: House, claim: int, results: Sequence[Settled]) -> None:
    """Write down what became of one-off letters; call it inside `writing()`."""
    for result in results:
        notice = result.copy
        state, retry_at = retry(
            house, result.judged, notice.attempts, notice.first_attempt_at, result.at, spread=notice.copy
        )
        if state is CopyState.HELD:
            # Nobody looks after one letter: it is tried again by itself for as long as what it says holds.
            over = result.at - notice.first_attempt_at >= _NOTICE_HOLDS
            state, retry_at = (CopyState.EXPIRED, None) if over else (state, retry_at or result.at + _NOTICE_RESTS)
        judged = Judged(state, result.judged.reply_class, result.judged.reply)
        outbox.mark(Notice, notice.copy, claim, judged, now=result.at, retry_at=retry_at)


def judge_mailbox_of(house: House, mailbox_id: int, copy_id: int, heard: Class, *, why: str, now: datetime) -> Effect:
    """Apply the tables of standards 3.3 to a mailbox; what was done."""
    verdict = judge_mailbox(
        returns.mailbox_record(mailbox_id),
        heard,
        house.today(now),
        accepted_on=returns.last_settled_on(
            mailbox_id, but=copy_id, before=now - timedelta(days=house.mailbox_limits.settled_days)
        ),
        limits=house.mailbox_limits,
    )
    returns.keep_record(mailbox_id, verdict.record)
    if verdict.effect is Effect.UNDELIVERABLE and returns.make_undeliverable(mailbox_id, why, now):
        name_touched(begin_change(), returns.members_at(mailbox_id))
        record(now, THE_CLOCK.reference, "mailbox undeliverable", about="mailbox", number=mailbox_id)
    if verdict.effect is Effect.SUPPRESS:
        departure.suppress_mailbox(mailbox_id, SuppressionReason.COMPLAINT, now)
        name_touched(begin_change(), returns.members_at(mailbox_id))
        record(now, THE_CLOCK.reference, "mailbox suppressed", about="mailbox", number=mailbox_id)
    return verdict.effect


def retry(
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
        calendar = RetryCalendar.of(house.config.sending.retry_minutes)
        again = next_attempt(
            attempts, first_attempt_at, now, give_up, spread=spread, not_after=not_after, calendar=calendar
        )
        return (CopyState.DEFERRED, again) if again else (CopyState.EXPIRED, None)
    # It goes by whichever relay takes letters, when one does: the relay that refused us rests.
    return judged.state, now if refuses_us(judged) else None


def resend_if_so_chosen(house: House, copy_id: int) -> None:
    """Send a copy that is in doubt once more, if that policy was chosen."""
    if house.config.sending.uncertain is Uncertain.RESEND:
        outbox.requeue_one_uncertain(copy_id)


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


def final_answers(results: Iterable[Settled]) -> list[Answered]:
    """What the destinations said for good, in its order."""
    return [
        answered(result.copy.address, result.judged.reply.status)
        for result in results
        if result.judged.reply is not None
        and result.judged.state is not CopyState.DEFERRED
        and not refuses_us(result.judged)
    ]


def held_in_a_row(before: int, results: Iterable[Settled]) -> int:
    """How many letters one after the other were refused for a fault of theirs, with none accepted between."""
    for result in results:
        if result.judged.state is _ACCEPTED:
            before = 0
        elif result.judged.state is _HELD and not refuses_us(result.judged):
            before += 1
    return before


def pause_if_all_are_held(mailing: Mailing, count: int, results: Sequence[Settled]) -> bool:
    """Pause when something is wrong that more trying does not mend; whether it did."""
    if count < _TOO_MANY_HELD:
        return False
    held = [result for result in results if result.judged.state is _HELD]
    if not held:
        return False
    pause(mailing, held[-1].at, f"The mail server refuses our letters, not the people: {held[-1].judged.reply}")
    return True
