"""Leaving: by one click, by the page, or undone again (standards L4-L8, U6, U7, U12, U15; P9, P15).

A letter's handle names its copy, and through it a fixed set: the members who rode on it, and the streams of its
mailing. The link may only leave that, or everything; it shows nothing of the member. Doing it twice changes nothing.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mailer.access import THE_READER
from mailer.core.consent import Article9, Channel, Entry, Kind, PecrBasis, commitment
from mailer.core.token import Purpose
from mailer.house import House
from mailer.models import ConsentEntry, Copy, Member, Notice, SuppressionReason, Undo, departure
from mailer.models.base import writing
from mailer.models.ledger import Line, append, draw_salt, record
from mailer.models.outbox import unsigned
from mailer.models.site import Counter, bump

#: How long the button on the page after leaving works, and the links in a household's farewell letter.
PAGE_UNDO = timedelta(minutes=30)
LETTER_UNDO = timedelta(days=14)

#: Gives random 64-bit handles.
Draw = Callable[[], int]


class Extent(StrEnum):
    """How much is left."""

    THIS = "this"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class Left:
    """What leaving did: `changed` is False if it had been done before.

    The way back is `undo`, a token for the page, or `farewell`: a letter to the mailbox that several people share.
    """

    list_title: str
    changed: bool
    undo: str = ""
    farewell: bool = False


def list_title(house: House, token: str) -> str | None:
    """The title of the list that the token's letter came from; None for every token that is not ours."""
    copy = _copy(house, token)
    return _title(house, copy) if copy else None


def leave(house: House, token: str, extent: Extent, channel: Channel, *, now: datetime, draw: Draw) -> Left | None:
    """Take everyone on the token's copy off; None for a token that is not ours. Durable when it returns."""
    copy = _copy(house, token)
    if copy is None:
        return None
    how = _How(copy, extent, channel, hashlib.sha256(token.encode()).hexdigest(), now)
    title = _title(house, copy)
    with writing():
        # The lock on `changes` puts parallel clicks in one order: the second finds nothing left to do (U7).
        bump(Counter.CHANGES)
        departed = [gone for member in departure.riders(copy) if (gone := _take_off(member, how)) is not None]
        if len(departed) > 1:
            return Left(title, changed=True, farewell=_say_farewell(house, how, title, departed, draw))
        undo = _offer(house, departed[0], now + PAGE_UNDO, draw) if departed and channel is Channel.PAGE else ""
    return Left(title, changed=bool(departed), undo=undo)


@dataclass(frozen=True, slots=True)
class _How:
    copy: Copy
    extent: Extent
    channel: Channel
    token_hash: str
    now: datetime


@dataclass(frozen=True, slots=True)
class _Departed:
    member: Member
    streams: tuple[int, ...]
    suppressed: bool


def _copy(house: House, token: str) -> Copy | None:
    handle = house.tokens.read(Purpose.LEAVE, token)
    return None if handle is None else departure.copy_named(handle)


def _title(house: House, copy: Copy) -> str:
    region = copy.mailing.region
    return house.title(copy.mailing.issue.mailing_list.slug, region.name if region else None)


def _take_off(member: Member, how: _How) -> _Departed | None:
    streams = None if how.extent is Extent.EVERYTHING else map(int, how.copy.mailing.rule["streams"])
    subscriptions = departure.active(member, streams)
    append([Line(member, _withdrawal(member, subscription.entry, how)) for subscription in subscriptions])
    suppressed = how.extent is Extent.EVERYTHING and departure.suppress_person(
        member, SuppressionReason.LEFT_ALL, how.now
    )
    if not subscriptions and not suppressed:
        return None
    numbers = tuple(subscription.stream_id for subscription in subscriptions)
    record(
        how.now,
        THE_READER.reference,
        "left",
        about="member",
        number=unsigned(member.handle),
        extent=how.extent,
        channel=how.channel,
        streams=numbers,
        mailing=how.copy.mailing_id,
        token_hash=how.token_hash,
    )
    return _Departed(member, numbers, suppressed)


