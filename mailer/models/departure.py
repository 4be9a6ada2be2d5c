"""What leaving touches: the copy a link names, who rode on it, their subscriptions, and the offers to undo."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from mailer.core.audience import AllowList, SubscriptionState
from mailer.core.consent import Article9, PecrBasis
from mailer.models.base import insert
from mailer.models.consent import ConsentEntry, Suppression, SuppressionKind, SuppressionReason
from mailer.models.copy import Notice, Undo
from mailer.models.member import Deliverability, Mailbox, Member
from mailer.models.outbox import signed


@dataclass(frozen=True, slots=True)
class CopyNamed:
    """What a handle names: a copy, its mailbox, the streams that its mailing could come from, and its list's name."""

    pk: int
    mailbox: int | None
    mailing: int
    streams: tuple[int, ...]
    list: str
    region: str | None


@dataclass(frozen=True, slots=True)
class Active:
    """A subscription that is active, with the basis that its line of the ledger names."""

    member: int
    stream: int
    article9: Article9
    pecr: PecrBasis


#: In plain SQL what every leave asks: to have Django build it anew each time takes ten times as long as the answer.
_COPY = """SELECT c.id, c.mailbox_id, c.mailing_id, m.rule, l.slug, r.name FROM mailer_copy c
    JOIN mailer_mailing m ON m.id = c.mailing_id JOIN mailer_issue i ON i.id = m.issue_id
    JOIN mailer_mailinglist l ON l.number = i.mailing_list_id LEFT JOIN mailer_region r ON r.number = m.region_id
    WHERE c.handle = %s"""
_RIDERS = """SELECT m.id, m.handle, m.subject, m.name, m.person_hash FROM mailer_delivery d
    JOIN mailer_member m ON m.id = d.member_id WHERE d.copy_id = %s ORDER BY m.id"""
_ACTIVE = f"""SELECT s.member_id, s.stream_id, e.article9, e.pecr FROM mailer_subscription s
    JOIN mailer_consententry e ON e.id = s.entry_id
    WHERE s.state = '{SubscriptionState.ACTIVE}' AND s.member_id IN ({{members}})"""  # noqa: S608 - a word of our own


def copy_named(handle: int) -> CopyNamed | None:
    """The copy of a token's handle."""
    for pk, mailbox, mailing, rule, slug, region in _rows(_COPY, [signed(handle)]):
        return CopyNamed(pk, mailbox, mailing, tuple(map(int, json.loads(rule)["streams"])), slug, region)
    return None


def riders(copy: CopyNamed) -> list[Member]:
    """Everyone the copy was made for and who is still known, whether or not they have left since."""
    fields = ("id", "handle", "subject", "name", "person_hash")
    return [Member.from_db(connection.alias, fields, row) for row in _rows(_RIDERS, [copy.pk])]


def mailbox_of(copy: CopyNamed) -> Mailbox | None:
    """The mailbox that a copy went to, unless it was erased."""
    found: Mailbox | None = Mailbox.unscoped.filter(pk=copy.mailbox).first()
    return found


def active(members: Iterable[Member], streams: Iterable[int] | None, until: datetime | None = None) -> list[Active]:
    """What these members are on of these streams, or of all, and have been since `until` at the latest."""
    sql, values = _ACTIVE.format(members=_numbers(member.pk for member in members)), []
    if streams is not None:
        sql += f" AND s.stream_id IN ({_numbers(streams)})"
    if until is not None:
        sql, values = f"{sql} AND s.since <= %s", [connection.ops.adapt_datetimefield_value(until)]
    rows = _rows(f"{sql} ORDER BY s.stream_id", values)
    return [Active(member, stream, Article9(article9), PecrBasis(pecr)) for member, stream, article9, pecr in rows]


def _numbers(numbers: Iterable[int]) -> str:
    """As a list in SQL, which may not be empty."""
    return ", ".join(map(str, map(int, numbers))) or "NULL"


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def suppress_person(member: Member, reason: SuppressionReason, now: datetime) -> bool:
    """Never write to this person again; False if that was so already, or if they have no mailbox."""
    return suppress_hash(member.person_hash, reason, now)


