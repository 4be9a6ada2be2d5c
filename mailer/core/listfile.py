"""The list files: what a list is, whom it is for, and the words people agreed to.

`lists/<slug>.toml` is one list; its slug and its `id` are permanent. `lists/regions.toml` is the tree of
regions. Both are read here from text alone; what is wrong comes back as complaints with an id, all at once
(design.md section 1; standards P1, P7).
"""

import re
import tomllib
from dataclasses import dataclass, replace
from enum import StrEnum

from mailer.core.audience import Standing
from mailer.core.complaint import Complaint, Flaw, ListFileError, Table
from mailer.core.consent import Article9, PecrBasis
from mailer.core.kind import (
    ADDRESS,
    FLAG,
    LINE,
    PARAGRAPHS,
    SLUG,
    KindError,
    anything,
    many,
    nearest,
    one_of,
    optional,
    refined,
    whole,
)
from mailer.core.region import Region, RegionError, Regions

REGIONS_FILE = "lists/regions.toml"
#: A list's number times this, plus the region's, is the stream's number: so a region has at most four digits.
_STREAMS_PER_LIST = 10_000
_NUMBER = whole(1, _STREAMS_PER_LIST - 1)


class Office(StrEnum):
    """A role held for a term (design.md section 1)."""

    CHAIR = "chair"
    SECRETARY = "secretary"
    COORDINATOR = "coordinator"
    EDITOR = "editor"


@dataclass(frozen=True, slots=True)
class Wording:
    """The words that a person agrees to; other words are another version (standards P7)."""

    version: int
    text: str
    controller: str
    condition: Article9
    basis: PecrBasis


@dataclass(frozen=True, slots=True)
class ListFile:
    """One list as its file describes it; `label`, its part of the List-Id, never changes (standards L11)."""

    slug: str
    id: int
    label: str
    title: str
    regional: bool
    standings: frozenset[Standing]
    writers: frozenset[Office]
    template: str
    reason: str
    wording: Wording
    sender_name: str | None = None
    reply_to: str | None = None
    approval: bool = False

    def filled(self, organisation: str) -> "ListFile":
        """The list with the organisation's name in its texts: the words that are shown and stored."""
        return replace(
            self,
            title=_fill(self.title, organisation),
            reason=_fill(self.reason, organisation),
            wording=replace(
                self.wording,
                text=_fill(self.wording.text, organisation),
                controller=_fill(self.wording.controller, organisation),
            ),
        )


@dataclass(frozen=True, slots=True)
class Stream:
    """A list, or one region of a regional list: what consent, subscription and token speak of."""

    number: int
    list: str
    list_id: int
    region: int | None
    title: str
    label: str


def stream_number(list_id: int, region_number: int | None = None) -> int:
    """The permanent number of a list's stream, or of its stream in one region."""
    return list_id * _STREAMS_PER_LIST + (region_number or 0)


def streams_of(listfile: ListFile, regions: Regions) -> tuple[Stream, ...]:
    """The one stream of a list of the whole organisation, or one for every region of the tree."""
    if not listfile.regional:
        number = stream_number(listfile.id)
        return (Stream(number, listfile.slug, listfile.id, None, listfile.title, listfile.label),)
    return tuple(
        Stream(
            stream_number(listfile.id, region.number),
            listfile.slug,
            listfile.id,
            region.number,
            f"{listfile.title}: {region.name}",
            f"{region.slug}.{listfile.label}",
        )
        for region in regions.all
    )


_SLOT = re.compile(r"\{organisation\}")


def _fill(text: str, organisation: str) -> str:
    return _SLOT.sub(lambda _: organisation, text)


def _no_other_slot(text: str) -> str:
    """The text on one line: how a file is wrapped does not change what a person reads."""
    if "{" in _SLOT.sub("", text) or "}" in _SLOT.sub("", text):
        raise KindError("the only thing that may stand in braces is {organisation}")
    return " ".join(text.split())


_SAYING = refined(LINE, "a line of text, which may hold {organisation}", _no_other_slot)
_WORDS = refined(PARAGRAPHS, "a text, which may hold {organisation}", _no_other_slot)
_STANDINGS = many(
    one_of(Standing, leave_out=[Standing.CLAIMED]),
    'a list of "member" and "supporter", at least one',
    least=1,
)
_ENTRIES = many(anything(), "one or more tables, each beginning with a line [[region]]", least=1)
_WRITERS = many(one_of(Office), "a list of offices, at least one of: " + ", ".join(f'"{o}"' for o in Office), least=1)


