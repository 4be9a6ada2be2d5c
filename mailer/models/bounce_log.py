"""What came back, for looking at: by mailing, domain, region, reason, kind and time, and within a scope."""

from collections.abc import Collection
from datetime import date

from django.db.models import Exists, OuterRef, Q, QuerySet

from mailer.core.sought import Sought
from mailer.models.bounce import Bounce
from mailer.models.copy import Delivery
from mailer.models.member import Member, living


def newest_first(
    sought: Sought, theirs: QuerySet[Member] | None, regions: Collection[int] | None, today: date, *, raw: bool = False
) -> QuerySet[Bounce]:
    """What came back of copies on which one of these members rode (None: of anybody's, and what names no copy).

    With `regions`: on which somebody rode who lives there today.
    """
    rows: QuerySet[Bounce] = Bounce.unscoped.filter(_filter(sought))
    if theirs is not None:
        rows = rows.filter(_rode(theirs))
    if regions is not None:
        there = living(today).filter(region__in=regions)
        rows = rows.filter(_rode(Member.unscoped.filter(pk__in=there.values("member"))))
    rows = rows.select_related("mailing", "copy__mailbox").order_by("-received_at", "-pk")
    return rows if raw else rows.defer("raw")


def names_behind(row: Bounce) -> list[str]:
    """The names and addresses of everyone whom the letter was for."""
    members = Delivery.unscoped.filter(copy=row.copy_id, member__isnull=False)
    found = members.values_list("member__name", "member__mailbox__address", "member__telephone")
    box = row.copy.mailbox.address if row.copy and row.copy.mailbox else ""
    return [box, *(value for values in found for value in values if value)] if row.copy_id else []


def _filter(sought: Sought) -> Q:
    wanted = {
        "pk": sought.number,
        "mailing__issue": sought.issue,
        "mailing": sought.mailing,
        "copy__mailbox__domain": sought.domain.lower() if sought.domain else None,
        "reason": sought.reason,
        "kind": sought.kind,
        "received_at__gte": sought.since,
        "received_at__lt": sought.until,
    }
    return Q(**{field: value for field, value in wanted.items() if value is not None})


def _rode(members: QuerySet[Member]) -> Exists:
    return Exists(Delivery.unscoped.filter(copy=OuterRef("copy"), member__in=members.order_by().values("pk")))
