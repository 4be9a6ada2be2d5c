"""What each worker says of itself: one row while it runs, written every few seconds (`core.watch.BEAT`)."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Max

from mailer.core.watch import SignOfLife, WorkerState
from mailer.models.base import Table, one_of, writing

#: The row of a worker that was killed is kept so long, since it says when it was last seen.
_KEPT = timedelta(days=7)


class WorkerRow(Table):
    """A worker's sign of life. Deleted when it ends cleanly; of one that was killed it stays for a week."""

    name = models.CharField(max_length=64, primary_key=True)
    host = models.CharField(max_length=64)
    pid = models.PositiveIntegerField()
    version = models.CharField(max_length=32)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    state = models.CharField(max_length=16)
    reason = models.CharField(max_length=500, default="")
    #: Letters handed over since it started, and a second over the last minute.
    handed_over = models.BigIntegerField(default=0)
    rate = models.FloatField(default=0)
    handed_at = models.DateTimeField(null=True)

    class Meta(Table.Meta):
        constraints = (one_of("worker_state", "state", WorkerState),)


def seen(sign: SignOfLife, now: datetime) -> None:
    """Write a sign of life."""
    changing = {
        "seen_at": now,
        "state": sign.state,
        "reason": sign.reason[:500],
        "handed_over": sign.handed_over,
        "rate": sign.rate,
        "handed_at": sign.handed_at,
    }
    with writing():
        if WorkerRow.unscoped.filter(name=sign.name).update(**changing):
            return
        WorkerRow.unscoped.filter(seen_at__lt=now - _KEPT).delete()
        WorkerRow.unscoped.create(
            name=sign.name,
            host=sign.host[:64],
            pid=sign.pid,
            version=sign.version[:32],
            started_at=sign.started_at,
            **changing,
        )


def gone(name: str) -> None:
    """The worker has ended, and nothing is in its hands."""
    with writing():
        WorkerRow.unscoped.filter(name=name).delete()


def all_workers() -> list[WorkerRow]:
    """Every worker there is, and those of the last days that never said goodbye; newest sign first."""
    return list(WorkerRow.unscoped.order_by("-seen_at", "name"))


def last_seen(until: datetime) -> datetime | None:
    """The newest sign of any worker that is not from after `until`."""
    newest: datetime | None = WorkerRow.unscoped.filter(seen_at__lte=until).aggregate(newest=Max("seen_at"))["newest"]
    return newest
