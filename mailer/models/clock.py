"""What the database says of the time, to compare our own clock with."""

from datetime import datetime

from django.db import connection
from django.db.models import Max

from mailer.models.base import first_row
from mailer.models.bounce import Event

#: A person says that the clock is right: no line before this one is believed against it.
CONFIRMED = "clock confirmed"
#: Of the newest lines so many are looked at: one written by a wrong clock must not hide those before it.
_LOOKED_AT = 200


def newest_moment(*, but: str) -> datetime | None:
    """The latest time among the newest lines of the audit log, leaving out those about `but`."""
    confirmed = Event.unscoped.filter(subject_type="site", verb=CONFIRMED).aggregate(last=Max("pk"))["last"]
    rows = Event.unscoped.filter(pk__gt=confirmed or 0).exclude(subject_type=but).order_by("-pk")
    return max(rows.values_list("at", flat=True)[:_LOOKED_AT], default=None)


def of_the_server() -> datetime | None:
    """The time on the database's server; None for SQLite, which asks this machine."""
    if connection.vendor == "sqlite":
        return None
    (moment,) = first_row("SELECT clock_timestamp()")
    return moment  # type: ignore[no-any-return]
