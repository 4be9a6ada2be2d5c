"""The places that reports are fetched from: how far each has been read, by whom, and what is wrong with it.

Law of the table: one process looks into a place at a time, and for no longer than its lease; a mailbox is read in the
order of its uids, which mean nothing once their validity has changed (RFC 3501 section 2.3.1.1).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q

from mailer.models.base import Table

#: Longer than any look takes; whoever died while looking is forgotten after it.
LEASE = timedelta(minutes=10)


class ReportSource(Table):
    """A Maildir or a mailbox, by the name that people know it by."""

    place = models.CharField(max_length=255, unique=True)
    validity = models.BigIntegerField(default=0)
    uid = models.BigIntegerField(default=0)
    claimed_until = models.DateTimeField(null=True)
    rests_until = models.DateTimeField(null=True)
    refusals = models.PositiveSmallIntegerField(default=0)
    read_at = models.DateTimeField(null=True)
    trouble = models.CharField(max_length=500, default="")


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a mailbox has been read, and how often in a row its server has turned us away."""

    validity: int
    uid: int
    refusals: int


def claim(place: str, now: datetime, *, resting: bool) -> Mark | None:
    """Be the one who looks into it now; None while another does, or, unless `resting` counts for nothing, it rests."""
    ReportSource.unscoped.get_or_create(place=place[:255])
    free = Q(claimed_until=None) | Q(claimed_until__lte=now)
    if not resting:
        free &= Q(rests_until=None) | Q(rests_until__lte=now)
    rows = ReportSource.unscoped.filter(place=place[:255])
    if not rows.filter(free).update(claimed_until=now + LEASE):
        return None
    return Mark(*rows.values_list("validity", "uid", "refusals").get())


def read_up_to(place: str, validity: int, uid: int) -> None:
    """Remember that everything up to this uid needs no second look."""
    ReportSource.unscoped.filter(place=place[:255]).update(validity=validity, uid=uid)


def release(place: str, now: datetime) -> None:
    """It was read to the end."""
    ReportSource.unscoped.filter(place=place[:255]).update(
        claimed_until=None, rests_until=None, refusals=0, read_at=now, trouble=""
    )


def release_in_trouble(place: str, trouble: str, *, refusals: int, rests_until: datetime | None) -> None:
    """It could not be read, or not to the end."""
    ReportSource.unscoped.filter(place=place[:255]).update(
        claimed_until=None, rests_until=rests_until, refusals=refusals, trouble=trouble[:500]
    )
