"""The long parts of preparing and of the last check: in ranges of members that fit the machine, while others write.

A range that was cut off is done again, and what another clock has done, or a person stopped, is left to them. Memory
does not grow with the audience: no range is ever read into this process.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from mailer.actions.leave import Draw
from mailer.core.audience import AllowList, Rule
from mailer.core.mailing import MailingState
from mailer.core.pace import Pace
from mailer.models import preparing, recheck, steering
from mailer.models.audience import next_range
from mailer.models.base import writing

#: The first range of members; those after it are as long as this machine does in a moment.
FIRST_RANGE = 1000
#: Deliveries put right in one write at the start.
CHUNK = 250
#: Seconds that only grow, to measure by.
Ticks = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Whom:
    """Whom a mailing is for on a day, on this site."""

    rule: Rule
    today: date
    allow_list: AllowList | None


def make_deliveries(number: int, whom: Whom, now: datetime, draw: Draw, ticks: Ticks = time.monotonic) -> None:
    """Give every candidate of a mailing a delivery, from where its preparing has come to."""
    after, pace = preparing.progress(number), Pace(FIRST_RANGE, preparing.write_seconds())
    while after is not None:
        after, pace = _make_range(number, whom, now, draw, ticks, after, pace)


def _make_range(
    number: int, whom: Whom, now: datetime, draw: Draw, ticks: Ticks, after: int, pace: Pace
) -> tuple[int | None, Pace]:
    """Make the next range; its last member id (None if all are made, or another clock makes them) and the next pace."""
    found = next_range(after, pace.size)
    if found is not None:
        preparing.draft(number, whom.rule, whom.today, whom.allow_list, draw, *found)
    with writing():
        began = ticks()
        if preparing.progress(number, hold=True) != after:
            return None, pace
        if found is None:
            steering.note(number, prepared_at=now)
            return None, pace
        preparing.make_deliveries(number)
        steering.note(number, prepared_to=found.until)
    return found.until, pace.after(ticks() - began)


def check_everyone(number: int, whom: Whom, draw: Draw, ticks: Ticks = time.monotonic) -> bool:
    """Ask everyone carried once more, and put right what is not so any more; False if the mailing was stopped."""
    going_on = _put_right(number, recheck.of_the_erased(number), whom, draw)
    after, pace = 0, Pace(FIRST_RANGE, preparing.write_seconds())
    while going_on and (found := next_range(after, pace.size)):
        began = ticks()
        wrong = recheck.doubtful(number, whom.rule, whom.today, whom.allow_list, *found)
        after, pace = found.until, pace.after(ticks() - began)
        going_on = _put_right(number, wrong, whom, draw)
    return going_on


def may_start(number: int) -> bool:
    """Whether a mailing is ready: another clock may be preparing it still, and a person may have stopped it.

    Call it inside `writing()`.
    """
    mailing = steering.locked(number)
    return mailing.state == MailingState.PREPARING and mailing.prepared_at is not None


def _put_right(number: int, deliveries: Sequence[int], whom: Whom, draw: Draw) -> bool:
    """Let these follow their member to another mailbox, or withdraw them; False if the mailing was stopped."""
    for chunk in (deliveries[start : start + CHUNK] for start in range(0, len(deliveries), CHUNK)):
        with writing():
            if not may_start(number):
                return False
            preparing.follow_moves(number, draw, {rider.copy for rider in recheck.carried_of(number, chunk)})
            # Asked again: some ride on another copy now.
            recheck.withdraw_those_out(recheck.carried_of(number, chunk), whom.rule, whom.today, whom.allow_list)
    return True
