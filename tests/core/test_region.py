"""Scope and the tree of regions; `None` is the whole organisation and never the same as all regions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.errors import MailerError
from mailer.core.region import Region, RegionError, Regions, Scope

EAST = Region(2, "east-of-england", "East of England")
NORFOLK = Region(3, "norfolk", "Norfolk", parent=2)
NORWICH = Region(9, "norwich", "Norwich", parent=3)
SUFFOLK = Region(4, "suffolk", "Suffolk", parent=2)
LONDON = Region(1, "london", "London")
TREE = Regions((LONDON, EAST, NORFOLK, SUFFOLK, NORWICH))

numbers = st.integers(min_value=1, max_value=12)
scopes = st.builds(Scope, st.none() | st.frozensets(numbers))
touched = st.none() | numbers


@given(scopes, scopes, touched)
def test_a_narrowed_scope_allows_exactly_what_both_allow(one: Scope, other: Scope, number: int | None) -> None:
    assert one.narrow(other).allows(number) == (one.allows(number) and other.allows(number))


@given(scopes, scopes)
def test_narrowing_does_not_depend_on_the_order(one: Scope, other: Scope) -> None:
    assert one.narrow(other) == other.narrow(one)


@given(scopes, scopes, scopes)
def test_narrowing_three_times_may_be_grouped_as_one_likes(a: Scope, b: Scope, c: Scope) -> None:
    assert a.narrow(b).narrow(c) == a.narrow(b.narrow(c))


@given(scopes)
def test_everything_narrows_nobody_and_nothing_everybody(scope: Scope) -> None:
    assert scope.narrow(Scope.everything()) == scope
    assert scope.narrow(Scope.nothing()) == Scope.nothing()


def test_all_regions_together_are_less_than_the_whole_organisation() -> None:
    every_region = TREE.scope(["london", "east-of-england"])
    assert every_region.regions == frozenset(TREE.by_number)
    assert not every_region.is_everything
    assert Scope.everything().allows(None)
    assert not every_region.allows(None)


def test_only_everything_is_everything() -> None:
    assert Scope.everything().is_everything
    assert not Scope.nothing().is_everything
    assert not Scope(frozenset({1})).is_everything


def test_a_scope_cannot_be_widened_in_place() -> None:
    scope = Scope(frozenset({1}))
    with pytest.raises(AttributeError):
        scope.regions = None  # type: ignore[misc]


def test_a_subtree_is_the_region_and_all_below_it() -> None:
    assert TREE.subtree("east-of-england") == {2, 3, 4, 9}
    assert TREE.subtree("norfolk") == {3, 9}
    assert TREE.subtree("norwich") == {9}
    assert TREE.subtree("london") == {1}


def test_a_coordinator_of_the_east_reaches_norwich_and_one_of_norfolk_not_suffolk() -> None:
    assert TREE.scope(["east-of-england"]).allows(9)
    norfolk = TREE.scope(["norfolk"])
    assert norfolk.allows(9)
    assert not norfolk.allows(4)
    assert not norfolk.allows(2)
    assert TREE.scope(["norfolk", "london"]).regions == {1, 3, 9}
    assert TREE.scope([]) == Scope.nothing()


def test_names_keep_the_order_of_the_file() -> None:
    assert TREE.names({9, 1, 77}) == ("London", "Norwich")
    assert TREE.region("suffolk") is TREE.by_number[4]


def test_an_unknown_region_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RegionError, match=r"no region 'kent'.*london, east-of-england") as refusal:
        TREE.subtree("kent")
    assert isinstance(refusal.value, MailerError)
    with pytest.raises(RegionError, match="are: none"):
        Regions(()).region("kent")


@pytest.mark.parametrize(
    ("regions", "why"),
    [
        ((LONDON, Region(1, "leeds", "Leeds")), "share a number"),
        ((LONDON, Region(5, "london", "Londonderry")), "share a number or a slug"),
        ((NORFOLK,), "number 2, which is not a region"),
        ((Region(5, "leeds", "Leeds", parent=5),), "lies in itself"),
        ((Region(5, "leeds", "Leeds", parent=6), Region(6, "york", "York", parent=5)), "lies in itself"),
        (
            (Region(5, "a", "A", 6), Region(6, "b", "B", 7), Region(7, "c", "C", 6)),
            "lies in itself by way of",
        ),
    ],
)
def test_what_is_not_a_tree_is_refused(regions: tuple[Region, ...], why: str) -> None:
    with pytest.raises(RegionError, match=why):
        Regions(regions)


@given(st.lists(st.integers(min_value=0, max_value=30), max_size=30))
def test_a_subtree_holds_each_region_that_has_its_top_above_it(choices: list[int]) -> None:
    built: list[Region] = []
    above: dict[int, set[int]] = {}
    for index, choice in enumerate(choices, 1):
        parent = built[choice % len(built)].number if built and choice % 3 else None
        built.append(Region(index, f"r{index}", f"R{index}", parent))
        above[index] = {index} | (above[parent] if parent else set())
    tree = Regions(tuple(built))
    for region in built:
        assert tree.subtree(region.slug) == {number for number, line in above.items() if region.number in line}
