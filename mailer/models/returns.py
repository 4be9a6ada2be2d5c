"""What came back, kept once, and what it does to a mailbox (standards B11, B13, B14)."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db.models import Max

from mailer.core.bounce.finding import KINDS, Kind
from mailer.core.characters import storable
from mailer.core.delivery import CopyState
from mailer.core.matter import MatterKind
from mailer.core.verdict import Class, MailboxRecord
from mailer.models.bounce import Bounce, BounceSource
from mailer.models.consent import Suppression, SuppressionKind, SuppressionReason
from mailer.models.copy import Copy
from mailer.models.desk import open_matter
from mailer.models.member import Deliverability, Mailbox, Member
from mailer.models.outbox import signed

#: The kind of a row that is no report: a person wrote.
LETTER = "letter"


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
    """Mark a mailbox as a dead end, and ask a person for another; False if it was known.

    Nothing about anybody's choice changes (B13).
    """
    why = storable(why)
    rows = Mailbox.unscoped.filter(pk=mailbox_id).exclude(deliverability=Deliverability.UNDELIVERABLE)
    known = rows.update(
        deliverability=Deliverability.UNDELIVERABLE,
        undeliverable_since=now,
        undeliverable_reason=why[:500],
    )
    if known == 1:
        open_matter(MatterKind.UNDELIVERABLE, now=now, mailbox_id=mailbox_id, said=why)
    return known == 1


def restore(mailbox_id: int) -> bool:
    """Write to the mailbox again, with nothing against it; False if it was not given up."""
    rows = Mailbox.unscoped.filter(pk=mailbox_id, deliverability=Deliverability.UNDELIVERABLE)
    return (
        rows.update(
            deliverability=Deliverability.UNKNOWN,
            undeliverable_since=None,
            undeliverable_reason="",
            soft_count=0,
            soft_first_on=None,
            soft_last_on=None,
            disabled_count=0,
        )
        == 1
    )


def complained(mailbox: Mailbox) -> bool:
    """Whether a letter to this mailbox was called unwanted: nobody but its reader can undo that (B13)."""
    rows = Suppression.unscoped.filter(kind=SuppressionKind.MAILBOX, hash=mailbox.hash)
    return bool(rows.filter(reason=SuppressionReason.COMPLAINT).exists())


def last_settled_on(mailbox_id: int, *, but: int, before: datetime) -> date | None:
    """The newest day, before `before`, on which a letter to the mailbox other than copy `but` was accepted for good.

    Younger ones may still come back, so they settle nothing.
    """
    accepted = Copy.unscoped.filter(mailbox=mailbox_id, state=CopyState.ACCEPTED, decided_at__lt=before).exclude(pk=but)
    latest: datetime | None = accepted.aggregate(latest=Max("decided_at"))["latest"]
    return latest.date() if latest else None


def members_at(mailbox_id: int) -> list[int]:
    """The members who share a mailbox."""
    return list(Member.unscoped.filter(mailbox=mailbox_id).values_list("pk", flat=True))


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


def classes_of(copy_id: int) -> frozenset[str]:
    """Whose fault it was, in everything heard about a copy so far."""
    return frozenset(Bounce.unscoped.filter(copy=copy_id).values_list("klass", flat=True))


def keep(values: Mapping[str, Any]) -> int:
    """Keep a bounce; its number."""
    row: Bounce = Bounce.unscoped.create(**{name: _storable(value) for name, value in values.items()})
    return int(row.pk)


def _storable(value: Any) -> Any:
    """Foreign text through and through, also within findings."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_storable(each) for each in value]
    return {name: _storable(each) for name, each in value.items()} if isinstance(value, dict) else value


def keep_refusal(
    copy_id: int, *, code: int, status: str, text: str, kind: str, reason: str, verdict: str, now: datetime
) -> int:
    """Keep a refusal that was heard at SMTP time; `kind` is its class in standards 3.2."""
    klass = Class(kind)
    copy = Copy.unscoped.only("mailing_id", "mailbox_id").get(pk=copy_id)
    number = keep(
        {
            "copy": copy,
            "mailing_id": copy.mailing_id,
            "source": BounceSource.SMTP,
            "kind": KINDS.get(klass, Kind.SOFT),
            "klass": klass,
            "reason": reason,
            "reply_code": code,
            "status": status,
            "diagnostic": text[:500],
            "matched_by": "session",
            "verdict": verdict,
            "received_at": now,
        }
    )
    if klass is Class.UNCLASSIFIED_PERMANENT:
        ask_to_judge(number, copy, text, now)
    return number


def ask_to_judge(bounce_id: int, copy: Copy, said: str, now: datetime) -> None:
    """Put a refusal for good that nobody could read on the desk (standards 3.2, the last row)."""
    open_matter(
        MatterKind.UNCLASSIFIED,
        now=now,
        mailbox_id=copy.mailbox_id,
        copy_id=copy.pk,
        bounce_id=bounce_id,
        said=said,
    )


def forget_raw(before: datetime) -> int:
    """Drop the octets of what came back before this (B14), and with them what people wrote; how many."""
    rows = Bounce.unscoped.filter(received_at__lt=before)
    rows.filter(kind=LETTER).exclude(diagnostic="").update(diagnostic="", findings=[])
    return rows.filter(raw__isnull=False).update(raw=None)
