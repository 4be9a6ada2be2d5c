"""The members' roll: what is known of everyone, for an import to compare with, and writing what an import decided."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q

from mailer.core.address import Address, normal, parse
from mailer.core.audience import Standing, SubscriptionState
from mailer.core.consent import Channel
from mailer.core.membermatch import Consented, KnownMember, Left
from mailer.models.consent import Subscription, Suppression, SuppressionKind
from mailer.models.member import Mailbox, Member, MemberRegion, living
from mailer.models.region import Wording


def known_members(today: date, zone: ZoneInfo) -> Iterator[KnownMember]:
    """Every member as an import sees them; days are dates of the organisation's zone."""
    regions: dict[int, set[int]] = {}
    for member, region in living(today).values_list("member", "region"):
        regions.setdefault(member, set()).add(region)
    streams: dict[int, dict[int, Consented | Left]] = {}
    for row in Subscription.unscoped.select_related("entry__wording").iterator():
        streams.setdefault(row.member_id, {})[row.stream_id] = _word(row, zone)
    for member in Member.unscoped.select_related("mailbox").iterator():
        yield KnownMember(
            id=member.pk,
            number=member.number,
            name=member.name,
            address=parse(member.mailbox.address) if member.mailbox else None,
            standing=Standing(member.standing),
            regions=frozenset(regions.get(member.pk, ())),
            telephone=member.telephone or None,
            postal_address=member.postal_address or None,
            language=member.language or None,
            streams=streams.get(member.pk, {}),
        )


def _word(row: Subscription, zone: ZoneInfo) -> Consented | Left:
    day = row.since.astimezone(zone).date()
    if row.state == SubscriptionState.LEFT or row.entry.wording is None:
        return Left(day)
    return Consented(day, row.entry.wording.version, Channel(row.entry.channel))


def suppressed_hashes(kind: SuppressionKind) -> frozenset[str]:
    """The hashes of everyone, or of every mailbox, that must not be written to."""
    return frozenset(Suppression.unscoped.filter(kind=kind).values_list("hash", flat=True))


def carry_suppression(member: Member, mailbox: Mailbox | None, person_hash: str) -> None:
    """Let an objection follow a person to their corrected name or address: nothing but the person clears it (B13).

    An objection of the mailbox that they leave goes with them too (B8, P13), and before their own: that one they
    may undo, and a complaint must not go with it.
    """
    known = Suppression.unscoped.exclude(hash="")
    found = known.filter(kind=SuppressionKind.PERSON, hash=member.person_hash).first()
    if member.mailbox is not None and member.mailbox != mailbox:
        found = known.filter(kind=SuppressionKind.MAILBOX, hash=member.mailbox.hash).first() or found
    if found is not None and person_hash:
        Suppression.unscoped.get_or_create(
            kind=SuppressionKind.PERSON, hash=person_hash, defaults={"reason": found.reason, "at": found.at}
        )


def mailboxes_for(addresses: Iterable[tuple[Address, str]], now: datetime) -> dict[str, Mailbox]:
    """The mailboxes of (address, keyed hash) by normal form, made if need be.

    Addresses with the same normal form are the same mailbox; it keeps the spelling that came first.
    """
    wanted = {normal(address): (address, mailbox_hash) for address, mailbox_hash in reversed(list(addresses))}
    known = {row.normal: row for row in Mailbox.unscoped.filter(normal__in=list(wanted))}
    made = Mailbox.unscoped.bulk_create(
        Mailbox(address=a.text, normal=box, domain=a.domain, hash=mailbox_hash, created_at=now)
        for box, (a, mailbox_hash) in wanted.items()
        if box not in known
    )
    return known | {row.normal: row for row in made}


def create_members(made: Sequence[tuple[Member, frozenset[int]]], today: date) -> None:
    """Add people with the regions they live in from today."""
    members = Member.unscoped.bulk_create(member for member, _ in made)
    MemberRegion.unscoped.bulk_create(
        MemberRegion(member=member, region_id=region, starts=today)
        for member, (_, regions) in zip(members, made, strict=True)
        for region in sorted(regions)
    )


def member_by_id(number: int) -> Member:
    """A member whose row number an import worked out."""
    member: Member = Member.unscoped.select_related("mailbox").get(pk=number)
    return member


def change_member(member: Member, **values: Any) -> None:
    """Write these fields of a member."""
    for name, value in values.items():
        setattr(member, name, value)
    member.save(update_fields=list(values))


def set_regions(member: Member, regions: Iterable[int], today: date) -> None:
    """End what no longer holds today and begin what is new today (half-open)."""
    wanted = set(regions)
    open_rows = MemberRegion.unscoped.filter(Q(ends=None) | Q(ends__gt=today), member=member)
    open_rows.exclude(region__in=wanted).update(ends=today)
    have = set(open_rows.filter(region__in=wanted).values_list("region", flat=True))
    MemberRegion.unscoped.bulk_create(
        MemberRegion(member=member, region_id=region, starts=today) for region in sorted(wanted - have)
    )


def wordings() -> dict[tuple[int, int], Wording]:
    """Every wording ever adopted, by list number and version."""
    return {(row.mailing_list_id, row.version): row for row in Wording.unscoped.all()}
