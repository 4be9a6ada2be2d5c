"""Importing the secretary's file: one transaction, nobody revived, everything undecided said aloud (P12, P13)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from mailer import access
from mailer.access import Actor
from mailer.actions.leave import Draw
from mailer.core.address import Address, fold_name, normal
from mailer.core.changeset import Changed, Changeset, Departure, New, plan
from mailer.core.consent import Article9, Channel, Entry, Kind, PecrBasis, commitment
from mailer.core.listfile import Office as Role
from mailer.core.membercolumn import Column, StreamName
from mailer.core.memberfile import read
from mailer.core.membermatch import KnownMembers
from mailer.core.memberrow import MemberFile, StatedConsent
from mailer.house import House
from mailer.models import Member, SuppressionKind, Wording, roll
from mailer.models.base import writing
from mailer.models.ledger import append, draw_salt, record
from mailer.models.outbox import signed
from mailer.models.site import Counter, bump

_NOON, _LAST_MINUTE = time(12), time(23, 59, 59)

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
    with writing():
        changes = plan(file.rows, _known(house, today), today)
        if not dry_run and not changes.changes_nothing:
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
        for done, new in enumerate(changes.new):
            self._add(new, changes.day)
            progress(done + 1, total)
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

    def _add(self, new: New, today: date) -> None:
        row = new.row
        name = row.name or ""
        member = roll.create_member(
            handle=signed(self._draw()),
            subject=self._draw_subject(),
            number=row.number,
            standing=new.standing,
            telephone=row.telephone or "",
            postal_address=row.postal_address or "",
            language=row.language or "en-GB",
            created_at=self._now,
            **self._named(name, row.address),
        )
        if row.regions:
            roll.set_regions(member, row.regions, today)
        self._consent(member, new.consents, new.departures)

    def _change(self, changed: Changed, today: date) -> None:
        member = roll.member_by_id(changed.member.id)
        if changed.fields:
            self._change_fields(member, changed, today)
        self._consent(member, changed.consents, changed.departures)

    def _change_fields(self, member: Member, changed: Changed, today: date) -> None:
        after = {change.column: change.after for change in changed.fields}
        values: dict[str, Any] = {_FIELDS[column]: value for column, value in after.items() if column in _FIELDS}
        if after.keys() & {Column.NAME, Column.EMAIL}:
            address = changed.row.address or changed.member.address
            values |= self._named(str(after.get(Column.NAME, member.name)), address)
            roll.carry_suppression(member.person_hash, values["person_hash"])
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

    def _named(self, name: str, address: Address | None) -> dict[str, Any]:
        """The fields that follow from name and address together."""
        folded = fold_name(name)
        values: dict[str, Any] = {"name": name, "folded_name": folded, "mailbox": None, "person_hash": ""}
        if address is not None:
            box = normal(address)
            values["mailbox"] = roll.mailbox_for(address, self._house.mailbox_hash(box), self._now)
            values["person_hash"] = self._house.person_hash(box, folded)
        return values

    def _consent(self, member: Member, consents: tuple[StatedConsent, ...], departures: tuple[Departure, ...]) -> None:
        for consent in consents:
            salt = draw_salt()
            wording = self._wordings[self._list_id(consent.stream), consent.wording]
            append(
                member,
                self._entry(
                    member,
                    consent.stream,
                    Kind.GIVEN,
                    consent.given,
                    consent.channel,
                    wording,
                    commitment(salt, consent.evidence),
                ),
                salt=salt,
                evidence=consent.evidence,
            )
        for departure in departures:
            wording = self._newest_wording(departure.stream)
            channel = departure.channel or Channel.STAFF
            append(member, self._entry(member, departure.stream, Kind.WITHDRAWN, departure.on, channel, wording))

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