def _withdrawal(member: Member, basis: ConsentEntry, how: _How) -> Entry:
    return Entry(
        subject=member.subject,
        stream=basis.stream_id,
        kind=Kind.WITHDRAWN,
        at=how.now,
        recorded_at=how.now,
        channel=how.channel,
        actor=THE_READER.reference,
        article9=Article9(basis.article9),
        pecr=PecrBasis(basis.pecr),
        mailing=how.copy.mailing_id,
        token_hash=how.token_hash,
    )


def _offer(house: House, departed: _Departed, ends_at: datetime, draw: Draw) -> str:
    handle = draw()
    departure.offer_undo(
        handle,
        departed.member,
        departed.streams,
        lifts_suppression=departed.suppressed,
        ends_at=ends_at,
    )
    return house.tokens.sign(Purpose.UNDO, handle)


def _say_farewell(house: House, how: _How, title: str, departed: list[_Departed], draw: Draw) -> bool:
    """One letter to a shared mailbox, if it may be written to: who has been taken off, and for each a way back."""
    mailbox = how.copy.mailbox
    if mailbox is None or not departure.may_be_answered(mailbox, house.allow_list):
        return False
    left = house.config.organisation.name if how.extent is Extent.EVERYTHING else title
    people = [(d.member.name, house.undo_url(_offer(house, d, how.now + LETTER_UNDO, draw))) for d in departed]
    letter = house.farewell(left, people)
    departure.post_notice(
        draw(),
        mailbox,
        kind=Notice.Kind.FAREWELL,
        subject=letter.subject,
        text=letter.text,
        html=letter.html,
        now=how.now,
    )
    return True


class Undone(StrEnum):
    """Where an offer to undo stands."""

    OPEN = "open"
    DONE = "done"
    ALREADY = "already"
    OVER = "over"


def undo_stands(house: House, token: str, now: datetime) -> Undone | None:
    """Whether the offer still stands; None for a token that is not ours."""
    handle = house.tokens.read(Purpose.UNDO, token)
    offer = None if handle is None else departure.offer_named(handle)
    return None if offer is None else _stands(offer, now)


def undo(house: House, token: str, *, now: datetime) -> Undone | None:
    """Take a departure back: a new, logged opt-in to exactly what was left (standards U12)."""
    handle = house.tokens.read(Purpose.UNDO, token)
    if handle is None:
        return None
    with writing():
        bump(Counter.CHANGES)
        offer = departure.offer_named(handle)
        if offer is None:
            return None
        stands = _stands(offer, now)
        if stands is not Undone.OPEN:
            return stands
        departure.use_offer(offer, now)
        for stream in offer.streams:
            _restore(offer.member, stream, now)
        if offer.lifts_suppression:
            departure.lift_own_suppression(offer.member)
        record(
            now,
            THE_READER.reference,
            "came back",
            about="member",
            number=unsigned(offer.member.handle),
            streams=offer.streams,
        )
    return Undone.DONE


def _stands(offer: Undo, now: datetime) -> Undone:
    if offer.used_at is not None:
        return Undone.ALREADY
    return Undone.OVER if offer.ends_at <= now else Undone.OPEN


def _restore(member: Member, stream: int, now: datetime) -> None:
    basis = departure.last_proof(member, stream)
    if basis is None:
        return
    salt, evidence = draw_salt(), f"The person undid leaving; the consent is that of line {basis.pk}."
    entry = Entry(
        subject=member.subject,
        stream=stream,
        kind=Kind.RESTORED,
        at=now,
        recorded_at=now,
        channel=Channel.UNDO,
        actor=THE_READER.reference,
        article9=Article9(basis.article9),
        pecr=PecrBasis(basis.pecr),
        wording=basis.wording_id,
        commitment=commitment(salt, evidence),
    )
    append([Line(member, entry, salt, evidence)])
