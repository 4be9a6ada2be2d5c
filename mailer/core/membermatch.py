"""Who a row of the members' file is: a member found by number, else by mailbox and folded name, else someone
new.

Law (design.md section 1): where that is not certain, a person decides. Rows are looked at together, since two
that claim one person are both in doubt, and rows found by number come first: whom a number names, no name can
claim. Numbers are compared exactly. A number makes nobody into another known member either: where mailbox and
name say it is that other, a person decides, or one's consent would be booked on the other.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Self

from mailer.core.address import Address, fold_name, normal
from mailer.core.audience import Standing
from mailer.core.consent import Channel
from mailer.core.memberrow import Row


@dataclass(frozen=True, slots=True)
class Consented:
    """The ledger's last word on a stream is this consent."""

    since: date
    wording: int
    channel: Channel


@dataclass(frozen=True, slots=True)
class Left:
    """The ledger's last word on a stream is that the person left it."""

    when: date


#: Mailbox in normal form, and folded name.
PersonKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class KnownMember:
    """A member as they stand now; `streams` has no entry for a stream of which the ledger does not speak."""

    id: int
    number: str | None
    name: str
    address: Address | None
    standing: Standing
    regions: frozenset[int] = frozenset()
    telephone: str | None = None
    postal_address: str | None = None
    language: str | None = None
    streams: Mapping[int, Consented | Left] = field(default_factory=dict)


def person_key(address: Address | None, name: str | None) -> PersonKey | None:
    """Mailbox and folded name; None if either is missing."""
    return (normal(address), fold_name(name)) if address and name else None


