"""Importing the secretary's file: one transaction, nobody revived, everything undecided said aloud (P12, P13)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from mailer import access
from mailer.access import Actor
from mailer.actions.leave import Draw
from mailer.core.address import Address, fold_name, normal
from mailer.core.changeset import Changed, Changeset, New, plan
from mailer.core.consent import Article9, Channel, Entry, Kind, PecrBasis, commitment
from mailer.core.listfile import Office as Role
from mailer.core.membercolumn import Column, StreamName
from mailer.core.memberfile import read
from mailer.core.membermatch import KnownMembers
from mailer.core.memberrow import MemberFile
from mailer.house import House
from mailer.models import Mailbox, Member, SuppressionKind, Wording, roll
from mailer.models.base import writing
from mailer.models.ledger import Line, append, draw_salt, record
from mailer.models.outbox import signed
from mailer.models.site import Counter, bump, current

_NOON, _LAST_MINUTE = time(12), time(23, 59, 59)

#: People added in one go.
_CHUNK = 500

#: Called with how many of how many members are written, for a progress bar.
Progress = Callable[[int, int], None]


def _silent(_done: int, _total: int) -> None:
    """No bar."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What the file said and what was, or would be, changed."""

    file: MemberFile
    changes: Changeset


def import_members(
    actor: Actor,
    house: House,
    raw: bytes,
    *,
    now: datetime,
    draw: Draw,
    draw_subject: Callable[[], str],
    dry_run: bool = False,
    progress: Progress = _silent,
) -> Imported:
    """Read a file, work out what it changes, and change that; with `dry_run` only work it out."""
    actor.needs(Role.SECRETARY, Role.CHAIR)
    today = house.today(now)
    wordings = roll.wordings()
    file = read(raw, regions=_region_names(), streams=_stream_names(house, wordings), today=today)
    # Worked out while others write: of a long file that is the most of the work.
    before = current(Counter.CHANGES)
    changes = plan(file.rows, _known(house, today), today)
    if dry_run or changes.changes_nothing:
        return Imported(file, changes)
    with writing():
        if current(Counter.CHANGES) != before:  # somebody left or joined, or another file came
            changes = plan(file.rows, _known(house, today), today)
        if not changes.changes_nothing:
            _Writer(actor, house, wordings, now, draw, draw_subject).write(changes, progress)
    return Imported(file, changes)


def _region_names() -> dict[str, int]:
    tree = access.regions()
    return {name: region.number for region in tree.all for name in (region.slug, region.name)}


def _stream_names(house: House, wordings: dict[tuple[int, int], Wording]) -> dict[str, StreamName]:
    shown: dict[int, set[int]] = {}
    for list_id, version in wordings:
        shown.setdefault(list_id, set()).add(version)
    by_number = house.library.regions.by_number
    return {
        stream.list if stream.region is None else f"{stream.list}/{by_number[stream.region].slug}": StreamName(
            stream.number, frozenset(shown.get(stream.list_id, ())), stream.region
        )
        for stream in house.library.streams.values()
    }


def _known(house: House, today: date) -> KnownMembers:
    mailboxes = roll.suppressed_hashes(SuppressionKind.MAILBOX)
    people = roll.suppressed_hashes(SuppressionKind.PERSON)
    return KnownMembers.of(
        roll.known_members(today, house.zone),
        lambda box: house.mailbox_hash(box) in mailboxes,
        lambda box, folded: house.person_hash(box, folded) in people,
    )


