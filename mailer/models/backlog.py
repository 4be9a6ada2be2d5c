"""What waits to be handed over, since when; and what stands still until a person comes."""

from datetime import datetime

from django.db import connection
from django.db.models import F, Min, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, Greatest
from django.db.models.lookups import IsNull

from mailer.core.delivery import CopyState
from mailer.core.mailing import MailingState
from mailer.models.copy import IS_SET_ASIDE, Copy, Notice
from mailer.models.mailing import Mailing

_S = MailingState
#: In the words of the index of what was set aside: SQLite takes it for no others, and for no parameters.
_HELD = (
    "SELECT COUNT(*), MIN(reply_text) FROM mailer_copy WHERE mailing_id = %s"  # noqa: S608 - words of our own
    f" AND state = '{CopyState.HELD}' AND {IS_SET_ASIDE} AND next_attempt_at IS NULL"
)


def waiting_since(now: datetime) -> datetime | None:
    """Since when something is due that a worker should be doing; None: there is nothing."""
    due = Mailing.unscoped.filter(state__in=(_S.SCHEDULED, _S.PREPARING), starts_at__lte=now)
    # As steering.next_to_send asks it.
    queue = Copy.unscoped.filter(mailing=OuterRef("pk"), state=CopyState.QUEUED).order_by("position")
    queued = Q(IsNull(Subquery(queue.values("position")[:1]), False))
    rested = Q(wait_until=None) | Q(wait_until__lte=now)
    sending = Mailing.unscoped.filter(queued, rested, state=_S.SENDING, not_after__gt=now, started_at__isnull=False)
    since = Greatest(F("started_at"), Coalesce("wait_until", "started_at"))
    notices = Notice.unscoped.filter(state=CopyState.QUEUED)
    moments = (
        due.aggregate(since=Min("starts_at"))["since"],
        sending.aggregate(since=Min(since))["since"],
        notices.aggregate(since=Min("created_at"))["since"],
    )
    return min((moment for moment in moments if moment is not None), default=None)


def moved_since(moment: datetime) -> bool:
    """Whether any letter that waited was decided after this moment. It may read every copy of what is being sent."""
    sending = Mailing.unscoped.filter(state=_S.SENDING).values("pk")
    copies = Copy.unscoped.filter(mailing__in=sending, decided_at__gt=moment)
    return bool(copies.exists() or Notice.unscoped.filter(decided_at__gt=moment).exists())


def held() -> dict[int, tuple[int, str]]:
    """Of mailings that go on: how many letters wait until a person mends a fault of ours, and what was said of one."""
    found: dict[int, tuple[int, str]] = {}
    with connection.cursor() as cursor:
        for number in Mailing.unscoped.filter(state=_S.SENDING).values_list("pk", flat=True):
            cursor.execute(_HELD, [number])
            count, said = cursor.fetchone()
            if count:
                found[number] = count, said
    return found


def paused() -> dict[int, str]:
    """The mailings that stopped by themselves, each with its reason."""
    return dict(Mailing.unscoped.filter(state=_S.PAUSED).values_list("pk", "state_reason"))
