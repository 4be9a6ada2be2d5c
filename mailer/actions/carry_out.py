"""An act of leaving, or of taking it back, in the database: exactly once, whoever comes first with it.

The page that heard of it carries it out, or whoever reads its line before sending (standards U7, U13, U14). A letter's
handle names its copy, and through it a fixed set: the members who rode on it, and the streams of its mailing. Where an
older database was restored the copy may be unknown; then the line itself says whom it named.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mailer.access import THE_READER
from mailer.actions.take_back import take_back
from mailer.core.consent import Channel, Entry, Kind
from mailer.core.departing import Act, Departure, Extent, Person
from mailer.core.token import Purpose
from mailer.house import House
from mailer.models import Member, Notice, SuppressionReason, departing, departure
from mailer.models.changes import begin_change, name_touched, stand_in_line
from mailer.models.departure import Active, CopyNamed
from mailer.models.ledger import Line, append, record
from mailer.models.outbox import unsigned

#: How long the button on the page after leaving works, and the links in a household's farewell letter.
PAGE_UNDO = timedelta(minutes=30)
LETTER_UNDO = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Named:
    """The copy that a letter's handle names, and who rode on it."""

    copy: CopyNamed
    members: list[Member]


def carry_out(house: House, what: Departure, now: datetime, named: Named | None = None) -> bool:
    """Do it, unless it was done; whether anything is another now than before. Call it inside `writing()`.

    `named` saves looking it up again.
    """
    stand_in_line()
    if not departing.first_time(what.seed, what.at):
        return False
    return take_back(what, now) if what.act is Act.UNDO else _leave(house, what, now, named)


def look_up(handle: int) -> Named | None:
    """What a handle names; None if the database does not know it."""
    copy = departure.copy_named(handle)
    return None if copy is None else Named(copy, departure.riders(copy))


def way_back(what: Departure) -> int:
    """The handle of the offer that the page after leaving makes."""
    return what.derived("way back")


def farewell(what: Departure) -> int:
    """The handle of the letter that tells a shared mailbox who was taken off."""
    return what.derived("farewell")


@dataclass(frozen=True, slots=True)
class _Case:
    """An act, with the copy it is about if the database knows it, and the time at which it is carried out."""

    what: Departure
    copy: CopyNamed | None
    now: datetime

    @property
    def streams(self) -> tuple[int, ...]:
        return self.what.streams if self.copy is None else self.copy.streams

    @property
    def mailing(self) -> int | None:
        return None if self.copy is None else self.copy.mailing


@dataclass(frozen=True, slots=True)
class _Departed:
    member: Member
    streams: tuple[int, ...]
    suppressed: bool


def _leave(house: House, what: Departure, now: datetime, named: Named | None) -> bool:
    named = named or look_up(what.handle)
    case = _Case(what, named.copy if named else None, now)
    members, missing = (named.members, ()) if named else _those_named(what)
    # Parallel clicks stand in one order here: the second finds nothing left to do (U7).
    departing.hold(members)
    departed = _take_off(members, case)
    if named is None:
        _wait_for(what, missing)
    _offer_ways_back(house, case, departed)
    return bool(departed)


def _those_named(what: Departure) -> tuple[list[Member], tuple[Person, ...]]:
    """Those whom the line names and the database knows, and those whom it does not."""
    hashes = [each.hash for each in what.people if each.hash]
    found = departing.members_named([each.subject for each in what.people], hashes)
    known = {member.subject for member in found} | {member.person_hash for member in found if member.person_hash}
    return found, tuple(each for each in what.people if not {each.subject, each.hash} & known)


def _wait_for(what: Departure, missing: tuple[Person, ...]) -> None:
    """Whom the database does not know must not be written to when an import brings them back."""
    if what.extent is Extent.EVERYTHING:
        for person in missing:
            departure.suppress_hash(person.hash, SuppressionReason.LEFT_ALL, what.at)
    if missing or not what.people:
        departing.strand(what.seed, what.at, replace(what, people=missing).line().decode())


def take_up(what: Departure, now: datetime) -> int:
    """Carry a stranded departure out for those who are known by now; how many. Call it inside `writing()`."""
    members, missing = _those_named(what)
    if not members:
        return 0
    taken = len(_take_off(members, _Case(what, None, now)))
    departing.take_up(what.seed)
    if missing:
        _wait_for(what, missing)
    return taken


