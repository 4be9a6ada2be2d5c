"""The demo's cast: the same every time, importable without surprises, and every part is played."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from itertools import chain
from random import Random

import pytest

from mailer.core.address import parse
from mailer.core.changeset import plan
from mailer.core.membercolumn import StreamName
from mailer.core.memberfile import read
from mailer.core.membermatch import KnownMembers
from mailer.core.memberrow import MemberFile
from mailer.demo.names import PLACES
from mailer.demo.people import MEMBERS, NEWSLETTER, NOTICES, Cast, Person, Role, cast
from mailer.demo.server import Behaviour

TODAY = date(2026, 11, 22)
REGIONS = {region: number for number, (region, *_) in enumerate(PLACES, 1)}
STREAMS = {NEWSLETTER: StreamName(10_000, frozenset({1}))} | {
    f"{NOTICES}/{region}": StreamName(20_000 + number, frozenset({1}), number) for region, number in REGIONS.items()
}
SEEDS = pytest.mark.parametrize("seed", range(5))


def people(seed: int) -> Cast:
    return cast(Random(seed), TODAY)


def imported(members: Cast) -> MemberFile:
    return read(members.csv.encode(), regions=REGIONS, streams=STREAMS, today=TODAY)


def numbers(persons: Sequence[Person]) -> set[str]:
    return {person.number for person in persons}


def test_the_same_seed_casts_the_same_people() -> None:
    assert people(1).csv == people(1).csv
    assert people(1).csv != people(2).csv


@SEEDS
def test_everyone_is_imported_and_only_missing_evidence_is_complained_of(seed: int) -> None:
    members = people(seed)
    file = imported(members)
    assert (len(file.rows), file.unknown_columns) == (MEMBERS, ())
    unproven = members.playing(Role.NO_EVIDENCE)
    assert len(file.complaints) == sum(len(person.consents) for person in unproven) > 0
    assert all("lacks its evidence" in complaint.what for complaint in file.complaints)
    changeset = plan(file.rows, KnownMembers.of([]), TODAY)
    assert (len(changeset.new), changeset.undecided, changeset.complaints) == (MEMBERS, (), ())
    newsletter = {new.row.number for new in changeset.new if any(c.stream == 10_000 for c in new.consents)}
    without = (Role.NO_CONSENT, Role.NO_EVIDENCE, Role.LEFT_EARLIER)
    assert newsletter == numbers(members.people) - numbers([*chain.from_iterable(map(members.playing, without))])
    left = {new.row.number for new in changeset.new if new.departures}
    assert left == numbers([*members.playing(Role.LEFT_EARLIER), *members.playing(Role.LEFT_NOTICES)])


@SEEDS
def test_every_role_is_played_and_nobody_has_two(seed: int) -> None:
    members = people(seed)
    assert Counter(len(person.roles) for person in members.people).keys() == {0, 1}
    assert all(members.playing(role) for role in Role)
    assert members.leaver.consents.keys() == {NEWSLETTER, NOTICES}
    assert {region for person in members.people for region in person.regions} == set(REGIONS)


@SEEDS
def test_only_households_share_a_mailbox(seed: int) -> None:
    members = people(seed)
    shared = Counter(person.address for person in members.people if person.address)
    assert {address for address, n in shared.items() if n > 1} == {h[0].address for h in members.households}
    assert sorted(map(len, members.households)) == [2, 2, 2, 2, 2, 2, 3, 3]
    for household in members.households:
        assert len({person.name for person in household}) == len(household)


@SEEDS
def test_the_mailboxes_with_a_will_of_their_own_would_all_get_the_newsletter(seed: int) -> None:
    members = people(seed)
    behaving = members.playing(Role.BEHAVES)
    assert members.behaviours.keys() == {person.address for person in behaving}
    assert set(members.behaviours.values()) == set(Behaviour) - {Behaviour.ACCEPT, Behaviour.DEFER_ALWAYS}
    assert all(person.consents[NEWSLETTER].left is None for person in behaving)


@SEEDS
def test_every_address_is_an_example_that_mail_could_be_sent_to(seed: int) -> None:
    for person in people(seed).people:
        if person.address:
            assert parse(person.address).domain in {"example.org", "example.net", "example.com"}
