"""The claim and what follows it: conditional updates, durable before the first MAIL FROM (design.md section 4).

A claim names its worker, a number of the `sends` sequence, and when it ends. Only who holds the claim may mark.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Case, Exists, F, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from mailer.core.audience import AllowList
from mailer.core.delivery import COPY, OPEN, CopyState, Judged, Outcome
from mailer.core.mailing import MailingState
from mailer.models.audience import on_allow_list, suppressions
from mailer.models.consent import SuppressionKind
from mailer.models.copy import Copy, Delivery, Notice, Outgoing
from mailer.models.member import Deliverability
from mailer.models.site import Counter, bump

_HOST_LOST = "The worker's host was lost."
_UNSIGNED = 0xFFFF_FFFF_FFFF_FFFF


def unsigned(handle: int) -> int:
    """A handle as tokens hold it: databases keep signed 64-bit numbers."""
    return handle & _UNSIGNED


def signed(handle: int) -> int:
    """A handle as databases hold it."""
    return handle - (1 << 64) if handle >> 63 else handle


@dataclass(frozen=True, slots=True)
class Claimed:
    """A copy in a worker's hands, with those it is for."""

    copy: int
    handle: int
    mailbox: int
    address: str
    language: str
    segments: frozenset[str]
    names: tuple[str, ...]
    attempts: int
    first_attempt_at: datetime


def claim(mailing_id: int, worker: str, *, now: datetime, lease: timedelta, most: int) -> tuple[int, list[int]]:
    """Take up to `most` queued copies; (claim number, copy ids in the order of their position).

    Call it inside `writing()`: on PostgreSQL rows that another worker is taking are skipped, on SQLite the one write
    lock keeps others out.
    """
    queue = Copy.unscoped.filter(mailing=mailing_id, state=CopyState.QUEUED).order_by("position")
    if connection.features.has_select_for_update_skip_locked:
        queue = queue.select_for_update(skip_locked=True)
    ids = list(queue.values_list("pk", flat=True)[:most])
    if not ids:
        return 0, []
    number = _take(Copy, ids, worker, now, lease)
    return number, ids


def claim_notices(
    worker: str, *, now: datetime, lease: timedelta, most: int, allow_list: AllowList | None
) -> list[Notice]:
    """Take up to `most` one-off letters, oldest first; call it inside `writing()`.

    One to a mailbox that nobody may write to any more is withdrawn instead.
    """
    queue = Notice.unscoped.filter(state=CopyState.QUEUED).order_by("pk")
    if connection.features.has_select_for_update_skip_locked:
        queue = queue.select_for_update(skip_locked=True)
    ids = list(queue.values_list("pk", flat=True)[:most])
    if not ids:
        return []
    unwelcome = (
        ~on_allow_list(allow_list)
        | Q(mailbox__deliverability=Deliverability.UNDELIVERABLE)
        | Exists(suppressions(SuppressionKind.MAILBOX, "mailbox__hash"))
    )
    unwanted = list(Notice.unscoped.filter(unwelcome, pk__in=ids).values_list("pk", flat=True))
    move(Notice.unscoped.filter(pk__in=unwanted), CopyState.WITHDRAWN, decided_at=now)
    wanted = [each for each in ids if each not in unwanted]
    _take(Notice, wanted, worker, now, lease)
    return list(Notice.unscoped.filter(pk__in=wanted).select_related("mailbox").order_by("pk"))


def _take(table: type[Outgoing], ids: Sequence[int], worker: str, now: datetime, lease: timedelta) -> int:
    number = bump(Counter.SENDS)
    table.unscoped.filter(pk__in=ids).update(
        state=CopyState.CLAIMED,
        claimed_by=worker,
        claim=number,
        claimed_until=now + lease,
        attempts=F("attempts") + 1,
        first_attempt_at=Coalesce(F("first_attempt_at"), now),
        next_attempt_at=None,
    )
    return number


def held_by(claim_number: int) -> list[Claimed]:
    """The copies of a claim with their addresses and the names of those still carried, in the order of position."""
    copies = Copy.unscoped.filter(claim=claim_number, state=CopyState.CLAIMED, mailbox__isnull=False)
    rows = copies.select_related("mailbox").order_by("position")
    names: dict[int, list[str]] = {}
    carried = Delivery.unscoped.filter(copy__claim=claim_number, outcome=Outcome.CARRIED).order_by("member")
    for copy_id, name in carried.values_list("copy", "member__name"):
        names.setdefault(copy_id, []).append(name)
    return [
        Claimed(
            copy=row.pk,
            handle=unsigned(row.handle),
            mailbox=row.mailbox.pk,
            address=row.mailbox.address,
            language=row.language,
            segments=frozenset(row.segments.split()),
            names=tuple(names.get(row.pk, ())),
            attempts=row.attempts,
            first_attempt_at=row.first_attempt_at,
        )
        for row in rows
        if row.pk in names
    ]


