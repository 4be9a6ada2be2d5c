"""How an issue's sendings stand now: by outcome, region and domain, how fast they go, and when they end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mailer import access
from mailer.access import Actor
from mailer.actions.plan_mailing import Plan, end_of
from mailer.core.audience import Rule
from mailer.core.mailing import MailingState
from mailer.core.progress import WINDOW, Progress, largest, per_second
from mailer.house import House
from mailer.models import Mailing, figures
from mailer.reports import MailingFigures, mailing_figures

_MOVING = (MailingState.SCHEDULED, MailingState.PREPARING, MailingState.SENDING)


@dataclass(frozen=True, slots=True)
class MailingStatus:
    """How one sending stands: its figures, in parts, and when it ends."""

    figures: MailingFigures
    regions: Mapping[str, Mapping[str, int]]
    domains: Mapping[str, Mapping[str, int]]
    progress: Progress
    plan: Plan


@dataclass(frozen=True, slots=True)
class IssueStatus:
    """How an issue's sendings stand."""

    issue: int
    subject: str
    state: str
    mailings: tuple[MailingStatus, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """How far the newest sending of an issue is; `moves`: it goes on by itself."""

    moves: bool
    done: int
    total: int


def issue_status(actor: Actor, house: House, number: int, now: datetime) -> IssueStatus:
    """How an issue the actor may see stands now; of people in two regions, only the actor's own count."""
    issue = access.issue(actor, number)
    rows = figures.mailings_of_issue(issue.pk)
    subject = figures.subject_of(issue.pk)
    return IssueStatus(issue.pk, subject, issue.state, tuple(_status(actor, house, row, now) for row in rows))


def issue_step(actor: Actor, number: int) -> Step:
    """The same in three numbers, cheap enough to be asked again and again."""
    rows = figures.mailings_of_issue(access.issue(actor, number).pk)
    return Step(rows[-1].state in _MOVING, *figures.progress(rows[-1].pk)) if rows else Step(False, 0, 0)


def progress_of(mailing: Mailing, now: datetime) -> Progress:
    """How far a sending is, and how fast it goes."""
    done, total = figures.progress(mailing.pk)
    if mailing.state != MailingState.SENDING or mailing.started_at is None:
        return Progress(done, total)
    return Progress(done, total, per_second(figures.decided_since(mailing.pk, now - WINDOW), now, mailing.started_at))


def _status(actor: Actor, house: House, mailing: Mailing, now: datetime) -> MailingStatus:
    moving = progress_of(mailing, now)
    reach = Rule.from_json(mailing.rule).narrowed(actor.scope.regions).regions
    return MailingStatus(
        mailing_figures(house, mailing),
        figures.by_region(mailing.pk, house.today(now), reach),
        largest(figures.by_domain(mailing.pk)),
        moving,
        end_of(house, mailing.pk, now, moving.rate or None),
    )
