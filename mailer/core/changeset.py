"""What importing a members' file would change, worked out before anything is changed.

Law: a member is found by number, else by mailbox and folded name, else is new; where that is not certain, a
person decides. Nobody who left or is suppressed is revived (standards P12, P13): a consent given before they
left is withheld, one given after it waits for a person, since rejoining needs their own confirmed action and
a file is not evidence enough. A departure waits for nothing: it is taken even from a row that is otherwise
undecided, if it is certain whose it is. An empty cell leaves what is known, and so does a member's absence.
The same file again changes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from mailer.core.address import Address, normal
from mailer.core.audience import Standing
from mailer.core.consent import Channel
from mailer.core.membercolumn import Column
from mailer.core.membermatch import (
    IN_WORDS,
    Consented,
    Doubt,
    KnownMember,
    KnownMembers,
    Left,
    Match,
    PersonKey,
    match,
    person_key,
)
from mailer.core.memberrow import Complaint, Row, StatedConsent


@dataclass(frozen=True, slots=True)
class Undecided:
    """A row that waits for a person, as a whole or (`stream`) in one point; `member` is whom it may be
    about."""

    row: Row
    doubt: Doubt
    member: int | None = None
    stream: int | None = None

    def __str__(self) -> str:
        what, todo = IN_WORDS[self.doubt]
        return f"line {self.row.line}: {what} {todo}"


class Withheld(StrEnum):
    """Why a complete consent gives no subscription."""

    LEFT = "left"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class WithheldConsent:
    """A consent of the file that is older than a departure, or of someone we must not write to."""

    row: Row
    stream: int
    reason: Withheld


@dataclass(frozen=True, slots=True)
class Departure:
    """A withdrawal for the ledger."""

    stream: int
    on: date
    channel: Channel | None


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One fact of a member, before and after. Regions end and begin on the changeset's day (half-open)."""

    column: Column
    before: str | frozenset[int] | None
    after: str | frozenset[int]


