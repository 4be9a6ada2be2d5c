"""A mailing's state, moved only along the arrows of `core.mailing.MAILING`, by conditional updates."""

from datetime import datetime

from django.db import connection
from django.db.models import QuerySet

from mailer.core.delivery import OPEN, CopyState
from mailer.core.issue import ISSUE, IssueState
from mailer.core.mailing import MAILING, MailingState
from mailer.models.base import first_row
from mailer.models.copy import Copy
from mailer.models.issue import Issue, Revision
from mailer.models.mailing import Letter, Mailing
from mailer.models.outbox import move

_S = MailingState


def advance(mailing_id: int, target: MailingState, reason: str = "", **values: object) -> bool:
    """Move a mailing to `target` if the table has the arrow; False if it was not where the arrow starts."""
    rows = Mailing.unscoped.filter(pk=mailing_id, state__in=MAILING.sources(target))
    return rows.update(state=target, state_reason=reason[:500], **values) == 1


def note(mailing_id: int, **values: object) -> None:
    """Write down how far a mailing has come, without moving its state."""
    Mailing.unscoped.filter(pk=mailing_id).update(**values)


def explain_waiting(reason: str, until: datetime | None) -> None:
    """Say of every mailing that is being sent why nothing of it goes now, and until when, if that is known."""
    rows = Mailing.unscoped.filter(state=_S.SENDING).exclude(state_reason=reason[:500], wait_until=until)
    if rows.exists():
        rows.update(state_reason=reason[:500], wait_until=until)


def goes_on(mailing_id: int) -> None:
    """It waits for nothing any more."""
    Mailing.unscoped.filter(pk=mailing_id, state=_S.SENDING).update(state_reason="", wait_until=None)


def locked(mailing_id: int) -> Mailing:
    """The mailing, held until the transaction ends, so that two clocks do not prepare it side by side."""
    rows = Mailing.unscoped.select_related("issue__mailing_list", "revision")
    if connection.features.has_select_for_update:
        rows = rows.select_for_update(of=("self",))
    mailing: Mailing = rows.get(pk=mailing_id)
    return mailing


def in_state(*states: MailingState) -> QuerySet[Mailing]:
    """Mailings in these states, soonest first."""
    rows: QuerySet[Mailing] = Mailing.unscoped.filter(state__in=states)
    return rows.select_related("issue__mailing_list", "revision", "region").order_by("starts_at", "pk")


def next_to_send(now: datetime, after: int = 0) -> int | None:
    """A mailing that has something to hand over now: each in its turn, so that a long one does not hold up a short."""
    # In plain SQL, since a worker asks before every claim.
    with connection.cursor() as cursor:
        cursor.execute(
            # The first in the queue, and not whether there is any: for that SQLite reads copies in another order.
            "SELECT m.id FROM mailer_mailing m WHERE m.state = 'sending' AND m.not_after > %s"
            " AND (SELECT c.position FROM mailer_copy c WHERE c.mailing_id = m.id AND c.state = 'queued'"
            " ORDER BY c.position LIMIT 1) IS NOT NULL ORDER BY m.id",
            [connection.ops.adapt_datetimefield_value(now)],
        )
        ready = [row[0] for row in cursor.fetchall()]
    return next((number for number in ready if number > after), ready[0] if ready else None)


def waits_for(mailing_id: int) -> str | None:
    """Why nothing of a mailing that is being sent went the last time, "" if something did; None: it is not sent now."""
    found = first_row("SELECT state_reason FROM mailer_mailing WHERE id = %s AND state = 'sending'", [mailing_id])
    return found[0] if found else None


def is_sending(mailing_id: int) -> bool:
    """Whether a worker may go on with it."""
    return waits_for(mailing_id) is not None


def in_hand(mailing_id: int) -> Mailing:
    """A mailing with its issue, for whoever sends it: all but its state is fixed by then."""
    mailing: Mailing = Mailing.unscoped.select_related("issue__mailing_list").get(pk=mailing_id)
    return mailing


def next_moment() -> datetime | None:
    """The next time at which something is due: a start, or a retry."""
    starts = in_state(_S.SCHEDULED, _S.PREPARING).values_list("starts_at", flat=True)[:1]
    retries = Copy.unscoped.filter(state__in=(CopyState.DEFERRED, CopyState.HELD), next_attempt_at__isnull=False)
    times = [*starts, *retries.order_by("next_attempt_at").values_list("next_attempt_at", flat=True)[:1]]
    return min(times, default=None)


def give_up_waiting(mailing_id: int, now: datetime) -> int:
    """Expire what has not been handed over when the mailing's `not after` has passed."""
    waiting = Copy.unscoped.filter(mailing=mailing_id, state__in=OPEN).exclude(state=CopyState.CLAIMED)
    return move(waiting, CopyState.EXPIRED, decided_at=now)


def cancel_waiting(mailing_id: int, now: datetime) -> int:
    """Cancel every copy that has not been handed over."""
    waiting = Copy.unscoped.filter(mailing=mailing_id, state__in=OPEN).exclude(state=CopyState.CLAIMED)
    return move(waiting, CopyState.CANCELLED, decided_at=now)


def release_held(mailing_id: int) -> int:
    """Put copies that waited for a person back into the queue."""
    return move(Copy.unscoped.filter(mailing=mailing_id, state=CopyState.HELD), CopyState.QUEUED)


def requeue_uncertain(mailing_id: int) -> int:
    """Send again, with the same Message-ID, to those of whom we are uncertain."""
    return move(
        Copy.unscoped.filter(mailing=mailing_id, state=CopyState.UNCERTAIN),
        CopyState.QUEUED,
        next_attempt_at=None,
    )


def keep_letter(mailing_id: int, pieces: str, digest: str, now: datetime) -> None:
    """Store the compiled letter of a mailing, once."""
    Letter.unscoped.get_or_create(
        mailing_id=mailing_id, defaults={"pieces": pieces, "digest": digest, "compiled_at": now}
    )


def letter_of(mailing_id: int) -> Letter:
    """The compiled letter of a mailing."""
    letter: Letter = Letter.unscoped.get(mailing=mailing_id)
    return letter


def newest_revision(issue: Issue) -> Revision:
    """The last save of an issue."""
    revision: Revision = Revision.unscoped.filter(issue=issue).latest("number")
    return revision


def advance_issue(issue: Issue, target: IssueState) -> bool:
    """Move an issue along the arrows of `core.issue.ISSUE`."""
    rows = Issue.unscoped.filter(pk=issue.pk, state__in=ISSUE.sources(target))
    return rows.update(state=target) == 1


def mailing_of(issue: Issue) -> Mailing | None:
    """The issue's sending that counts: not one that was cancelled or missed, unless there is no other."""
    rows = Mailing.unscoped.filter(issue=issue).select_related("issue__mailing_list", "revision", "region")
    counts = rows.exclude(state__in=(_S.CANCELLED, _S.MISSED)).first()
    return counts or rows.order_by("-pk").first()
