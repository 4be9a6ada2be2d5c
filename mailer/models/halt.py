"""A standstill of the whole site: nobody can say which copies were sent, so nothing is until a person says go on."""

import hashlib
from datetime import datetime
from typing import Any, cast

from django.db import models
from django.db.models import Q, QuerySet

from mailer.core.delivery import OPEN, CopyState
from mailer.core.mailing import MailingState
from mailer.core.standing import Counts, Doubt, LogLine
from mailer.models.base import Table, one_of
from mailer.models.bounce import Event
from mailer.models.copy import Copy, Notice, Outgoing
from mailer.models.mailing import Mailing
from mailer.models.outbox import move
from mailer.models.site import Counter, Site, current
from mailer.models.steering import in_state

_S = MailingState
#: What the audit log calls the birth of a site, and of each later incarnation.
MADE, ADOPTED = "site made", "site adopted"
#: Who is named as the worker of copies that a lost time may have sent.
_LOST_TIME = "a time that is not known here"
_WHY = "It may have been sent: this database was restored, copied or moved."
#: Copies that change hands in one write.
_RANGE = 2000


class Halt(Table):
    """From `at` until a person ended it. `faced_at`: since when everything follows from it that follows by itself."""

    kind = models.CharField(max_length=32)
    at = models.DateTimeField()
    faced_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=64, default="")
    reason = models.CharField(max_length=500, default="")

    class Meta(Table.Meta):
        constraints = (
            one_of("halt_kind", "kind", Doubt),
            models.UniqueConstraint(fields=("kind",), condition=Q(ended_at=None), name="halt_once_at_a_time"),
        )


def standing() -> Halt | None:
    """The halt that nobody has ended yet."""
    return cast("Halt | None", Halt.unscoped.filter(ended_at=None).order_by("pk").first())


def begin(kind: Doubt, now: datetime) -> Halt:
    """Stand still from now on."""
    return cast("Halt", Halt.unscoped.create(kind=kind, at=now))


def faced(halt: Halt, now: datetime) -> None:
    """All that follows by itself is done."""
    Halt.unscoped.filter(pk=halt.pk).update(faced_at=now)


def end(now: datetime, by: str, reason: str) -> None:
    """Go on: a person said so, and why."""
    Halt.unscoped.filter(ended_at=None).update(ended_at=now, ended_by=by, reason=reason[:500])


def counts() -> Counts | None:
    """Which site this is, and how far its counters have come; None before `mailer migrate` made it."""
    site = Site.unscoped.first()
    return site and Counts(site.incarnation, current(Counter.SENDS), current(Counter.CHANGES))


def newest_line() -> LogLine | None:
    """The newest line of the audit log, to which nothing is ever done but to add others."""
    return _as_line(Event.unscoped.order_by("-pk").first())


def has_line(line: LogLine) -> bool:
    """Whether this very line is in the audit log: in a database from before it another may have its number."""
    return _as_line(Event.unscoped.filter(pk=line.number).first()) == line


def was(incarnation: str) -> bool:
    """Whether this database was made, or adopted, as this incarnation of the site."""
    rows = Event.unscoped.filter(subject_type="site", verb__in=(MADE, ADOPTED), details__incarnation=incarnation)
    return bool(rows.exists())


def _as_line(event: Event | None) -> LogLine | None:
    if event is None:
        return None
    what = (event.at.isoformat(), event.actor, event.verb, event.subject_type, event.subject_id)
    return LogLine(event.pk, hashlib.sha256("\n".join(what).encode()).hexdigest()[:32])


def renew_site(incarnation: str, at_least: Counts) -> Counts:
    """Be another incarnation, whose counters go on above all that was ever seen: no number of a claim comes twice."""
    Site.unscoped.update(incarnation=incarnation)
    for name, value in ((Counter.SENDS, at_least.sends), (Counter.CHANGES, at_least.changes)):
        Counter.unscoped.filter(name=name, value__lt=value).update(value=value)
    return Counts(incarnation, current(Counter.SENDS), current(Counter.CHANGES))


def plans() -> QuerySet[Mailing]:
    """Mailings of which something may still be sent by itself."""
    return in_state(_S.SCHEDULED, _S.PREPARING, _S.SENDING, _S.PAUSED)


def doubt_some(now: datetime) -> int:
    """Call copies uncertain that the stopped mailings had not settled, some thousands at once; 0: there are no more.

    In the time that is not known here a worker may have claimed them, and was lost with that time: that is the way
    they go. Call it inside `writing()`.
    """
    begun = list(in_state(_S.STOPPED).filter(started_at__isnull=False).values_list("pk", flat=True))
    return _doubt(Copy, Copy.unscoped.filter(mailing__in=begun), now) or _doubt(Notice, Notice.unscoped.all(), now)


def _doubt(table: type[Outgoing], rows: QuerySet[Any], now: datetime) -> int:
    ids = list(rows.filter(state__in=OPEN).order_by("pk").values_list("pk", flat=True)[:_RANGE])
    some = table.unscoped.filter(pk__in=ids)
    move(some.filter(state__in=(CopyState.DEFERRED, CopyState.HELD)), CopyState.QUEUED)
    some.filter(state=CopyState.QUEUED).update(
        state=CopyState.CLAIMED, claimed_by=_LOST_TIME, claim=0, claimed_until=now
    )
    move(some, CopyState.UNCERTAIN, decided_at=now, next_attempt_at=None, reply_text=_WHY)
    return len(ids)
