"""What came back, kept once, and what it does to a mailbox (standards B11, B13, B14)."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db.models import Max

from mailer.core.delivery import CopyState
from mailer.core.verdict import MailboxRecord
from mailer.models.bounce import Bounce, BounceSource
from mailer.models.copy import Copy
from mailer.models.member import Deliverability, Mailbox
from mailer.models.outbox import signed


def mailbox_record(mailbox_id: int) -> MailboxRecord:
    """What a mailbox has against it."""
    row = Mailbox.unscoped.get(pk=mailbox_id)
    return MailboxRecord(row.soft_count, row.soft_first_on, row.soft_last_on, row.disabled_count)


def keep_record(mailbox_id: int, record: MailboxRecord) -> None:
    """Write down what a mailbox has against it now."""
    Mailbox.unscoped.filter(pk=mailbox_id).update(
        soft_count=record.soft_count,
        soft_first_on=record.soft_first_on,
        soft_last_on=record.soft_last_on,
        disabled_count=record.disabled_count,
    )


def make_undeliverable(mailbox_id: int, why: str, now: datetime) -> bool:
    """Mark a mailbox as a dead end; False if it was known. Nothing about a person's choice changes (B13)."""
    rows = Mailbox.unscoped.filter(pk=mailbox_id).exclude(deliverability=Deliverability.UNDELIVERABLE)
    return (
        rows.update(
            deliverability=Deliverability.UNDELIVERABLE,
            undeliverable_since=now,
            undeliverable_reason=why[:500],
        )
        == 1
    )


def last_settled_on(mailbox_id: int, *, but: int, before: datetime) -> date | None:
    """The newest day, before `before`, on which a letter to the mailbox other than copy `but` was accepted for good.

    Younger ones may still come back, so they settle nothing.
    """
    accepted = Copy.unscoped.filter(mailbox=mailbox_id, state=CopyState.ACCEPTED, decided_at__lt=before).exclude(pk=but)
    latest: datetime | None = accepted.aggregate(latest=Max("decided_at"))["latest"]
    return latest.date() if latest else None


def copy_of(handle: int) -> Copy | None:
    """The copy that a report's token names."""
    return Copy.unscoped.select_related("mailbox", "mailing").filter(handle=signed(handle)).first()


def known_report(digest: str, copy: Copy | None, report_id: str | None) -> bool:
    """Whether this report was read before, octet for octet or by its Message-ID for this copy."""
    if Bounce.unscoped.filter(digest=digest).exists():
        return True
    if copy is None or report_id is None:
        return False
    return bool(Bounce.unscoped.filter(copy=copy, report_id=report_id).exists())


def keep(values: Mapping[str, Any]) -> int:
    """Keep a bounce; its number."""
    row: Bounce = Bounce.unscoped.create(**values)
    return int(row.pk)


def keep_refusal(
    copy_id: int, *, code: int, status: str, text: str, kind: str, reason: str, verdict: str, now: datetime
) -> int:
    """Keep a refusal that was heard at SMTP time."""
    return keep(
        {
            "copy_id": copy_id,
            "source": BounceSource.SMTP,
            "kind": kind,
            "reason": reason,
            "reply_code": code,
            "status": status,
            "diagnostic": text[:500],
            "matched_by": "session",
            "verdict": verdict,
            "received_at": now,
        }
    )
