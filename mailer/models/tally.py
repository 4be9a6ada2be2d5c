"""What came back of one mailing, counted as often as once a second while it is being sent: by indexes alone."""

from collections.abc import Mapping
from datetime import datetime

from django.db import connection
from django.db.models import Count, Max

from mailer.core.delivery import CopyState
from mailer.core.returning import Tally
from mailer.core.silence import Sent
from mailer.core.verdict import Class
from mailer.models.bounce import Bounce, BounceSource, Event
from mailer.models.copy import IS_SET_ASIDE, Copy
from mailer.models.mailing import Mailing
from mailer.models.matter import DomainRun

#: The audit log's word for a mailing that stopped because of what came back; its details are the tally of that time.
CAME_BACK = "too much came back"

_ASIDE = f"SELECT state, COUNT(*) FROM mailer_copy WHERE mailing_id = %s AND {IS_SET_ASIDE} GROUP BY state"  # noqa: S608
#: Set aside, and yet never answered for good.
_UNANSWERED = (CopyState.DEFERRED, CopyState.HELD, CopyState.WITHDRAWN, CopyState.CANCELLED)
#: So many copies of the queue tell how dense it is: positions are drawn at random. The first ones are passed over,
#: since copies that are tried again stand before all that were never tried.
_PASSED_OVER, _SAMPLE = 500, 1000


def came_back(mailing_id: int) -> Tally:
    """The copies whose address was gone, and those whose reader complained; `attempted` is not counted here."""
    rows = Bounce.unscoped.filter(mailing=mailing_id, klass__in=(Class.HARD, Class.COMPLAINT)).values("klass")
    counted = dict(rows.annotate(count=Count("copy", distinct=True)).values_list("klass", "count"))
    return Tally(0, counted.get(Class.HARD, 0), counted.get(Class.COMPLAINT, 0))


def guessed_attempts(mailing_id: int) -> int:
    """About how many letters were attempted, never far too many: two looks into the queue, however long it is."""
    queue = Copy.unscoped.filter(mailing=mailing_id, state=CopyState.QUEUED).order_by("position")
    positions = queue.values_list("position", flat=True)
    end = _PASSED_OVER + _SAMPLE
    first = next(iter(positions[_PASSED_OVER : _PASSED_OVER + 1]), None)
    last = next(iter(positions[end : end + 1]), None)
    if first is None or last is None or last <= first:
        return 0
    return max(0, int(first * _SAMPLE // (last - first)) - _PASSED_OVER)


def attempts(mailing_id: int) -> int:
    """How many letters were handed over and answered for good, or are in a worker's hands."""
    copies = Copy.unscoped.filter(mailing=mailing_id)
    waiting = copies.filter(state=CopyState.QUEUED).count()
    with connection.cursor() as cursor:
        cursor.execute(_ASIDE, [mailing_id])
        aside = dict(cursor.fetchall())
    return int(copies.count() - waiting - sum(aside.get(state, 0) for state in _UNANSWERED))


def seen_before(mailing_id: int) -> Tally:
    """What had come back when the mailing last stopped for it: a person who let it go on has seen that."""
    rows = Event.unscoped.filter(subject_type="mailing", subject_id=str(mailing_id), verb=CAME_BACK)
    last = rows.order_by("-pk").values_list("details", flat=True).first() or {}
    return Tally(**{name: int(last[name]) for name in ("attempted", "hard", "complaints") if name in last})


def runs_of(mailing_id: int, *, by_report: bool) -> dict[str, int]:
    """How often in a row each domain has refused this mailing's letters."""
    rows = DomainRun.unscoped.filter(mailing=mailing_id, by_report=by_report)
    return dict(rows.values_list("domain", "in_a_row"))


def keep_runs(mailing_id: int, runs: Mapping[str, int], *, by_report: bool) -> None:
    """Write down how often in a row by now; a run of none is no row."""
    rows = DomainRun.unscoped.filter(mailing=mailing_id, by_report=by_report)
    rows.filter(domain__in=[domain for domain, run in runs.items() if not run]).delete()
    DomainRun.unscoped.bulk_create(
        [
            DomainRun(mailing_id=mailing_id, by_report=by_report, domain=domain, in_a_row=run)
            for domain, run in runs.items()
            if run
        ],
        update_conflicts=True,
        unique_fields=["mailing", "by_report", "domain"],
        update_fields=["in_a_row"],
    )


def forget_runs(mailing_id: int) -> None:
    """Begin anew: the mailing has stopped, and whoever lets it go on has seen why."""
    DomainRun.unscoped.filter(mailing=mailing_id).delete()


def last_report_at() -> datetime | None:
    """When anything about a letter of ours last came back by mail."""
    rows = Bounce.unscoped.filter(mailing__isnull=False).exclude(source=BounceSource.SMTP)
    latest: datetime | None = rows.aggregate(latest=Max("received_at"))["latest"]
    return latest


def newest_sent(most: int) -> list[Sent]:
    """The newest mailings that have started, each with its letters and the reports about it."""
    started = Mailing.unscoped.filter(started_at__isnull=False).order_by("-started_at")
    mailings = list(started.values_list("pk", "started_at")[:most])
    reports = Bounce.unscoped.filter(mailing__in=[number for number, _ in mailings]).exclude(source=BounceSource.SMTP)
    reported = dict(reports.values("mailing").annotate(count=Count("pk")).values_list("mailing", "count"))
    return [Sent(started_at, attempts(number), reported.get(number, 0)) for number, started_at in mailings]
