"""The plan of a mailing, shown before it is sent and while it runs: how many letters, from when, until when.

A plan is for orientation ("about"), and never early: it takes the relay that would be used, its limits and what is used
of them, destinations that are limited or rest, quiet hours, and the other mailings that take turns with this one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mailer.actions.choose_relay import Chosen, relay_for
from mailer.actions.choose_relay import Waiting as NoRelay
from mailer.actions.use_relay import routes_for
from mailer.actions.watch_site import stands_still
from mailer.core.audience import Rule
from mailer.core.limits import NO_LIMITS
from mailer.core.mailing import MailingState
from mailer.core.plan import ASSUMED_RATE, Course, Terms, end_time
from mailer.core.schedule import brief
from mailer.house import House
from mailer.models import Mailing, destination, quota, workload
from mailer.models.workload import Waiting

_WAITS_FOR_A_PERSON = (MailingState.PAUSED, MailingState.STOPPED)
_OVER = (MailingState.SENT, MailingState.CANCELLED, MailingState.MISSED)


@dataclass(frozen=True, slots=True)
class Plan:
    """`letters` to hand over, from `begins` to `ends`; where they do not end it is None, and `why` says why not.

    `later` more wait to be tried again, each at a time of its own, the first at `later_from`; None: a person must act
    first. `words` say it all to a person.
    """

    letters: int
    later: int
    begins: datetime
    ends: datetime | None
    why: str = ""
    words: str = ""
    later_from: datetime | None = None

    def to_json(self) -> dict[str, object]:
        """The documented shape."""
        return {
            "letters": self.letters,
            "later": self.later,
            "later_from": self.later_from.isoformat() if self.later_from else None,
            "begins": self.begins.isoformat(),
            "ends": self.ends.isoformat() if self.ends else None,
            "why": self.why,
            "words": self.words,
        }


def ahead(house: House, rule: Rule, starts: datetime, not_after: datetime, now: datetime) -> Plan:
    """The plan of a mailing that is being scheduled, with the members and the limits of today."""
    view = _view(house, now)
    found = workload.expected(rule, house.today(now), house.allow_list, view.destinations)
    plan = _planned(house, view, found, (), starts, not_after, ASSUMED_RATE)
    return replace(plan, words=_before(house, plan, now))


def end_of(house: House, mailing_id: int, now: datetime, rate: float | None = None) -> Plan:
    """The plan of a mailing as it stands, at the rate that was measured, in letters a second, if one was."""
    mailing = workload.mailing(mailing_id)
    if mailing.state in _OVER:
        return Plan(0, 0, mailing.starts_at, mailing.finished_at, words=f"it is {mailing.state}")
    view, starts = _view(house, now), max(now, mailing.starts_at)
    if mailing.prepared_at is None:
        rule = Rule.from_json(mailing.rule)
        found = workload.expected(rule, house.today(now), house.allow_list, view.destinations)
    else:
        found = workload.waiting(mailing_id, view.destinations)
    if hindered := _hindered(mailing, view):
        plan = Plan(found.now, found.later, starts, None, hindered)
    else:
        others = workload.beside(mailing_id)
        plan = _planned(house, view, found, others, starts, mailing.not_after, rate or ASSUMED_RATE)
    plan = replace(plan, later_from=found.later_from)
    return replace(plan, words=_before(house, plan, now) if mailing.started_at is None else _while(house, plan, now))


@dataclass(frozen=True, slots=True)
class _View:
    """How things stand: the relay, the course of its letters, and those of destinations with limits or at rest."""

    now: datetime
    relay: Chosen | NoRelay
    course: Course
    destinations: Mapping[str, Course]


def _view(house: House, now: datetime) -> _View:
    relay = relay_for(house, house.mail_domain, now, priority=True)
    route = relay if isinstance(relay, Chosen) else routes_for(house.config, house.mail_domain)[0]
    limits = {each.domain: each.limits for each in house.config.limits.domains}
    rests: Mapping[str, datetime] = {row.domain: row.rest_until for row in destination.resting(now)}
    scope, scopes = quota.relay_scope(route.name), {each: quota.domain_scope(each) for each in limits.keys() | rests}
    used = quota.used_by([scope, *scopes.values()])
    return _View(
        now,
        relay,
        Course(0, route.limits, used[scope], relay.until if isinstance(relay, NoRelay) else None),
        {each: Course(0, limits.get(each, NO_LIMITS), used[scopes[each]], rests.get(each)) for each in scopes},
    )


def _planned(
    house: House,
    view: _View,
    found: Waiting,
    others: Iterable[int],
    starts: datetime,
    not_after: datetime,
    rate: float,
) -> Plan:
    """The plan without its words. Mailings take turns, so each of the others costs as many letters as it has, or we."""
    quiet = house.config.sending.quiet_hours
    begins = max(starts, view.course.from_ or starts)
    begins = quiet.over_at(begins, house.zone) or begins
    end = end_time(
        replace(view.course, letters=found.now + sum(min(found.now, each) for each in others)),
        [replace(view.destinations[domain], letters=count) for domain, count in found.by_domain.items()],
        Terms(rate, house.zone, not_after, quiet),
        begins,
    )
    if end.at is not None:
        return Plan(found.now, found.later, begins, end.at)
    over = brief(not_after, house.config.organisation.time_zone, view.now)
    return Plan(
        found.now,
        found.later,
        begins,
        None,
        f"{_letters(min(end.left, found.now))} do not go before it is over, {over}",
    )


def _hindered(mailing: Mailing, view: _View) -> str:
    """What a person must do first."""
    if mailing.state in _WAITS_FOR_A_PERSON:
        return mailing.state_reason or f"it is {mailing.state}"
    if isinstance(view.relay, NoRelay) and view.relay.until is None:
        return view.relay.reason
    return (stands_still(view.now) or "") if mailing.started_at is not None else ""


def _before(house: House, plan: Plan, now: datetime) -> str:
    """`about 1,240 letters; begins Tuesday 1 December 09:00, ends 09:03`."""
    begins = brief(plan.begins, house.config.organisation.time_zone, now)
    return f"about {_letters(plan.letters)}; begins {begins}, {_ending(house, plan, now, beside=plan.begins)}"


def _while(house: House, plan: Plan, now: datetime) -> str:
    """`1,240 letters left; ends Thursday 14:10`."""
    later = f", and {plan.later:,} to be tried again {_from(house, plan, now)}" if plan.later else ""
    if not plan.letters:
        return f"no letter left{later}"
    return f"{_letters(plan.letters)} left{later}; {_ending(house, plan, now)}"


def _from(house: House, plan: Plan, now: datetime) -> str:
    if plan.later_from is None:
        return "when somebody resumes the mailing"
    return f"from {brief(plan.later_from, house.config.organisation.time_zone, now)} on"


def _ending(house: House, plan: Plan, now: datetime, beside: datetime | None = None) -> str:
    if plan.ends is None:
        return f"does not end: {plan.why}"
    return f"ends {brief(_full_minute(plan.ends), house.config.organisation.time_zone, now, beside=beside)}"


def _full_minute(moment: datetime) -> datetime:
    """The minute in which it is over, not the one in which it almost is."""
    return moment + (datetime.min.replace(tzinfo=moment.tzinfo) - moment) % timedelta(minutes=1)


def _letters(count: int) -> str:
    return f"{count:,} letter{'' if count == 1 else 's'}"