def _nobody(*_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class KnownMembers:
    """The members who are known, as an import looks for them, and whom we must not write to."""

    by_number: Mapping[str, KnownMember]
    by_person: Mapping[PersonKey, tuple[KnownMember, ...]]
    mailbox_suppressed: Callable[[str], bool] = _nobody
    person_suppressed: Callable[[str, str], bool] = _nobody

    @classmethod
    def of(
        cls,
        members: Iterable[KnownMember],
        mailbox_suppressed: Callable[[str], bool] = _nobody,
        person_suppressed: Callable[[str, str], bool] = _nobody,
    ) -> Self:
        """The view of these members."""
        by_number: dict[str, KnownMember] = {}
        by_person: dict[PersonKey, tuple[KnownMember, ...]] = {}
        for member in members:
            if member.number:
                by_number[member.number] = member
            if key := person_key(member.address, member.name):
                by_person[key] = (*by_person.get(key, ()), member)
        return cls(by_number, by_person, mailbox_suppressed, person_suppressed)

    def suppressed(self, keys: Iterable[PersonKey | None]) -> bool:
        """Whether any of these is one whom we must not write to."""
        return any(self.mailbox_suppressed(key[0]) or self.person_suppressed(*key) for key in keys if key is not None)


class Doubt(StrEnum):
    """Why a person must decide."""

    UNREAD = "unread"
    NUMBER_TWICE = "number_twice"
    PERSON_TWICE = "person_twice"
    OTHER_NAME = "other_name"
    OTHER_NUMBER = "other_number"
    SEVERAL = "several"
    NO_NAME = "no_name"
    NOT_TO_BE_FOUND_AGAIN = "not_to_be_found_again"
    FORGOTTEN = "forgotten"
    REJOINING = "rejoining"
    OTHER_CONSENT = "other_consent"


#: What is in doubt, and what to do.
IN_WORDS: Mapping[Doubt, tuple[str, str]] = {
    Doubt.UNREAD: (
        "A cell that says who this is, or that they left, cannot be read.",
        "Mend the cell and import the file again; the rest of it will not be done twice.",
    ),
    Doubt.NUMBER_TWICE: (
        "Several rows claim this number.",
        "Leave the number with the one it belongs to, and import the file again.",
    ),
    Doubt.PERSON_TWICE: (
        "Another row has the same mailbox and name.",
        "If it is one person, delete a row; if they are two, give each a number and tell the names apart.",
    ),
    Doubt.OTHER_NAME: (
        "The number belongs to someone of quite another name.",
        "Correct the number; or, if the name has changed, change it in the member's entry first.",
    ),
    Doubt.OTHER_NUMBER: (
        "Someone with this mailbox and name has another number, or none.",
        "If it is one person, correct the number in the file; if not, tell the names apart.",
    ),
    Doubt.SEVERAL: (
        "Several members have this mailbox and name.",
        "Enter the number of the one who is meant.",
    ),
    Doubt.NO_NAME: ("The row has no name, and no number that we know.", "Enter the name."),
    Doubt.NOT_TO_BE_FOUND_AGAIN: (
        "With neither number nor e-mail nobody could be recognised the next time.",
        "Give them a number.",
    ),
    Doubt.FORGOTTEN: (
        "This person left, or asked to be forgotten, and is no longer among the members.",
        "Delete the row. If they have come back, let them join themselves.",
    ),
    Doubt.REJOINING: (
        "The person left, and the file has a later consent.",
        "A file is not evidence enough: ask them (not by e-mail) to join the list again themselves.",
    ),
    Doubt.OTHER_CONSENT: (
        "Of the same day another consent is recorded, with other words or another channel.",
        "Look at the evidence of both, and correct the file.",
    ),
}


@dataclass(frozen=True, slots=True)
class Match:
    """Who a row is. No `member` and no `doubt`: someone new.

    With a doubt, `member` is still set where it is certain whose row it is, and `about` where it may be
    somebody's.
    """

    row: Row
    member: KnownMember | None = None
    doubt: Doubt | None = None
    about: int | None = None


def match(rows: Sequence[Row], known: KnownMembers) -> Iterator[Match]:
    """Say of each row who it is, in the order of the file."""
    claims = Counter(row.number for row in rows if row.number)
    by_number = list(_told_apart([_by_number(row, known, claims) for row in rows], known))
    taken = {found.member.id for found in by_number if found and found.member}
    keys = [_key_after(row, found) for row, found in zip(rows, by_number, strict=True)]
    alike = Counter(keys)
    for row, found, key in zip(rows, by_number, keys, strict=True):
        if found is None:
            yield _by_person(row, key, known, taken, alike[key])
        elif found.doubt in {Doubt.UNREAD, Doubt.NUMBER_TWICE}:
            yield replace(found, member=_certainly(row, key, known, alike[key]))
        else:
            yield found


def _by_number(row: Row, known: KnownMembers, claims: Mapping[str, int]) -> Match | None:
    """What the number tells; None if it tells nothing."""
    if row.unread:
        return Match(row, None, Doubt.UNREAD)
    if row.number and claims[row.number] > 1:
        return Match(row, None, Doubt.NUMBER_TWICE)
    member = known.by_number.get(row.number) if row.number else None
    if member and row.name and not _alike(row.name, member.name):
        return Match(row, None, Doubt.OTHER_NAME, member.id)
    return Match(row, member) if member else None


def _told_apart(by_number: Sequence[Match | None], known: KnownMembers) -> Iterator[Match | None]:
    """What the numbers tell, but in doubt where a row would make its member into another.

    That other waits as well if their own row moves them away: else the same file would do it the next time.
    """
    others = [_other(found, known) for found in by_number]
    claimed = {_key_after(found.row, found) for found, other in zip(by_number, others, strict=True) if found and other}
    for found, other in zip(by_number, others, strict=True):
        if found and other:
            yield Match(found.row, None, Doubt.OTHER_NUMBER, other.id)
        elif found and found.member and (key := _key(found.member)) in claimed and key != _key_after(found.row, found):
            yield Match(found.row, None, Doubt.PERSON_TWICE, found.member.id)
        else:
            yield found


def _other(found: Match | None, known: KnownMembers) -> KnownMember | None:
    """Whom mailbox and name would make of the member whom the number names, if not themselves."""
    key = _key_after(found.row, found) if found and found.member else None
    if found is None or found.member is None or key is None or key == _key(found.member):
        return None
    return next(iter(known.by_person.get(key, ())), None)


def _key(member: KnownMember) -> PersonKey | None:
    return person_key(member.address, member.name)


def _key_after(row: Row, found: Match | None) -> PersonKey | None:
    """The mailbox and name that the row's person will have."""
    member = found.member if found else None
    if member is None:
        return person_key(row.address, row.name)
    return person_key(row.address or member.address, row.name or member.name)


def _certainly(row: Row, key: PersonKey | None, known: KnownMembers, alike: int) -> KnownMember | None:
    """Whose row this is beyond doubt, although the row itself must wait."""
    if row.number:
        member = known.by_number.get(row.number)
        same = member and row.name and fold_name(row.name) == fold_name(member.name)
        return member if same else None
    found = known.by_person.get(key, ()) if key and alike == 1 else ()
    return found[0] if len(found) == 1 else None


def _by_person(row: Row, key: PersonKey | None, known: KnownMembers, taken: Container[int], alike: int) -> Match:
    """What mailbox and name tell of a row whose number tells nothing; `alike` rows of the file have them."""
    if key is None:
        return Match(row, None, _nameless(row))
    found = [member for member in known.by_person.get(key, ()) if member.id not in taken]
    if alike > 1:
        return Match(row, None, Doubt.PERSON_TWICE)
    if not found:
        return Match(row, None, Doubt.FORGOTTEN if known.person_suppressed(*key) else None)
    if len(found) > 1:
        return Match(row, None, Doubt.SEVERAL)
    if row.number and found[0].number:
        return Match(row, None, Doubt.OTHER_NUMBER, found[0].id)
    return Match(row, found[0])


def _nameless(row: Row) -> Doubt | None:
    """The doubt about a row without a name, or without a mailbox: a number and a name are enough."""
    if not row.name:
        return Doubt.NO_NAME
    return None if row.number else Doubt.NOT_TO_BE_FOUND_AGAIN


def _alike(one: str, other: str) -> bool:
    """Whether two names may be one person's: equal when folded, or with a word of two letters or more in
    common."""
    first, second = fold_name(one), fold_name(other)
    return first == second or any(len(word) > 1 for word in {*first.split()} & {*second.split()})