class _Writer:
    """Writes a change set; call it inside `writing()`."""

    def __init__(
        self,
        actor: Actor,
        house: House,
        wordings: dict[tuple[int, int], Wording],
        now: datetime,
        draw: Draw,
        draw_subject: Callable[[], str],
    ) -> None:
        self._actor = actor
        self._house = house
        self._wordings = wordings
        self._now = now
        self._draw = draw
        self._draw_subject = draw_subject

    def write(self, changes: Changeset, progress: Progress) -> None:
        """Write everything the change set decided."""
        bump(Counter.CHANGES)
        total = len(changes.new) + len(changes.changed)
        for start in range(0, len(changes.new), _CHUNK):
            self._add(changes.new[start : start + _CHUNK], changes.day)
            progress(min(start + _CHUNK, len(changes.new)), total)
        for done, changed in enumerate(changes.changed, start=len(changes.new)):
            self._change(changed, changes.day)
            progress(done + 1, total)
        record(
            self._now,
            self._actor.reference,
            "members imported",
            about="members",
            new=len(changes.new),
            changed=len(changes.changed),
            undecided=len(changes.undecided),
            withheld=len(changes.withheld),
        )

    def _add(self, people: Sequence[New], today: date) -> None:
        boxes = self._mailboxes([new.row.address for new in people])
        made = [self._member(new, boxes) for new in people]
        roll.create_members([(m, new.row.regions or frozenset()) for m, new in zip(made, people, strict=True)], today)
        append([line for m, new in zip(made, people, strict=True) for line in self._lines(m, new)])

    def _member(self, new: New, boxes: dict[str, Mailbox]) -> Member:
        row = new.row
        return Member(
            handle=signed(self._draw()),
            subject=self._draw_subject(),
            number=row.number,
            standing=new.standing,
            telephone=row.telephone or "",
            postal_address=row.postal_address or "",
            language=row.language or "en-GB",
            created_at=self._now,
            **self._named(row.name or "", row.address, boxes),
        )

    def _change(self, changed: Changed, today: date) -> None:
        member = roll.member_by_id(changed.member.id)
        if changed.fields:
            self._change_fields(member, changed, today)
        append(list(self._lines(member, changed)))

    def _change_fields(self, member: Member, changed: Changed, today: date) -> None:
        after = {change.column: change.after for change in changed.fields}
        values: dict[str, Any] = {_FIELDS[column]: value for column, value in after.items() if column in _FIELDS}
        if after.keys() & {Column.NAME, Column.EMAIL}:
            address = changed.row.address or changed.member.address
            values |= self._named(str(after.get(Column.NAME, member.name)), address, self._mailboxes([address]))
            roll.carry_suppression(member, values["mailbox"], values["person_hash"])
        if values:
            roll.change_member(member, **values)
        regions = after.get(Column.REGIONS)
        if isinstance(regions, frozenset):
            roll.set_regions(member, regions, today)
        record(
            self._now,
            self._actor.reference,
            "member changed",
            about="member",
            number=member.pk,
            fields=sorted(column.value for column in after),
        )

    def _mailboxes(self, addresses: Iterable[Address | None]) -> dict[str, Mailbox]:
        hashed = [(a, self._house.mailbox_hash(normal(a))) for a in addresses if a is not None]
        return roll.mailboxes_for(hashed, self._now)

    def _named(self, name: str, address: Address | None, boxes: dict[str, Mailbox]) -> dict[str, Any]:
        """The fields that follow from name and address together."""
        folded = fold_name(name)
        values: dict[str, Any] = {"name": name, "folded_name": folded, "mailbox": None, "person_hash": ""}
        if address is not None:
            box = normal(address)
            values["mailbox"] = boxes[box]
            values["person_hash"] = self._house.person_hash(box, folded)
        return values

    def _lines(self, member: Member, said: New | Changed) -> Iterator[Line]:
        """What the ledger learns of a member."""
        for consent in said.consents:
            salt = draw_salt()
            wording = self._wordings[self._list_id(consent.stream), consent.wording]
            committed = commitment(salt, consent.evidence)
            given, channel = consent.given, consent.channel
            entry = self._entry(member, consent.stream, Kind.GIVEN, given, channel, wording, committed)
            yield Line(member, entry, salt, consent.evidence)
        for departure in said.departures:
            wording = self._newest_wording(departure.stream)
            channel = departure.channel or Channel.STAFF
            yield Line(member, self._entry(member, departure.stream, Kind.WITHDRAWN, departure.on, channel, wording))

    def _entry(
        self,
        member: Member,
        stream: int,
        kind: Kind,
        day: date,
        channel: Channel,
        wording: Wording,
        committed: str = "",
    ) -> Entry:
        # A file knows days. A departure counts as the last act of its day: in doubt nobody is written to.
        at = datetime.combine(day, _LAST_MINUTE if kind is Kind.WITHDRAWN else _NOON, tzinfo=self._house.zone)
        return Entry(
            subject=member.subject,
            stream=stream,
            kind=kind,
            at=min(at, self._now),
            recorded_at=self._now,
            channel=channel,
            actor=self._actor.reference,
            article9=Article9(wording.article9),
            pecr=PecrBasis(wording.pecr),
            wording=wording.pk if kind is Kind.GIVEN else None,
            commitment=committed,
        )

    def _list_id(self, stream: int) -> int:
        return self._house.library.streams[stream].list_id

    def _newest_wording(self, stream: int) -> Wording:
        list_id = self._list_id(stream)
        return self._wordings[list_id, max(version for number, version in self._wordings if number == list_id)]


_FIELDS = {
    Column.NUMBER: "number",
    Column.STANDING: "standing",
    Column.TELEPHONE: "telephone",
    Column.POSTAL_ADDRESS: "postal_address",
    Column.LANGUAGE: "language",
}
