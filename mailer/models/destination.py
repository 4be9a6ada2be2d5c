"""Destinations that asked us to slow down: each rests as a whole, for all workers (standards T26, RFC 5321 4.5.4.1).

Contract, for whoever sends: `room` before letters are handed over, `slow` at an answer that throttles, `eased` for the
domains that took a letter. A domain that is not slowed has no row, so each of them costs one small question. After its
rest a domain is tried with a few letters, and only when it takes one is it free again.

A destination is the domain of the address. Hosts that serve many domains are not known as one: each domain learns it
by an answer of its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models
from django.db.models import QuerySet

from mailer.core.reply import Reply
from mailer.core.throttle import rest
from mailer.models.base import Table, first_row

#: So many letters are tried after a rest, and the others come a minute later, when it is known how that went.
_PROBE, _PROBE_PAUSE = 3, timedelta(minutes=1)
#: A domain that has been let alone for so long starts anew.
_FORGOTTEN = timedelta(days=1)


class Destination(Table):
    """`times` it throttled us in a row, until when it rests, and what it said last."""

    domain = models.CharField(max_length=253, primary_key=True)
    rest_until = models.DateTimeField()
    times = models.PositiveIntegerField(default=1)
    reason = models.CharField(max_length=500)


@dataclass(frozen=True, slots=True)
class Room:
    """So many letters may go to a slowed domain now; the others not before `again_at`."""

    letters: int
    again_at: datetime


def room(now: datetime) -> dict[str, Room]:
    """The slowed domains, and what may go there now; every other domain is free."""
    # Nearly always there are none, and a worker asks after every claim.
    if first_row("SELECT 1 FROM mailer_destination LIMIT 1") is None:
        return {}
    slowed = _slowed(now).values_list("domain", "rest_until")
    return {domain: Room(0, until) if until > now else Room(_PROBE, now + _PROBE_PAUSE) for domain, until in slowed}


def slow(domain: str, reply: Reply, now: datetime) -> datetime:
    """Let a domain rest after this answer; until when. Answers that come while it rests already change nothing."""
    first = {"rest_until": now + rest(1, reply), "reason": str(reply)[:500]}
    row, new = Destination.unscoped.select_for_update().get_or_create(domain=domain, defaults=first)
    until: datetime = row.rest_until
    if new or until > now:
        return until
    times = 1 if until <= now - _FORGOTTEN else row.times + 1
    until = now + rest(times, reply)
    Destination.unscoped.filter(domain=domain).update(times=times, rest_until=until, reason=str(reply)[:500])
    return until


def eased(domains: Iterable[str], now: datetime) -> None:
    """These took a letter: those of them whose rest was over are free again."""
    rested = {domain for domain, each in room(now).items() if each.letters}
    if free := rested.intersection(domains):
        Destination.unscoped.filter(domain__in=free).delete()


def resting(now: datetime) -> list[Destination]:
    """The destinations that rest now, the longest first."""
    return list(_slowed(now).filter(rest_until__gt=now).order_by("-rest_until", "domain"))


def _slowed(now: datetime) -> QuerySet[Destination]:
    rows: QuerySet[Destination] = Destination.unscoped.filter(rest_until__gt=now - _FORGOTTEN)
    return rows
