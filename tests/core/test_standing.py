"""Which disagreements of mirror and database stop a site, and which are everyday (design.md section 4)."""

from dataclasses import replace

import pytest

from mailer.core.standing import UNSYNCED, Counts, Doubt, Machine, Mirrored, doubt

HERE = Machine("m1", "boot-1", frozenset({"02:00:00:00:00:01"}), 5, 100)
DATABASE = Counts("aa", 500, 900)
AGREES = Mirrored(DATABASE, HERE)


def judged(
    mirrored: Mirrored | None, database: Counts = DATABASE, *, alone: bool = True, plans: bool = False
) -> object:
    return doubt(database, mirrored, HERE, alone=alone, plans_to_send=plans)


def seen(**values: object) -> Mirrored:
    return replace(AGREES, counts=replace(DATABASE, **values))


def elsewhere(**values: object) -> Mirrored:
    return replace(AGREES, machine=replace(HERE, **values))


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("mirrored", [AGREES, seen(sends=499), seen(changes=0), seen(sends=500 - UNSYNCED)])
def test_a_mirror_that_agrees_or_lags_a_little_stops_nothing(mirrored: Mirrored, alone: bool) -> None:
    assert judged(mirrored, alone=alone) is None


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("mirrored", [seen(sends=501), seen(changes=901)])
def test_a_mirror_that_has_seen_more_proves_an_older_database_on_every_host(mirrored: Mirrored, alone: bool) -> None:
    assert judged(mirrored, alone=alone) is Doubt.RESTORED


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("mirrored", [AGREES, seen(sends=499), seen(changes=0)])
def test_a_database_without_the_line_that_was_seen_is_an_older_one_however_far_it_counts(
    mirrored: Mirrored, alone: bool
) -> None:
    found = doubt(DATABASE, mirrored, HERE, alone=alone, plans_to_send=False, has_line=False)
    assert found is Doubt.RESTORED


COPIES = [
    None,
    seen(sends=500 - UNSYNCED - 500),
    elsewhere(name="m2"),
    elsewhere(addresses=frozenset({"02:00:00:00:00:02"})),
    elsewhere(inode=101),
    elsewhere(device=6),
]


@pytest.mark.parametrize("mirrored", COPIES)
def test_a_site_that_sends_alone_notices_that_it_is_a_copy(mirrored: Mirrored | None) -> None:
    database = replace(DATABASE, sends=5000)
    assert judged(mirrored, database) is Doubt.COPIED


@pytest.mark.parametrize("mirrored", COPIES[:2])
def test_a_host_beside_others_may_be_new_or_fall_behind(mirrored: Mirrored | None) -> None:
    assert judged(mirrored, alone=False) is None


@pytest.mark.parametrize("mirrored", COPIES[2:])
def test_a_host_beside_others_notices_that_it_was_copied(mirrored: Mirrored | None) -> None:
    """With its database, as one machine that holds both: then both would go on."""
    assert judged(mirrored, alone=False) is Doubt.COPIED


@pytest.mark.parametrize("mirrored", COPIES)
def test_a_site_that_never_sent_and_plans_nothing_may_be_moved_freely(mirrored: Mirrored | None) -> None:
    new = Counts("aa", 0, 900)
    if mirrored is not None:
        mirrored = replace(mirrored, counts=new)
    assert judged(mirrored, new) is None
    assert judged(mirrored, new, plans=True) is (None if mirrored in (None, Mirrored(new, HERE)) else Doubt.COPIED)


def test_a_machine_that_was_started_again_is_the_same() -> None:
    assert judged(elsewhere(boot="boot-0", device=6)) is None


@pytest.mark.parametrize("unknown", [{"name": ""}, {"addresses": frozenset()}])
def test_nothing_follows_from_what_a_machine_does_not_say(unknown: dict[str, object]) -> None:
    assert judged(elsewhere(**unknown)) is None


def test_one_card_of_several_that_stayed_is_the_same_machine() -> None:
    both = frozenset({"02:00:00:00:00:01", "02:00:00:00:00:09"})
    assert judged(elsewhere(addresses=both)) is None


def test_the_database_of_another_site_is_noticed_where_it_could_send() -> None:
    other = seen(incarnation="bb")
    assert judged(other) is Doubt.OTHER
    assert judged(other, replace(DATABASE, sends=0)) is None
    assert judged(other, replace(DATABASE, sends=0), plans=True) is Doubt.OTHER


@pytest.mark.parametrize(("was_it", "says"), [(True, None), (False, Doubt.OTHER)])
def test_a_shared_database_of_another_incarnation_is_believed_if_it_was_this_one_once(
    was_it: bool, says: Doubt | None
) -> None:
    """A person adopted it on another host; else it is from before an adoption, or another site's."""
    mirrored = seen(incarnation="bb", sends=9999)
    assert doubt(DATABASE, mirrored, HERE, alone=False, plans_to_send=False, was_it=was_it) is says
    assert doubt(DATABASE, mirrored, HERE, alone=True, plans_to_send=False, was_it=was_it) is Doubt.OTHER
    assert doubt(replace(DATABASE, sends=0), mirrored, HERE, alone=False, plans_to_send=False) is None
