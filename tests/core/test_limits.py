"""A limit holds in every span of its length, the priority lane keeps its share, and nothing is counted for ever."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.limits import NO_LIMITS, Limits, Used, Window, kept

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def some_limits() -> st.SearchStrategy[Limits]:
    most = st.integers(0, 40)
    return st.builds(Limits, per_second=most, per_minute=most, per_hour=most, per_day=most)


def test_without_limits_there_is_always_room_and_nothing_is_counted() -> None:
    assert not NO_LIMITS.counted
    assert Used().room(NO_LIMITS, NOW) is None
    assert Used().again_at(NO_LIMITS, NOW) == NOW
    assert Used().taken(NO_LIMITS, 1000, NOW) == Used()
    assert (NO_LIMITS.most_connections, Limits(connections=3).most_connections) == (64, 3)
    assert not Limits(connections=3, letters_per_connection=20).counted


@pytest.mark.parametrize(
    ("window", "most", "share"),
    [
        (Window.DAY, 500, 20),
        (Window.DAY, 5000, 100),
        (Window.HOUR, 100, 20),
        (Window.HOUR, 30, 15),
        (Window.HOUR, 1, 0),
        (Window.MINUTE, 500, 0),
        (Window.SECOND, 500, 0),
    ],
)
def test_a_part_of_the_long_windows_is_kept_for_the_priority_lane(window: Window, most: int, share: int) -> None:
    assert kept(window, most) == share


def test_what_is_kept_is_the_priority_lanes_alone() -> None:
    limits = Limits(per_day=100)
    used = Used().taken(limits, 80, NOW)
    assert used.room(limits, NOW) == 0
    assert used.room(limits, NOW, priority=True) == 20
    assert used.again_at(limits, NOW) > NOW
    assert used.again_at(limits, NOW, priority=True) == NOW
    assert used.taken(limits, 20, NOW).room(limits, NOW, priority=True) == 0


def test_a_window_is_free_again_when_it_has_passed_since_the_slots_last_moment() -> None:
    limits = Limits(per_minute=5)
    used = Used().taken(limits, 5, NOW + SECOND / 2)
    again = used.again_at(limits, NOW + SECOND)
    assert again == NOW + timedelta(seconds=61)
    assert used.room(limits, again - timedelta(microseconds=1)) == 0
    assert used.room(limits, again) == 5


def test_letters_by_a_clock_that_is_ahead_count_too() -> None:
    limits = Limits(per_minute=5)
    assert Used().taken(limits, 5, NOW + 10 * SECOND).room(limits, NOW) == 0


def test_what_is_given_back_may_be_taken_again_and_never_makes_more_room_than_there_was() -> None:
    limits = Limits(per_minute=5, per_day=50)
    used = Used().taken(limits, 5, NOW)
    assert used.given_back(3, NOW).room(limits, NOW) == 3
    assert used.given_back(9, NOW).room(limits, NOW) == 5
    assert used.given_back(3, NOW - timedelta(days=3)) == used
    # The minute has forgotten them, the day has not.
    later = used.taken(limits, 1, NOW + timedelta(hours=1))
    assert later.given_back(5, NOW).total(Window.DAY, NOW + timedelta(hours=1)) == 1


@settings(max_examples=150, deadline=None)
@given(
    some_limits(),
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.05, 0.3, 1, 7, 55, 900, 3000, 40_000]), st.integers(1, 60)), max_size=40
    ),
)
def test_no_span_of_a_windows_length_ever_holds_more_than_its_limit(
    limits: Limits, wishes: list[tuple[float, int]]
) -> None:
    used, now, gone = Used(), NOW, list[tuple[datetime, int]]()
    for pause, wanted in wishes:
        now += timedelta(seconds=pause)
        room = used.room(limits, now, priority=True)
        letters = wanted if room is None else min(wanted, room)
        if letters:
            used = used.taken(limits, letters, now)
            gone.append((now, letters))
        elif room == 0:
            assert used.again_at(limits, now, priority=True) > now
    for window, most in limits.letters():
        for begin, _ in gone:
            assert sum(n for at, n in gone if begin <= at < begin + window.length) <= most


@settings(max_examples=100, deadline=None)
@given(some_limits(), st.lists(st.integers(0, 5000), max_size=12), st.booleans())
def test_again_at_is_the_first_moment_with_room(limits: Limits, pauses: list[int], priority: bool) -> None:
    used, now = Used(), NOW
    for pause in pauses:
        now += timedelta(seconds=pause)
        used = used.taken(limits, 7, now)
    again = used.again_at(limits, now, priority=priority)
    room = used.room(limits, again, priority=priority)
    assert room is None or room > 0
    if again > now:
        assert used.room(limits, again - timedelta(microseconds=1), priority=priority) == 0


@settings(max_examples=50, deadline=None)
@given(some_limits(), st.lists(st.integers(0, 100_000), max_size=30))
def test_what_is_stored_is_small_and_comes_back_as_it_was(limits: Limits, pauses: list[int]) -> None:
    used, now = Used(), NOW
    for pause in pauses:
        now += timedelta(seconds=pause)
        used = used.taken(limits, 1, now)
    assert Used.from_json(json.loads(json.dumps(used.to_json()))) == used
    assert all(len(slots) <= window.slots + 1 for window, slots in used.slots.items())
