"""A mailing stops by itself when too much of it comes back, and asks a person (standards 3.3, the last row)."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

from mailer.access import THE_CLOCK
from mailer.actions.pause_mailing import pause
from mailer.core.returning import Answered, Tally, blocked, may_be_too_much, runs, too_much
from mailer.house import House
from mailer.models import Mailing, tally
from mailer.models.base import writing
from mailer.models.ledger import record
from mailer.models.steering import is_sending


def pause_if_too_much_comes_back(
    house: House, mailing: Mailing, now: datetime, answers: Iterable[Answered] = (), *, by_report: bool = False
) -> str | None:
    """Pause it if it should stop, and say why. `answers` are the final ones since the last call, in their order.

    A few questions that indexes answer, so that it may be asked after every claim and every report.
    """
    with writing():
        if not is_sending(mailing.pk):
            return None
        reason = _blocked(house, mailing, answers, by_report=by_report) or _too_much(house, mailing)
        if reason is not None:
            pause(mailing, now, reason)
            seen = asdict(_counted(mailing))
            record(now, THE_CLOCK.reference, tally.CAME_BACK, about="mailing", number=mailing.pk, **seen)
            tally.forget_runs(mailing.pk)
    return reason


def _blocked(house: House, mailing: Mailing, answers: Iterable[Answered], *, by_report: bool) -> str | None:
    answers = list(answers)
    if not answers:
        return None
    before = tally.runs_of(mailing.pk, by_report=by_report)
    changed = {domain: run for domain, run in runs(before, answers).items() if run != before.get(domain, 0)}
    if not changed:
        return None
    tally.keep_runs(mailing.pk, changed, by_report=by_report)
    return blocked({domain: run for domain, run in changed.items() if run > before.get(domain, 0)}, house.bounds)


def _too_much(house: House, mailing: Mailing) -> str | None:
    back = tally.came_back(mailing.pk)
    if not (back.hard or back.complaints):
        return None
    guess = Tally(tally.guessed_attempts(mailing.pk), back.hard, back.complaints)
    if not may_be_too_much(guess, house.bounds):
        return None
    return too_much(_counted(mailing).since(tally.seen_before(mailing.pk)), house.bounds)


def _counted(mailing: Mailing) -> Tally:
    back = tally.came_back(mailing.pk)
    return Tally(tally.attempts(mailing.pk), back.hard, back.complaints)
