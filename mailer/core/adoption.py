"""From list files to a running site: what fits together, and what may not change once people have agreed.

The database keeps what was adopted: numbers, labels and every wording ever shown. New files are compared with
that before they are adopted, and a worker compares digests before it sends (design.md sections 1 and 5).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from mailer.core.complaint import Complaint, Flaw
from mailer.core.listfile import REGIONS_FILE, ListFile, streams_of
from mailer.core.region import Regions


@dataclass(frozen=True, slots=True)
class AdoptedList:
    """A list that the database knows, whether or not its file is still there.

    `wordings` are the words shown, by version; `subscriptions` counts the active ones by the stream's number.
    """

    slug: str
    id: int
    label: str
    wordings: Mapping[int, str] = field(default_factory=dict)
    subscriptions: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AdoptedRegion:
    """A region that the database knows, and how many members live in it now."""

    slug: str
    number: int
    members: int = 0


@dataclass(frozen=True, slots=True)
class Adopted:
    """What the database knows of all lists and regions there ever were."""

    lists: tuple[AdoptedList, ...] = ()
    regions: tuple[AdoptedRegion, ...] = ()


def digest(lists: Iterable[ListFile], regions: Regions) -> str:
    """SHA-256, in hex, over what the files say once the organisation's name is filled in.

    Comments, wrapping and the order of keys do not count, so that tidying a file stops no worker; a host
    whose configuration names another organisation differs, because people there would see other words.
    """
    content = {
        "lists": [_plain(asdict(listfile)) for listfile in sorted(lists, key=lambda each: each.id)],
        "regions": [asdict(region) for region in sorted(regions.all, key=lambda each: each.number)],
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _plain(values: dict[str, object]) -> dict[str, object]:
    return {key: sorted(value) if isinstance(value, frozenset) else value for key, value in values.items()}


def complain_together(lists: Iterable[ListFile]) -> list[Complaint]:
    """What no file can know alone: ids and labels are used once."""
    complaints: list[Complaint] = []
    ids: dict[int, str] = {}
    labels: dict[str, str] = {}
    for each in sorted(lists, key=lambda listfile: listfile.slug):
        for key, value, holder in (
            ("id", each.id, ids.setdefault(each.id, each.slug)),
            ("label", each.label, labels.setdefault(each.label, each.slug)),
        ):
            if holder != each.slug:
                message = f"{value!r} is already the {key} of lists/{holder}.toml"
                hint = "give the newer list one that was never used"
                complaints.append(Complaint(Flaw.USED_TWICE, _file(each.slug), key, message, hint))
    return complaints


def complain_about_changes(before: Adopted, lists: Iterable[ListFile], regions: Regions) -> list[Complaint]:
    """What the new files may not do to what was adopted; `lists` have the organisation's name filled in."""
    after = {listfile.slug: listfile for listfile in lists}
    return [
        *_reused_ids(before, after),
        *(complaint for old in before.lists for complaint in _list_changes(old, after.get(old.slug))),
        *_lost_streams(before, after, regions),
        *_region_changes(before, regions),
    ]


def _reused_ids(before: Adopted, after: Mapping[str, ListFile]) -> Iterable[Complaint]:
    owners = {old.id: old.slug for old in before.lists}
    labels = {old.label: old.slug for old in before.lists}
    for slug, new in after.items():
        if owners.get(new.id, slug) != slug:
            message = f"{new.id} is the number of the list {owners[new.id]!r}, and a number is never reused"
            hint = f"take a number that no list ever had, or call the file lists/{owners[new.id]}.toml again"
            yield Complaint(Flaw.NUMBER_CHANGED, _file(slug), "id", message, hint)
        if labels.get(new.label, slug) != slug:
            message = f"{new.label!r} is the label of the list {labels[new.label]!r}, and a label is never reused"
            yield Complaint(Flaw.LABEL_CHANGED, _file(slug), "label", message, "take a label of its own")


def _list_changes(old: AdoptedList, new: ListFile | None) -> Iterable[Complaint]:
    if new is None:
        return
    file = _file(old.slug)
    if new.id != old.id:
        message = f"the number of this list was {old.id} and may not change"
        yield Complaint(Flaw.NUMBER_CHANGED, file, "id", message, f"write id = {old.id}")
    if new.label != old.label:
        message = f"the label was {old.label!r}; mail programs know the list by it"
        yield Complaint(Flaw.LABEL_CHANGED, file, "label", message, f'write label = "{old.label}"')
    newest = max(old.wordings, default=0)
    if old.wordings.get(new.wording.version, new.wording.text) != new.wording.text:
        message = f"version {new.wording.version} was shown to people with other words"
        hint = f"put the old words back, or write version = {newest + 1} for the new ones"
        yield Complaint(Flaw.SAME_VERSION, file, "wording.text", message, hint)
    elif new.wording.version < newest:
        message = f"version {newest} was already in use, so an older one cannot come back"
        yield Complaint(Flaw.SAME_VERSION, file, "wording.version", message, f"write version = {newest + 1}")


def _lost_streams(before: Adopted, after: Mapping[str, ListFile], regions: Regions) -> Iterable[Complaint]:
    kept = {stream.number for new in after.values() for stream in streams_of(new, regions)}
    for old in before.lists:
        lost = sum(count for number, count in old.subscriptions.items() if number not in kept)
        if lost:
            message = f"{lost} subscriptions would lose their stream"
            hint = "put the list, its number, its kind or its regions back as they were; people leave first"
            yield Complaint(Flaw.STILL_SUBSCRIBED, _file(old.slug), "", message, hint)


def _region_changes(before: Adopted, regions: Regions) -> Iterable[Complaint]:
    for old in before.regions:
        new = regions.by_slug.get(old.slug)
        holder = regions.by_number.get(old.number)
        if new is not None and new.number != old.number:
            message = f"the number of region {old.slug!r} was {old.number} and may not change"
            yield Complaint(Flaw.NUMBER_CHANGED, REGIONS_FILE, old.slug, message, f"write number = {old.number}")
        if holder is not None and holder.slug != old.slug:
            message = f"{old.number} is the number of region {old.slug!r}, and a number is never reused"
            hint = f"the slug is permanent too; only the name may change: write slug = {old.slug!r}"
            yield Complaint(Flaw.NUMBER_CHANGED, REGIONS_FILE, holder.slug, message, hint)
        if new is None and old.members:
            message = f"region {old.slug!r} still has {old.members} members"
            hint = "move them to another region first, then take it out"
            yield Complaint(Flaw.STILL_MEMBERS, REGIONS_FILE, old.slug, message, hint)


def _file(slug: str) -> str:
    return f"lists/{slug}.toml"