def parse_list(slug: str, text: str) -> ListFile:
    """Read one list file; raises ListFileError with all that is wrong."""
    file = f"lists/{slug}.toml"
    complaints: list[Complaint] = []
    _check_slug(slug, file, complaints)
    table = Table(file, "", _toml(file, text), complaints)
    number = table.take("id", _NUMBER, 0)
    label = table.take("label", SLUG, "")
    title = table.take("title", _SAYING, "")
    regional = table.take("regional", FLAG, fallback=False)
    writers = table.take("writers", _WRITERS, ())
    template = table.take("template", SLUG, "")
    reason = table.take("reason", _SAYING, "")
    sender_name = table.take_optional("sender_name", optional(LINE), None)
    reply_to = table.take_optional("reply_to", optional(ADDRESS), None)
    approval = table.take_optional("approval", FLAG, default=False)
    audience = table.table("audience")
    standings = audience.take("standings", _STANDINGS, ())
    audience.close()
    wording = _parse_wording(table.table("wording"), standings)
    table.close()
    if complaints:
        raise ListFileError(complaints)
    return ListFile(
        slug=slug,
        id=number,
        label=label,
        title=title,
        regional=regional,
        standings=frozenset(standings),
        writers=frozenset(writers),
        template=template,
        reason=reason,
        wording=wording,
        sender_name=sender_name,
        reply_to=reply_to,
        approval=approval,
    )


def parse_regions(text: str) -> Regions:
    """Read lists/regions.toml; raises ListFileError with all that is wrong."""
    complaints: list[Complaint] = []
    top = Table(REGIONS_FILE, "", _toml(REGIONS_FILE, text), complaints)
    entries = top.take("region", _ENTRIES, ())
    top.close()
    read = [_parse_region(entry, index, complaints) for index, entry in enumerate(entries, 1)]
    numbers = {slug: number for number, slug, _, _ in read}
    complaints += _used_twice(read)
    regions: list[Region] = []
    for index, (number, slug, name, parent) in enumerate(read, 1):
        if parent is not None and parent not in numbers:
            message = f"there is no region {parent!r} for this one to lie in"
            hint = nearest(parent, numbers)
            complaints.append(Complaint(Flaw.NO_TREE, REGIONS_FILE, f"region[{index}].parent", message, hint))
        regions.append(Region(number, slug, name, numbers.get(parent) if parent else None))
    if complaints:
        raise ListFileError(complaints)
    try:
        return Regions(tuple(regions))
    except RegionError as error:
        raise ListFileError([Complaint(Flaw.NO_TREE, REGIONS_FILE, "region", str(error))]) from error


def _used_twice(read: list[tuple[int, str, str, str | None]]) -> list[Complaint]:
    complaints: list[Complaint] = []
    for column, key in enumerate(("number", "slug")):
        values = [row[column] for row in read]
        complaints += [
            Complaint(Flaw.USED_TWICE, REGIONS_FILE, f"region[{index}].{key}", f"{value!r} is used twice")
            for index, value in enumerate(values, 1)
            if value and value in values[: index - 1]
        ]
    return complaints


def _parse_region(entry: object, index: int, complaints: list[Complaint]) -> tuple[int, str, str, str | None]:
    table = Table(REGIONS_FILE, f"region[{index}]", entry, complaints)
    number = table.take("number", _NUMBER, 0)
    slug = table.take("slug", SLUG, "")
    name = table.take("name", LINE, "")
    parent = table.take_optional("parent", optional(SLUG), None)
    table.close()
    return number, slug, name, parent


def _parse_wording(table: Table, standings: tuple[Standing, ...]) -> Wording:
    wording = Wording(
        version=table.take("version", whole(1, 9999), 0),
        text=table.take("text", _WORDS, ""),
        controller=table.take("controller", _SAYING, ""),
        condition=table.take("condition", one_of(Article9), Article9.EXPLICIT_CONSENT),
        basis=table.take("basis", one_of(PecrBasis), PecrBasis.CONSENT),
    )
    table.close()
    if Standing.SUPPORTER in standings and wording.condition is Article9.NOT_FOR_PROFIT_BODY:
        table.complain(
            Flaw.WRONG_CONDITION,
            "condition",
            "people who are not members may only be on a list by explicit consent (standards P1)",
            f'write "{Article9.EXPLICIT_CONSENT}" and let the text say so, or leave "supporter" out',
        )
    return wording


def _toml(file: str, text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        hint = "texts stand in double quotes, tables begin with [name]"
        raise ListFileError([Complaint(Flaw.NOT_TOML, file, "", f"this is not TOML: {error}", hint)]) from error


def _check_slug(slug: str, file: str, complaints: list[Complaint]) -> None:
    try:
        SLUG.read(slug)
    except KindError:
        message = f"the name of the file is expected to be {SLUG.expected}"
        complaints.append(Complaint(Flaw.WRONG_VALUE, file, "", message, "rename the file"))
