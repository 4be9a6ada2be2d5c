"""Scheduling: an issue gets a time, an audience and an end, and a while in which it can be taken back."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import IntegrityError

from mailer import access
from mailer.access import Actor
from mailer.actions.compose import list_of
from mailer.actions.correct_issue import mailing_to_correct
from mailer.actions.plan_mailing import Plan, ahead
from mailer.config import Config
from mailer.core.aim import aim
from mailer.core.audience import Rule
from mailer.core.delivery import Outcome
from mailer.core.errors import MailerError
from mailer.core.issue import IssueState
from mailer.core.listfile import ListFile
from mailer.core.region import Scope
from mailer.core.schedule import LocalTime, cool_off_end, describe, local_time
from mailer.house import House
from mailer.models import Issue, Revision, facts_of
from mailer.models.base import writing
from mailer.models.ledger import record_mailing
from mailer.models.pen import create_mailing
from mailer.models.steering import advance_issue, newest_revision


class ScheduleRefused(MailerError, ValueError):
    """It cannot be sent then, or not by this person, or not again."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What was scheduled, in words a person can check."""

    mailing: int
    subject: str
    starts: str
    not_after: str
    can_be_cancelled_until: str
    reaches: int
    candidates: int
    plan: Plan


@dataclass(frozen=True, slots=True)
class _Term:
    """When it is due, and between which moments it may go."""

    due: LocalTime
    starts: datetime
    ends: datetime


def schedule(
    actor: Actor,
    house: House,
    number: int,
    at: str,
    *,
    now: datetime,
    not_after: str | None = None,
) -> Scheduled:
    """Schedule an issue for a local wall time of the organisation's zone."""
    issue = access.issue(actor, number)
    listfile = list_of(house, issue)
    actor.needs_reach(listfile.writers, issue.region_id)
    scope = actor.scope_as(listfile.writers)
    term = _term(house.config, at, not_after, now)
    _must_be_approved(issue, listfile)
    revision = newest_revision(issue)
    rule = _rule(issue, listfile, scope)
    try:
        mailing = _save(actor, issue, revision, rule, scope, term, now)
    except IntegrityError as error:
        raise ScheduleRefused(
            f"Issue {number} is scheduled or sent already, and nobody gets it twice."
            f" `mailer issue cancel {number}` takes it back while it waits; for other words, make a new issue."
        ) from error
    found = facts_of.count(rule, house.today(now), house.allow_list)
    starts = describe(term.starts, term.due.zone)
    return Scheduled(
        mailing,
        revision.subject,
        starts=starts,
        not_after=describe(term.ends, term.due.zone),
        can_be_cancelled_until=starts,
        reaches=sum(found.get(Outcome.CARRIED, {}).values()),
        candidates=sum(sum(reasons.values()) for reasons in found.values()),
        plan=ahead(house, rule, term.starts, term.ends, now),
    )


def _term(config: Config, at: str, not_after: str | None, now: datetime) -> _Term:
    zone, sending = config.organisation.time_zone, config.sending
    due = local_time(at, zone)
    # A person names a minute, and the one we are in has not passed.
    if due.utc < now.replace(second=0, microsecond=0):
        raise ScheduleRefused(f"{describe(due.utc, zone)} has passed; it is {describe(now, zone)} now.")
    ends = local_time(not_after, zone).utc if not_after else due.utc + timedelta(hours=sending.not_after_hours)
    starts = max(due.utc, cool_off_end(now, sending.cool_off_minutes))
    if ends <= starts:
        raise ScheduleRefused(f"It would start at {describe(starts, zone)}, which is after its own end.")
    return _Term(due, starts, ends)


def _must_be_approved(issue: Issue, listfile: ListFile) -> None:
    if listfile.approval and issue.state != IssueState.APPROVED:
        raise ScheduleRefused(f"{listfile.title} needs approval before it can be scheduled.")


def _rule(issue: Issue, listfile: ListFile, scope: Scope) -> Rule:
    """Whom it is for; a correction, only those who got what it corrects."""
    rule = aim(listfile, access.regions(), issue.region.slug if issue.region else None, scope)
    return rule if issue.corrects is None else replace(rule, got=mailing_to_correct(issue.corrects).pk)


def _save(actor: Actor, issue: Issue, revision: Revision, rule: Rule, scope: Scope, term: _Term, now: datetime) -> int:
    """The number of the new mailing; IntegrityError if the issue has one that stands."""
    with writing():
        advance_issue(issue, IssueState.APPROVED)
        mailing = create_mailing(
            issue,
            revision,
            rule,
            author=actor.user,
            scope=scope.regions,
            due=term.due,
            starts_at=term.starts,
            not_after=term.ends,
            now=now,
        )
        record_mailing(now, actor.reference, "scheduled", mailing, issue=issue.pk, starts_at=term.starts.isoformat())
    return int(mailing.pk)
