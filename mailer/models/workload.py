"""How many letters there are to hand over, and how many went: what a plan is made of. Reads only."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.db.models import Count, Min, Q

from mailer.core.audience import AllowList, Rule
from mailer.core.delivery import CopyState, Outcome
from mailer.core.mailing import MailingState
from mailer.core.provider import provider
from mailer.models.audience import Decided, decided
from mailer.models.base import looked_up
from mailer.models.copy import Copy
from mailer.models.mailing import Mailing

_NOW = (CopyState.QUEUED, CopyState.CLAIMED)
#: Put off untried, as their destination takes no more for now: they go when it does, and not when they are tried again.
_PUT_OFF = Q(state=CopyState.DEFERRED, attempts=0)
_FIRST_TRY = Q(state__in=_NOW) | _PUT_OFF
_LATER = Q(state__in=(CopyState.DEFERRED, CopyState.HELD)) & ~_PUT_OFF
_WENT = (CopyState.ACCEPTED, CopyState.BOUNCED, CopyState.COMPLAINED)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Letters of a mailing that go in their turn, those that are tried again later, and the former by domain."""

    now: int
    later: int
    by_domain: dict[str, int]
    #: When the first is tried again, if one has a time of its own.
    later_from: datetime | None = None


def waiting(mailing_id: int, domains: Collection[str]) -> Waiting:
    """What is left of a mailing whose deliveries have been made."""
    copies = Copy.unscoped.filter(mailing=mailing_id)
    now = copies.filter(_FIRST_TRY).count()
    later = copies.filter(_LATER).aggregate(count=Count("pk"), first=Min("next_attempt_at"))
    found = Waiting(now, later["count"], {}, later["first"])
    if not domains:
        return found
    chosen = copies.filter(_FIRST_TRY, mailbox__domain__in=domains).values("mailbox__domain")
    by_domain = dict(chosen.annotate(count=Count("pk")).values_list("mailbox__domain", "count"))
    return replace(found, by_domain=by_domain)


def expected(rule: Rule, today: date, allow_list: AllowList | None, domains: Collection[str]) -> Waiting:
    """The same of a mailing that is still to be made ready: a letter a mailbox, as things are today."""
    with connection.cursor() as cursor:
        cursor.execute(*letters_by_domain(decided(rule, today, allow_list)))
        counts = dict(cursor.fetchall())
    return Waiting(sum(counts.values()), 0, {domain: counts[domain] for domain in domains if domain in counts})


def letters_by_domain(those: Decided) -> tuple[str, tuple[Any, ...]]:
    """A question, with its values: to each domain how many letters, of all whom a rule decides about."""
    sql = (
        f"SELECT b.domain, COUNT(DISTINCT b.id) FROM ({those.sql}) AS decided"  # noqa: S608 - our own words
        f" {looked_up('mailer_mailbox', 'b', 'b.id = decided.mailbox_id')}"
        " WHERE decided.outcome = %s GROUP BY b.domain"
    )
    return sql, (*those.params, Outcome.CARRIED.value)


def mailing(number: int) -> Mailing:
    """A mailing by its number."""
    found: Mailing = Mailing.unscoped.get(pk=number)
    return found


def beside(mailing_id: int) -> list[int]:
    """The letters of each other mailing that is being sent: all of them take turns."""
    rows = Copy.unscoped.filter(mailing__state=MailingState.SENDING, state__in=_NOW).exclude(mailing=mailing_id)
    return list(rows.values("mailing").annotate(count=Count("pk")).values_list("count", flat=True))


def volumes(since: datetime) -> dict[str, int]:
    """Letters accepted since then, by the provider they went to; of mailings that were on their way since."""
    recent = Mailing.unscoped.filter(Q(finished_at=None) | Q(finished_at__gte=since), started_at__isnull=False)
    went = Copy.unscoped.filter(mailing__in=recent, state__in=_WENT, decided_at__gte=since)
    rows = went.values("mailbox__domain").annotate(count=Count("pk")).values_list("mailbox__domain", "count")
    found: dict[str, int] = {}
    for domain, count in rows:
        if domain is not None:  # the mailbox has been erased since
            found[provider(domain)] = found.get(provider(domain), 0) + count
    return found