def suppress_hash(person_hash: str, reason: SuppressionReason, now: datetime) -> bool:
    """The same for somebody of whom no more than this is known."""
    if not person_hash:
        return False
    _, created = Suppression.unscoped.get_or_create(
        kind=SuppressionKind.PERSON, hash=person_hash, defaults={"reason": reason, "at": now}
    )
    return bool(created)


def suppressed_among(hashes: Iterable[str]) -> set[str]:
    """Those of the people who are never written to again."""
    rows = Suppression.unscoped.filter(kind=SuppressionKind.PERSON, hash__in=list(hashes))
    return set(rows.values_list("hash", flat=True))


def members_known_by(hashes: Iterable[str]) -> list[int]:
    """Whom suppressing these people touches: several members may have one name and one mailbox."""
    return list(Member.unscoped.filter(person_hash__in=list(hashes)).values_list("pk", flat=True))


def has_notice(handle: int) -> bool:
    """Whether a one-off letter with this handle was queued."""
    return bool(_rows("SELECT 1 FROM mailer_notice WHERE handle = %s", [signed(handle)]))


def has_offer(handle: int) -> bool:
    """Whether an offer to undo with this handle was made."""
    return bool(_rows("SELECT 1 FROM mailer_undo WHERE handle = %s", [signed(handle)]))


def suppress_mailbox(mailbox_id: int, reason: SuppressionReason, now: datetime) -> bool:
    """Never write to this mailbox again, whoever shares it."""
    mailbox = Mailbox.unscoped.get(pk=mailbox_id)
    _, created = Suppression.unscoped.get_or_create(
        kind=SuppressionKind.MAILBOX, hash=mailbox.hash, defaults={"reason": reason, "at": now}
    )
    return bool(created)


def may_be_answered(mailbox: Mailbox, allow_list: AllowList | None) -> bool:
    """Whether a letter that the machine writes by itself may go there: neither suppressed, dead nor off the list."""
    if mailbox.deliverability != Deliverability.UNKNOWN:
        return False
    if allow_list is not None and not allow_list.allows(mailbox.normal):
        return False
    return not Suppression.unscoped.filter(kind=SuppressionKind.MAILBOX, hash=mailbox.hash).exists()


def lift_own_suppression(member: Member) -> None:
    """Undo `suppress_person` by the person's own act; only what leaving everything had set."""
    Suppression.unscoped.filter(
        kind=SuppressionKind.PERSON, hash=member.person_hash, reason=SuppressionReason.LEFT_ALL
    ).delete()


def offer_undo(
    handle: int, member: Member, streams: Iterable[int], *, lifts_suppression: bool, ends_at: datetime
) -> None:
    """Keep an offer that a token with this handle names."""
    offer = {"handle": signed(handle), "member": member.pk, "streams": list(streams), "ends_at": ends_at}
    insert(Undo, [{**offer, "lifts_suppression": lifts_suppression, "used_at": None}])


def offer_named(handle: int) -> Undo | None:
    """The offer of a token's handle."""
    return Undo.unscoped.select_related("member").filter(handle=signed(handle)).first()


def use_offer(offer: Undo, now: datetime) -> bool:
    """Mark the offer as used; False if somebody was quicker."""
    return Undo.unscoped.filter(pk=offer.pk, used_at=None).update(used_at=now) == 1


def last_proof(member: Member, stream: int) -> ConsentEntry | None:
    """The newest line that shows a wording to this member for this stream."""
    shown = ConsentEntry.unscoped.filter(subject=member.subject, stream=stream, wording__isnull=False)
    return shown.order_by("-at", "-pk").first()


def post_notice(handle: int, mailbox: Mailbox, *, kind: str, subject: str, text: str, html: str, now: datetime) -> None:
    """Queue a one-off letter."""
    Notice.unscoped.create(
        handle=signed(handle),
        kind=kind,
        mailbox=mailbox,
        subject=subject,
        text=text,
        html=html,
        created_at=now,
    )