@dataclass(frozen=True, slots=True)
class New:
    """Someone to be added with what the row says; without a standing in it, they only claim one."""

    row: Row
    standing: Standing
    consents: tuple[StatedConsent, ...]
    departures: tuple[Departure, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """What changes of a known member: facts, and lines for the ledger."""

    member: KnownMember
    row: Row
    fields: tuple[FieldChange, ...]
    consents: tuple[StatedConsent, ...]
    departures: tuple[Departure, ...]


@dataclass(frozen=True, slots=True)
class Changeset:
    """What an import would do on `day`.

    Every row is in one of `new`, `changed`, `unchanged` and `undecided` (there without a stream); of an
    undecided row a certain departure is in `changed` too, and single points of a decided row may be in
    `undecided` with their stream.
    """

    day: date
    new: tuple[New, ...]
    changed: tuple[Changed, ...]
    unchanged: tuple[KnownMember, ...]
    undecided: tuple[Undecided, ...]
    withheld: tuple[WithheldConsent, ...]
    complaints: tuple[Complaint, ...]

    @property
    def changes_nothing(self) -> bool:
        """Whether there is nothing to do."""
        return not self.new and not self.changed


def plan(rows: Iterable[Row], known: KnownMembers, today: date) -> Changeset:
    """Work out what the rows of a file change."""
    planner = _Planner(known)
    for found in match(tuple(rows), known):
        planner.add(found)
    return Changeset(
        today,
        tuple(planner.new),
        tuple(planner.changed),
        tuple(planner.unchanged),
        tuple(planner.undecided),
        tuple(planner.withheld),
        tuple(planner.complaints),
    )


class _Planner:
    """Sorts rows into what they change; the heaps grow here."""

    def __init__(self, known: KnownMembers) -> None:
        self.new: list[New] = []
        self.changed: list[Changed] = []
        self.unchanged: list[KnownMember] = []
        self.undecided: list[Undecided] = []
        self.withheld: list[WithheldConsent] = []
        self.complaints: list[Complaint] = []
        self._known = known

    def add(self, found: Match) -> None:
        """Sort one row."""
        if found.doubt is not None:
            self._add_undecided(found.row, found.doubt, found.member, found.about)
        elif found.member is None:
            self._add_new(found.row)
        else:
            self._add_known(found.row, found.member)

    def _add_undecided(self, row: Row, doubt: Doubt, member: KnownMember | None, about: int | None) -> None:
        self.undecided.append(Undecided(row, doubt, member.id if member else about))
        departures = tuple(_departures(row, dict(member.streams))) if member else ()
        if member and departures:
            self.changed.append(Changed(member, row, (), (), departures))

    def _add_new(self, row: Row) -> None:
        if row.standing is None:
            self.complaints.append(
                Complaint(
                    row.line,
                    Column.STANDING,
                    "Someone new without a standing: they count as claiming one, and get no letters.",
                    f"Enter one of: {Standing.MEMBER}, {Standing.SUPPORTER}.",
                )
            )
        streams: dict[int, Consented | Left] = {}
        departures = tuple(_departures(row, streams))
        consents = tuple(self._consents(row, None, streams))
        self.new.append(New(row, row.standing or Standing.CLAIMED, consents, departures))

    def _add_known(self, row: Row, member: KnownMember) -> None:
        streams = dict(member.streams)
        fields = tuple(_fields(row, member))
        departures = tuple(_departures(row, streams))
        consents = tuple(self._consents(row, member, streams))
        if fields or departures or consents:
            self.changed.append(Changed(member, row, fields, consents, departures))
        else:
            self.unchanged.append(member)

    def _consents(
        self, row: Row, member: KnownMember | None, streams: dict[int, Consented | Left]
    ) -> Iterator[StatedConsent]:
        """The consents that give a subscription; the others are withheld, or wait for a person."""
        suppressed = bool(row.consents) and self._known.suppressed(_keys(row, member))
        for consent in row.consents:
            if suppressed:
                self.withheld.append(WithheldConsent(row, consent.stream, Withheld.SUPPRESSED))
                continue
            match _weigh(consent, streams, row):
                case True:
                    streams[consent.stream] = Consented(consent.given, consent.wording, consent.channel)
                    yield consent
                case Withheld() as reason:
                    self.withheld.append(WithheldConsent(row, consent.stream, reason))
                case Doubt() as doubt:
                    about = member.id if member else None
                    self.undecided.append(Undecided(row, doubt, about, consent.stream))


def _keys(row: Row, member: KnownMember | None) -> Iterator[PersonKey | None]:
    """The mailbox and name of a row's person, before and after: suppressed by either is suppressed."""
    yield person_key(row.address, row.name)
    if member is not None:
        yield person_key(member.address, member.name)
        yield person_key(row.address or member.address, row.name or member.name)


def _weigh(consent: StatedConsent, streams: Mapping[int, Consented | Left], row: Row) -> bool | Withheld | Doubt:
    """Whether a consent is news (True), known already (False), too old, or for a person to decide."""
    now = streams.get(consent.stream)
    if isinstance(now, Consented):
        if consent.given == now.since and (consent.wording, consent.channel) != (now.wording, now.channel):
            return Doubt.OTHER_CONSENT
        return consent.given > now.since
    recorded = (streams.get(stream) for stream in consent.kin)
    left = [word.when for word in recorded if isinstance(word, Left)]
    left += [departure.on for departure in row.departures if consent.stream in departure.kin]
    if not left:
        return True
    return Doubt.REJOINING if consent.given > max(left) else Withheld.LEFT


def _departures(row: Row, streams: dict[int, Consented | Left]) -> Iterator[Departure]:
    """The departures that are news; `streams` is brought up to date, so that consents are weighed after
    them."""
    for departure in row.departures:
        received = {stream for stream in departure.kin if isinstance(streams.get(stream), Consented)}
        for stream in sorted(departure.streams | received):
            now = streams.get(stream)
            if isinstance(now, Consented) and departure.on < now.since:
                continue
            if isinstance(now, Left):
                streams[stream] = Left(max(now.when, departure.on))
                continue
            streams[stream] = Left(departure.on)
            yield Departure(stream, departure.on, departure.channel)


def _fields(row: Row, member: KnownMember) -> Iterator[FieldChange]:
    """The facts in which a row differs; an empty cell differs in none, and a number once given is kept.

    A mailbox is the same however its capitals stand: those who share it may spell it differently.
    """
    facts: tuple[tuple[Column, str | frozenset[int] | None, str | frozenset[int] | None], ...] = (
        (Column.NUMBER, member.number, member.number or row.number),
        (Column.NAME, member.name, row.name),
        (Column.EMAIL, _text(member.address), _text(_moved(row, member))),
        (Column.STANDING, member.standing, row.standing),
        (Column.REGIONS, member.regions, row.regions),
        (Column.TELEPHONE, member.telephone, row.telephone),
        (Column.POSTAL_ADDRESS, member.postal_address, row.postal_address),
        (Column.LANGUAGE, member.language, row.language),
    )
    for column, before, after in facts:
        if after is not None and after != before:
            yield FieldChange(column, before, after)


def _moved(row: Row, member: KnownMember) -> Address | None:
    same = row.address and member.address and normal(row.address) == normal(member.address)
    return None if same else row.address


def _text(address: Address | None) -> str | None:
    return None if address is None else address.text