def mark(
    table: type[Outgoing],
    row: int,
    claim_number: int,
    judged: Judged,
    *,
    now: datetime,
    retry_at: datetime | None,
) -> bool:
    """Write down what became of a claimed row; False if the claim is no longer this worker's."""
    reply = judged.reply
    changed = table.unscoped.filter(pk=row, claim=claim_number, state=CopyState.CLAIMED).update(
        state=judged.state,
        claimed_by="",
        claimed_until=None,
        decided_at=now,
        next_attempt_at=retry_at,
        reply_code=reply.code if reply else None,
        reply_status=(reply.status or "") if reply else "",
        reply_text=reply.text[:500] if reply else "",
    )
    return changed == 1


def give_back(table: type[Outgoing], rows: Iterable[int], claim_number: int) -> int:
    """Return untouched rows to the queue: this attempt did not take place."""
    held = table.unscoped.filter(pk__in=list(rows), claim=claim_number, state=CopyState.CLAIMED)
    return _untouched(held, CopyState.QUEUED)


def put_off(table: type[Outgoing], rows: Iterable[int], claim_number: int, until: datetime) -> int:
    """Let untouched rows rest: the relay could not be reached, and is not asked again before this (T3)."""
    held = table.unscoped.filter(pk__in=list(rows), claim=claim_number, state=CopyState.CLAIMED)
    return _untouched(held, CopyState.DEFERRED, next_attempt_at=until)


def _untouched(held: QuerySet[Any], target: CopyState, **values: object) -> int:
    return held.update(
        state=target,
        claimed_by="",
        claimed_until=None,
        # What was never tried has no first attempt from which a time for trying could run.
        first_attempt_at=Case(When(attempts__lte=1, then=Value(None)), default=F("first_attempt_at")),
        attempts=F("attempts") - 1,
        **values,
    )


def give_back_claims(worker: str, *, but: int) -> int:
    """Return the copies of a dead worker's claims, other than the one its journal speaks of, to the queue."""
    rows = Copy.unscoped.filter(claimed_by=worker, state=CopyState.CLAIMED).exclude(claim=but)
    return _untouched(rows, CopyState.QUEUED)


def doubt_claims(worker: str, now: datetime) -> int:
    """Everything in a dead worker's hands whose journal cannot be read is in doubt."""
    held = Copy.unscoped.filter(claimed_by=worker, state=CopyState.CLAIMED)
    return move(held, CopyState.UNCERTAIN, decided_at=now, reply_text="The worker's journal cannot be read.")


def doubt_notices(worker: str, now: datetime) -> int:
    """One-off letters in a dead worker's hands: no journal is kept of them, so all are in doubt."""
    rows = Notice.unscoped.filter(claimed_by=worker, state=CopyState.CLAIMED)
    return rows.update(state=CopyState.UNCERTAIN, claimed_by="", claimed_until=None, decided_at=now)


def lose_lapsed(now: datetime) -> list[int]:
    """Claims whose worker has not renewed them: its host is lost. Their copies are uncertain; the mailings touched."""
    lapsed = Copy.unscoped.filter(state=CopyState.CLAIMED, claimed_until__lt=now)
    mailings = list(lapsed.values_list("mailing", flat=True).distinct())
    if mailings:
        move(lapsed, CopyState.UNCERTAIN, decided_at=now, reply_text=_HOST_LOST)
    notices = Notice.unscoped.filter(state=CopyState.CLAIMED, claimed_until__lt=now)
    move(notices, CopyState.UNCERTAIN, decided_at=now, reply_text=_HOST_LOST)
    return mailings


def requeue_one_uncertain(copy_id: int) -> None:
    """Send a copy again whose outcome is not known, with the same Message-ID."""
    move(Copy.unscoped.filter(pk=copy_id, state=CopyState.UNCERTAIN), CopyState.QUEUED, decided_at=None)


def cancel_orphans(now: datetime) -> int:
    """Cancel copies that came out of a worker's hands into a mailing which was cancelled meanwhile."""
    orphans = Copy.unscoped.filter(
        state__in=(CopyState.QUEUED, CopyState.DEFERRED, CopyState.HELD),
        mailing__state__in=(MailingState.CANCELLED, MailingState.MISSED),
    )
    return move(orphans, CopyState.CANCELLED, decided_at=now)


def renew(claim_number: int, until: datetime) -> int:
    """Keep a claim for longer; how many copies are still in it."""
    held = Copy.unscoped.filter(claim=claim_number, state=CopyState.CLAIMED)
    return held.update(claimed_until=until)


def move(rows: QuerySet[Any], target: CopyState, **values: object) -> int:
    """Move every copy of a set from which the table has an arrow to `target`; how many moved."""
    return rows.filter(state__in=COPY.sources(target)).update(state=target, claimed_by="", claimed_until=None, **values)


def move_one(copy_id: int, target: CopyState) -> bool:
    """Move one copy, if the table has the arrow."""
    return move(Copy.unscoped.filter(pk=copy_id), target) == 1


def requeue_due(now: datetime) -> int:
    """Put what was deferred or held, and whose time has come, back into the queue."""
    due = Q(state__in=(CopyState.DEFERRED, CopyState.HELD), next_attempt_at__lte=now)
    return sum(move(table.unscoped.filter(due), CopyState.QUEUED, next_attempt_at=None) for table in (Copy, Notice))


def is_finished(mailing_id: int) -> bool:
    """Whether no copy of the mailing is waiting, held, or being handed over."""
    return not Copy.unscoped.filter(mailing=mailing_id, state__in=OPEN).exists()
