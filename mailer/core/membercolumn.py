"""The headers of the members' file: which column is what, whatever a spreadsheet calls it.

Headers are compared without case, blanks, hyphens, underscores and stops. A stream's columns begin with the
list's slug, and for one region of it with ``list/region``: ``local-notices/norfolk consent date``. What is
not in the tables is reported by name and never dropped in silence; two columns that mean the same are
refused.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self, TypeVar

from mailer.core.tabular import TableError


class Column(StrEnum):
    """What a column says of a person, by the name that complaints use."""

    NUMBER = "number"
    NAME = "name"
    FIRST_NAME = "first name"
    LAST_NAME = "last name"
    EMAIL = "e-mail"
    STANDING = "standing"
    REGIONS = "regions"
    TELEPHONE = "telephone"
    POSTAL_ADDRESS = "postal address"
    LANGUAGE = "language"


class Part(StrEnum):
    """What a column says of a person and a stream: four parts of a consent, two of a departure."""

    DATE = "consent date"
    CHANNEL = "consent channel"
    WORDING = "consent wording"
    EVIDENCE = "consent evidence"
    LEFT = "left date"
    LEFT_CHANNEL = "left channel"


#: Other names, squashed, of each column.
_SYNONYMS: Mapping[Column, tuple[str, ...]] = {
    Column.NUMBER: (
        "memberno",
        "membernumber",
        "membershipno",
        "membershipnumber",
        "memberid",
        "membershipid",
    ),
    Column.NAME: ("fullname", "membername"),
    Column.FIRST_NAME: ("forename", "forenames", "givenname", "givennames", "firstnames"),
    Column.LAST_NAME: ("surname", "familyname"),
    Column.EMAIL: ("emailaddress",),
    Column.STANDING: (),
    Column.REGIONS: ("region",),
    Column.TELEPHONE: ("telephoneno", "telephonenumber", "phone", "phoneno", "phonenumber", "tel"),
    Column.POSTAL_ADDRESS: ("address", "post"),
    Column.LANGUAGE: ("lang", "preferredlanguage"),
}
_PART_SYNONYMS: Mapping[Part, tuple[str, ...]] = {
    Part.DATE: (),
    Part.CHANNEL: ("channel",),
    Part.WORDING: ("wording", "consentwordingversion", "wordingversion"),
    Part.EVIDENCE: ("evidence",),
    Part.LEFT: ("left",),
    Part.LEFT_CHANNEL: (),
}

Key = TypeVar("Key", bound=StrEnum)

_APART = re.compile(r"[^\w/]|_")


def squash(name: str) -> str:
    """A header, or a region's name, as it is compared."""
    return _APART.sub("", name.casefold())


_BY_HEADER: Mapping[str, Column] = {
    squash(name): column for column, others in _SYNONYMS.items() for name in (column.value, *others)
}


@dataclass(frozen=True, slots=True)
class StreamName:
    """A stream as a file may name it; `wordings` are the versions that were ever shown, `region` is None
    unless its list is regional.
    """

    number: int
    wordings: frozenset[int]
    region: int | None = None


#: ``list``, or ``list/region`` for a stream of a regional list (slugs), to the stream.
StreamNames = Mapping[str, StreamName]


@dataclass(frozen=True, slots=True)
class Heading:
    """What a stream's columns speak of: `streams` by region.

    `whole` if the header names a regional list without a region, so that the person's own regions decide.
    """

    name: str
    streams: Mapping[int | None, StreamName]
    whole: bool


@dataclass(frozen=True, slots=True)
class StreamColumns:
    """Every header that may speak of a stream."""

    by_header: Mapping[str, tuple[str, Part]]
    headings: Mapping[str, Heading]

    @classmethod
    def of(cls, streams: StreamNames, regions: Mapping[str, int]) -> Self:
        """The headers of these streams; a region may be written as slug or name."""
        headings: dict[str, Heading] = {}
        by_header: dict[str, tuple[str, Part]] = {}
        for key, heading, spellings in _headings(streams, regions):
            headings[key] = heading
            for spelling in spellings:
                for part, others in _PART_SYNONYMS.items():
                    for word in (part.value, *others):
                        by_header[squash(spelling + word)] = (key, part)
        return cls(by_header, headings)

    def knows(self, header: str) -> bool:
        """Whether a header is one of ours."""
        return squash(header) in _BY_HEADER or squash(header) in self.by_header


def _headings(streams: StreamNames, regions: Mapping[str, int]) -> list[tuple[str, Heading, list[str]]]:
    found = []
    by_list: dict[str, dict[int | None, StreamName]] = {}
    for key, stream in streams.items():
        slug = key.partition("/")[0]
        spellings = [key, *(f"{slug}/{name}" for name, number in regions.items() if number == stream.region)]
        found.append((key, Heading(key, {stream.region: stream}, whole=False), spellings))
        if stream.region is not None:
            by_list.setdefault(slug, {})[stream.region] = stream
    found.extend((slug, Heading(slug, streams_of, whole=True), [slug]) for slug, streams_of in by_list.items())
    return found


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each column stands (from 0), how the file heads it, and what nobody knew."""

    header: tuple[str, ...]
    places: Mapping[Column, int]
    streams: tuple[tuple[Heading, Mapping[Part, int]], ...]
    unknown: tuple[str, ...]


def lay_out(header: Sequence[str], columns: StreamColumns) -> Layout:
    """Find what each column is; refuse a header that cannot say who a row is, or says one thing twice."""
    places: dict[Column, int] = {}
    stream_places: dict[str, dict[Part, int]] = {}
    unknown: list[str] = []
    for place, name in enumerate(header):
        squashed = squash(name)
        if squashed in _BY_HEADER:
            _put(places, _BY_HEADER[squashed], place, header)
        elif squashed in columns.by_header:
            key, part = columns.by_header[squashed]
            _put(stream_places.setdefault(key, {}), part, place, header)
        else:
            unknown.append(name or f"column {place + 1}, without a name")
    if Column.NAME in places:
        unknown += [header[places.pop(c)] for c in (Column.FIRST_NAME, Column.LAST_NAME) if c in places]
    _says_who(places)
    streams = tuple((columns.headings[key], parts) for key, parts in stream_places.items())
    return Layout(tuple(header), places, streams, tuple(unknown))


def _put(places: dict[Key, int], key: Key, place: int, header: Sequence[str]) -> None:
    if key in places:
        raise TableError(
            f"The columns “{header[places[key]]}” and “{header[place]}” mean the same ({key}). "
            "Delete one, or give it another name."
        )
    places[key] = place


def _says_who(places: Mapping[Column, int]) -> None:
    named = Column.NAME in places or Column.LAST_NAME in places
    if Column.NUMBER in places or (Column.EMAIL in places and named):
        return
    raise TableError(
        "The first line must name the columns, separated by comma or semicolon, and among them “number”, "
        "or “name” and “e-mail”: without these nobody can be recognised the next time. "
        "docs/members-file.md shows them all."
    )
