"""What leaving touches: the copy a link names, who rode on it, their subscriptions, and the offers to undo."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from mailer.core.audience import AllowList, SubscriptionState
from mailer.models.consent import ConsentEntry, Subscription, Suppression, SuppressionKind, SuppressionReason
from mailer.models.copy import Copy, Delivery, Notice, Undo
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


def copy_named(handle: int) -> CopyNamed | None:
    """The copy of a token's handle."""
    rows = Copy.unscoped.filter(handle=signed(handle)).values_list(
        "pk", "mailbox", "mailing", "mailing__rule", "mailing__issue__mailing_list__slug", "mailing__region__name"
    )
    for pk, mailbox, mailing, rule, slug, region in rows:
        return CopyNamed(pk, mailbox, mailing, tuple(map(int, rule["streams"])), slug, region)
    return None


def riders(copy: CopyNamed) -> list[Member]:
    """Everyone the copy was made for and who is still known, whether or not they have left since."""
    rides = Delivery.unscoped.filter(copy=copy.pk, member__isnull=False).order_by("member")
    return [ride.member for ride in rides.select_related("member").only("member")]


def mailbox_of(copy: CopyNamed) -> Mailbox | None:
    """The mailbox that a copy went to, unless it was erased."""
    found: Mailbox | None = Mailbox.unscoped.filter(pk=copy.mailbox).first()
    return found


def active(member: Member, streams: Iterable[int] | None) -> list[Subscription]:
    """The member's active subscriptions to these streams, or to all."""
    return list(_active([member], streams).select_related("entry").order_by("stream"))


def anything_active(members: Iterable[Member], streams: Iterable[int] | None) -> bool:
    """Whether one of them has an active subscription to these streams, or to any."""
    return bool(_active(members, streams).exists())


def _active(members: Iterable[Member], streams: Iterable[int] | None) -> QuerySet[Subscription]:
    rows: QuerySet[Subscription] = Subscription.unscoped.filter(member__in=members, state=SubscriptionState.ACTIVE)
    return rows if streams is None else rows.filter(stream__in=list(streams))


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


def has_notice(handle: int) -> bool:
    """Whether a one-off letter with this handle was queued."""
    return bool(Notice.unscoped.filter(handle=signed(handle)).exists())


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
    Undo.unscoped.create(
        handle=signed(handle),
        member=member,
        streams=list(streams),
        lifts_suppression=lifts_suppression,
        ends_at=ends_at,
    )


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
