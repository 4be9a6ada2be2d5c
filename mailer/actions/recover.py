"""After a worker died: its journal says which of its letters were sent, and which are truly in doubt."""

from datetime import datetime

from mailer.access import THE_CLOCK
from mailer.actions.settle import resend_if_so_chosen, retry
from mailer.core.delivery import CopyState, Judged
from mailer.core.reply import Reply
from mailer.house import House
from mailer.models import Copy, Notice, outbox
from mailer.models.base import writing
from mailer.models.ledger import record
from mailer.transport.journal import Mark, Marked, Remains, left_behind

#: What a mark means for a copy that the database still thinks claimed. A reply heard and lost with the process is known
#: only by its first digit, so nobody is blamed for it: the copy is tried again later, or shown as refused.
_STATES = {
    Mark.FINAL_DOT: CopyState.UNCERTAIN,
    Mark.ACCEPTED: CopyState.ACCEPTED,
    Mark.NOT_NOW: CopyState.DEFERRED,
    Mark.REFUSED: CopyState.HELD,
}
#: What a report shows in place of the lost reply; by the first digit, which the journal keeps, it is one like 500.
_REFUSED = Reply(500, None, "Refused, but the words were lost when the worker died.")


def recover(house: House, now: datetime) -> int:
    """Settle the claims of workers of this host that are no longer alive; how many copies were in their hands."""
    count = 0
    for remains in left_behind(house.journals):
        with writing():
            count += _settle(house, remains, now)
    return count


def _settle(house: House, remains: Remains, now: datetime) -> int:
    if not remains.legible:
        count = outbox.doubt_claims(remains.worker, now)
        record(
            now, THE_CLOCK.reference, "worker's journal illegible", about="worker", number=remains.worker, copies=count
        )
        return count
    # A copy is in the journal before its MAIL FROM, so of any other that this worker had claimed nothing was sent.
    outbox.give_back_claims(Copy, remains.worker, but=[each.copy for each in remains.marked])
    outbox.give_back_claims(Notice, remains.worker, but=[-each.copy for each in remains.marked])
    for each in remains.marked:
        _settle_one(house, each, now)
    if not remains.marked:
        return 0
    record(
        now,
        THE_CLOCK.reference,
        "worker's journal settled",
        about="worker",
        number=remains.worker,
        copies=len(remains.marked),
        in_doubt=sum(each.mark is Mark.FINAL_DOT for each in remains.marked),
    )
    return len(remains.marked)


def _settle_one(house: House, each: Marked, now: datetime) -> None:
    table, row = (Copy, each.copy) if each.copy > 0 else (Notice, -each.copy)
    if each.mark is Mark.UNTOUCHED:
        outbox.give_back(table, [row], each.claim)
        return
    state, retry_at = _STATES[each.mark], None
    if state is CopyState.DEFERRED:
        # Not at once: its destination has only just said "not now" (T3).
        tries = outbox.tries(table, row, each.claim)
        if tries is None:
            return
        state, retry_at = retry(house, Judged(state, None, None), *tries, now, spread=row)
    judged = Judged(state, None, _REFUSED if each.mark is Mark.REFUSED else None)
    marked = outbox.mark(table, row, each.claim, judged, now=now, retry_at=retry_at)
    if marked and state is CopyState.UNCERTAIN and table is Copy:
        resend_if_so_chosen(house, row)