def _take_off(members: Sequence[Member], case: _Case) -> list[_Departed]:
    """Those of the members for whom it changes something."""
    everything = case.what.extent is Extent.EVERYTHING
    # Carried out later than it was asked for: a consent that was given since is none of its business.
    until = case.what.at if case.what.at < case.now else None
    active = departure.active(members, None if everything else case.streams, until)
    left = {member.pk: [each for each in active if each.member == member.pk] for member in members}
    append([Line(member, _withdrawal(member, each, case)) for member in members for each in left[member.pk]])
    suppressed = _suppress(members, case) if everything else frozenset()
    departed = [
        _Departed(member, tuple(each.stream for each in left[member.pk]), member.pk in suppressed)
        for member in members
        if left[member.pk] or member.pk in suppressed
    ]
    for gone in departed:
        _record(gone, case)
    return departed


def _suppress(members: Sequence[Member], case: _Case) -> Set[int]:
    """Never write to them again; the ids of those for whom that is new."""
    number = begin_change()
    fresh = [m for m in members if departure.suppress_person(m, SuppressionReason.LEFT_ALL, case.what.at)]
    name_touched(number, departure.members_known_by(member.person_hash for member in fresh))
    return {member.pk for member in fresh}


def _record(gone: _Departed, case: _Case) -> None:
    what = case.what
    record(
        case.now,
        THE_READER.reference,
        "left",
        about="member",
        number=unsigned(gone.member.handle),
        extent=what.extent,
        channel=what.channel,
        streams=gone.streams,
        mailing=case.mailing,
        token_hash=what.token_hash,
        asked_at=what.at.isoformat(),
    )


def _withdrawal(member: Member, basis: Active, case: _Case) -> Entry:
    return Entry(
        subject=member.subject,
        stream=basis.stream,
        kind=Kind.WITHDRAWN,
        at=case.what.at,
        recorded_at=case.now,
        channel=case.what.channel,
        actor=THE_READER.reference,
        article9=basis.article9,
        pecr=basis.pecr,
        mailing=case.mailing,
        token_hash=case.what.token_hash,
    )


def _offer_ways_back(house: House, case: _Case, departed: list[_Departed]) -> None:
    """A button on the page for one, a letter with a link for each for several (docs/decisions/0003-leaving.md)."""
    what = case.what
    if len(departed) > 1 and _mailbox_takes_a_letter(house, case):
        people = [
            (gone.member.name, _offer(house, what.derived(f"way back {n}"), gone, what.at + LETTER_UNDO))
            for n, gone in enumerate(departed)
        ]
        _say_farewell(house, case, people)
    elif len(departed) == 1 and what.channel is Channel.PAGE:
        _offer(house, way_back(what), departed[0], what.at + PAGE_UNDO)


def _mailbox_takes_a_letter(house: House, case: _Case) -> bool:
    """Where an older database does not know the copy, the letter was sent: its links must work again."""
    mailbox = departure.mailbox_of(case.copy) if case.copy else None
    return case.copy is None or (mailbox is not None and departure.may_be_answered(mailbox, house.allow_list))


def _offer(house: House, handle: int, gone: _Departed, ends_at: datetime) -> str:
    departure.offer_undo(handle, gone.member, gone.streams, lifts_suppression=gone.suppressed, ends_at=ends_at)
    return house.undo_url(house.tokens.sign(Purpose.UNDO, handle))


def _say_farewell(house: House, case: _Case, people: Iterable[tuple[str, str]]) -> None:
    """One letter to a shared mailbox: who has been taken off, and for each a way back that still works."""
    what, copy = case.what, case.copy
    mailbox = departure.mailbox_of(copy) if copy else None
    if copy is None or mailbox is None or case.now >= what.at + LETTER_UNDO:
        return
    everything = what.extent is Extent.EVERYTHING
    left = house.config.organisation.name if everything else house.title(copy.list, copy.region)
    letter = house.farewell(left, people)
    departure.post_notice(
        farewell(what),
        mailbox,
        kind=Notice.Kind.FAREWELL,
        subject=letter.subject,
        text=letter.text,
        html=letter.html,
        now=case.now,
    )
