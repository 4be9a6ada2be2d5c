"""The members' file: the secretary's spreadsheet, saved as CSV, becomes rows and complaints by line.

Law: nothing is lost and nothing is guessed. A column we do not know is named; a cell we cannot read is
complained of, and what is already known stays; where the cells that say *who* it is cannot be read, the row
keeps them and waits for a person. A consent without date, channel, known wording and evidence is no consent
(standards P2, P7, P12): the person is imported, the subscription is not. There is no word for a soft opt-in.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import TypeVar

from mailer.core import membercell, tabular
from mailer.core.address import Address, AddressError, fold_name
from mailer.core.address import parse as parse_address
from mailer.core.membercell import CellError, quoted
from mailer.core.membercolumn import (
    Column,
    Heading,
    Layout,
    Part,
    StreamColumns,
    StreamNames,
    lay_out,
    squash,
)
from mailer.core.memberrow import Complaint, MemberFile, Row, StatedConsent, StatedDeparture

Value = TypeVar("Value")

#: The longest cells, where 200 characters would not do or would not fit.
_LONGEST: Mapping[Column | Part, int] = {
    Column.NUMBER: 32,
    Column.EMAIL: 320,
    Column.TELEPHONE: 40,
    Column.POSTAL_ADDRESS: 500,
    Column.LANGUAGE: 16,
    Part.EVIDENCE: 1000,
}
_WITH_LINES = frozenset({Column.POSTAL_ADDRESS, Part.EVIDENCE})
#: Cells that say who a person is, or that they left: if one cannot be read, the row waits for a person.
_WEIGHTY: frozenset[Column | Part] = frozenset(
    {Column.NUMBER, Column.NAME, Column.FIRST_NAME, Column.LAST_NAME, Column.EMAIL, Part.LEFT}
)
_CONSENT = (Part.DATE, Part.CHANNEL, Part.WORDING, Part.EVIDENCE)


def read(raw: bytes, *, regions: Mapping[str, int], streams: StreamNames, today: date) -> MemberFile:
    """Read a members' file.

    `regions` maps slugs and names to region numbers; `streams` maps ``list`` or ``list/region`` (slugs) to
    what is known of the stream; `today` is the date in the organisation's zone: nobody consents in the
    future.
    """
    columns = StreamColumns.of(streams, regions)
    table = tabular.read_table(raw, columns.knows)
    layout = lay_out(table.header, columns)
    reader = _Reader(layout, {squash(name): number for name, number in regions.items()}, today)
    rows = tuple(reader.row(record) for record in table.records)
    return MemberFile(rows, tuple(reader.complaints), layout.unknown, table.encoding)


class _Reader:
    """Reads one row after the other; complaints gather here."""

    def __init__(self, layout: Layout, regions: Mapping[str, int], today: date) -> None:
        self.complaints: list[Complaint] = []
        self._layout = layout
        self._regions = regions
        self._today = today
        self._line = 0
        self._cells: Sequence[str] = ()
        self._unread: list[tuple[str, str]] = []

    def row(self, record: tabular.Record) -> Row:
        """Read one record."""
        self._line, self._cells, self._unread = record.line, record.cells, []
        if any(cell.strip() for cell in record.cells[len(self._layout.header) :]):
            return self._shifted_row()
        regions = self._read(Column.REGIONS, self._region_numbers)
        consents: list[StatedConsent] = []
        departures: list[StatedDeparture] = []
        for heading, places in self._layout.streams:
            departures += self._departure(heading, places, regions)
            consents += self._consent(heading, places, regions)
        return Row(
            line=record.line,
            number=self._read(Column.NUMBER, membercell.read_number),
            name=self._name(),
            address=self._read(Column.EMAIL, _address),
            standing=self._read(Column.STANDING, membercell.read_standing),
            regions=regions,
            telephone=self._read(Column.TELEPHONE, membercell.read_telephone),
            postal_address=self._read(Column.POSTAL_ADDRESS, str),
            language=self._read(Column.LANGUAGE, membercell.read_language),
            consents=tuple(consents),
            departures=tuple(departures),
            unread=tuple(self._unread),
        )

    def _shifted_row(self) -> Row:
        """A row with more cells than the header: a separator slipped in, so no cell is known to be what it
        seems."""
        what = f"The row has {len(self._cells)} cells, the header {len(self._layout.header)}."
        self._complain("", what, "Put a cell that holds a comma or semicolon in quotes.")
        return Row(self._line, unread=(("", " | ".join(self._cells)),))

    def _name(self) -> str | None:
        whole = self._read(Column.NAME, _plain_name)
        parts = (self._read(Column.FIRST_NAME, _plain_name), self._read(Column.LAST_NAME, _plain_name))
        return whole or " ".join(filter(None, parts)) or None

    def _region_numbers(self, text: str) -> frozenset[int]:
        found = set()
        for name in text.replace("/", ";").split(";"):
            if name.strip():
                number = self._regions.get(squash(name))
                if number is None:
                    raise CellError(
                        f"There is no region {quoted(name.strip())}.",
                        "Use the names in lists/regions.toml, several separated by a semicolon or a slash.",
                    )
                found.add(number)
        if not found:
            raise CellError(f"{quoted(text)} names no region.", "Empty the cell, or name a region.")
        return frozenset(found)

    def _read(self, column: Column, reader: Callable[[str], Value]) -> Value | None:
        """The value of a cell; None if it is empty, or after a complaint."""
        place = self._layout.places.get(column)
        if place is None:
            return None
        return self._value(place, column, reader)

    def _value(self, place: int | None, column: Column | Part, reader: Callable[[str], Value]) -> Value | None:
        text = self._text(place)
        if place is None or not text:
            return None
        try:
            return reader(
                membercell.tidy(text, lines=column in _WITH_LINES, longest=_LONGEST.get(column, membercell.LONGEST))
            )
        except CellError as error:
            self._complain(self._layout.header[place], error.what, error.todo)
        if column in _WEIGHTY:
            self._unread.append((self._layout.header[place], text))
        return None

    def _text(self, place: int | None) -> str:
        return self._cells[place].strip() if place is not None and place < len(self._cells) else ""

    def _departure(
        self, heading: Heading, places: Mapping[Part, int], regions: frozenset[int] | None
    ) -> Iterator[StatedDeparture]:
        on = self._value(places.get(Part.LEFT), Part.LEFT, self._day)
        channel = self._value(places.get(Part.LEFT_CHANNEL), Part.LEFT_CHANNEL, membercell.channel_left)
        if on is not None:
            streams = _own_streams(heading, regions) or _kin(heading)
            yield StatedDeparture(streams, _kin(heading), on, channel)
        elif channel is not None and not self._text(places.get(Part.LEFT)):
            what = f"This says how the person left {heading.name}, but not when."
            self._complain(self._head(heading, places, Part.LEFT), what, "Enter the date.")

    def _consent(
        self, heading: Heading, places: Mapping[Part, int], regions: frozenset[int] | None
    ) -> Iterator[StatedConsent]:
        if not any(self._text(places.get(part)) for part in _CONSENT):
            return
        wordings = frozenset[int]().union(*(stream.wordings for stream in heading.streams.values()))
        given = self._part(heading, places, Part.DATE, self._day)
        channel = self._part(heading, places, Part.CHANNEL, membercell.channel_given)
        wording = self._part(heading, places, Part.WORDING, lambda text: membercell.read_wording(text, wordings))
        evidence = self._part(heading, places, Part.EVIDENCE, lambda text: membercell.read_evidence(text, channel))
        if given is None or channel is None or wording is None or evidence is None:
            return
        streams = _own_streams(heading, regions)
        if not streams:
            what = f"The consent for {heading.name} is for the person's own region, and this row names none."
            self._complain(
                self._head(heading, places, Part.DATE),
                what,
                f"Fill in the column regions, or head the columns {heading.name}/region consent date.",
            )
        for stream in sorted(streams):
            yield StatedConsent(stream, _kin(heading), given, channel, wording, evidence)

    def _part(
        self, heading: Heading, places: Mapping[Part, int], part: Part, reader: Callable[[str], Value]
    ) -> Value | None:
        """A part of a consent; if it is missing, that is complained of too."""
        if not self._text(places.get(part)):
            what = f"The consent for {heading.name} is not taken: it lacks its {_in_short(part)}."
            todo = "Enter it, or empty the other columns of this consent."
            self._complain(self._head(heading, places, part), what, todo)
            return None
        return self._value(places[part], part, reader)

    def _day(self, text: str) -> date:
        return membercell.read_date(text, self._today)

    def _head(self, heading: Heading, places: Mapping[Part, int], part: Part) -> str:
        return self._layout.header[places[part]] if part in places else f"{heading.name} {part}"

    def _complain(self, column: str, what: str, todo: str) -> None:
        self.complaints.append(Complaint(self._line, column, what, todo))


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except AddressError as error:
        raise CellError(f"{quoted(text)} is not an e-mail address:", str(error)) from error


def _plain_name(text: str) -> str:
    """The name with single blanks; folding may lengthen it (one ligature becomes eighteen letters)."""
    if len(fold_name(text)) > membercell.LONGEST:
        raise CellError("This name is too long once it is written out.", "Enter a shorter form of it.")
    return " ".join(text.split())


def _in_short(part: Part) -> str:
    return part.value.removeprefix("consent ")


def _own_streams(heading: Heading, regions: frozenset[int] | None) -> frozenset[int]:
    """The streams a heading means for a person who lives in `regions`."""
    if not heading.whole:
        return frozenset(stream.number for stream in heading.streams.values())
    return frozenset(stream.number for region, stream in heading.streams.items() if region in (regions or ()))


def _kin(heading: Heading) -> frozenset[int]:
    return frozenset(stream.number for stream in heading.streams.values())
