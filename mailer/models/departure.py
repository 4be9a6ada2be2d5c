"""What leaving touches: the copy a link names, who rode on it, their subscriptions, and the offers to undo."""

from collections.abc import Iterable
from datetime import datetime

from mailer.core.audience import AllowList, SubscriptionState
from mailer.models.consent import ConsentEntry, Subscription, Suppression, SuppressionKind, SuppressionReason
from mailer.models.copy import Copy, Delivery, Notice, Undo
from mailer.models.member import Deliverability, Mailbox, Member
from mailer.models.outbox import signed


def copy_named(handle: int) -> Copy | None:
    """The copy of a token's handle, with its mailing, list and region."""
    rows = Copy.unscoped.select_related("mailing__issue__mailing_list", "mailing__region", "mailbox")
    return rows.filter(handle=signed(handle)).first()


def riders(copy: Copy) -> list[Member]:
    """Everyone the copy was made for and who is still known, whether or not they have left since."""
    rides = Delivery.unscoped.filter(copy=copy, member__isnull=False).order_by("member")
    return [ride.member for ride in rides.select_related("member__mailbox")]


def active(member: Member, streams: Iterable[int] | None) -> list[Subscription]:
    """The member's active subscriptions to these streams, or to all."""
    rows = Subscription.unscoped.filter(member=member, state=SubscriptionState.ACTIVE)
    if streams is not None:
        rows = rows.filter(stream__in=list(streams))
    return list(rows.select_related("entry").order_by("stream"))


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
