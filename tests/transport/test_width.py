"""How many connections a relay bears, on a clock that the test turns: standards T25, T26."""

import pytest

from mailer.transport.width import MOST, START, Width
from tests.transport.peer import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def spend(width: Width, clock: Clock, *, rate: float, waiting: float = 0.9, seconds: float = 1.0) -> None:
    """One window: so many letters a second, and this share of the time waiting for the server."""
    clock.now += seconds
    width.waited(seconds * waiting, int(rate * seconds))


def test_it_begins_small_and_never_exceeds_what_is_allowed(clock: Clock) -> None:
    assert Width(MOST, clock).aim == START
    narrow = Width(2, clock)
    for rate in (100, 1000, 10_000):
        spend(narrow, clock, rate=rate)
    assert narrow.aim == 2


def test_it_doubles_while_that_pays(clock: Clock) -> None:
    width = Width(MOST, clock)
    aims = []
    for rate in (100, 200, 400, 800, 1600, 3200):
        spend(width, clock, rate=rate)
        aims.append(width.aim)
    assert aims == [min(START * 2**n, MOST) for n in range(1, 7)]


def test_what_did_not_pay_is_taken_back_and_not_tried_for_a_while(clock: Clock) -> None:
    width = Width(MOST, clock)
    spend(width, clock, rate=100)
    assert width.aim == 2 * START
    spend(width, clock, rate=110)
    assert width.aim == START
    spend(width, clock, rate=100)
    assert width.aim == START
    spend(width, clock, rate=100, seconds=61)
    assert width.aim == 2 * START


def test_whoever_is_busy_himself_asks_for_no_more(clock: Clock) -> None:
    width = Width(MOST, clock)
    spend(width, clock, rate=10_000, waiting=0.1)
    assert width.aim == START


@pytest.mark.parametrize(("seconds", "rate"), [(0.08, 1000), (1.0, START - 1)])
def test_too_little_says_nothing(clock: Clock, seconds: float, rate: float) -> None:
    width = Width(MOST, clock)
    spend(width, clock, rate=rate, seconds=seconds)
    assert width.aim == START


def test_what_was_measured_before_a_lull_is_forgotten(clock: Clock) -> None:
    width = Width(MOST, clock)
    spend(width, clock, rate=1000, seconds=0.08)
    width.idle()
    spend(width, clock, rate=1000, seconds=0.08)
    assert width.aim == START


@pytest.mark.parametrize(("open_now", "aim"), [(0, 1), (2, 2), (9, START)])
def test_a_server_that_turns_away_bears_as_many_as_are_open(clock: Clock, open_now: int, aim: int) -> None:
    width = Width(MOST, clock)
    width.turned_away(open_now)
    assert width.aim == aim
    spend(width, clock, rate=1000, seconds=599)
    assert width.aim == aim
    spend(width, clock, rate=1000, seconds=2)
    assert width.aim == aim * 2
