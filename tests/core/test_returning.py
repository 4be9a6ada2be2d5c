"""A mailing stops when too much comes back, never for less, and never twice for the same."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.returning import (
    Answered,
    Bounds,
    Tally,
    adds_something,
    answered,
    blocked,
    may_be_too_much,
    runs,
    too_much,
)
from mailer.core.verdict import Class

BOUNDS = Bounds()
numbers = st.integers(0, 3000)
tallies = st.builds(Tally, st.integers(0, 100_000), numbers, numbers)
heard = st.lists(st.builds(Answered, st.sampled_from(["a.example", "b.example"]), st.booleans()), max_size=30)
classes = st.sampled_from(list(Class))


@pytest.mark.parametrize(
    ("attempted", "hard", "complaints", "stops"),
    [
        (49, 49, 0, False),
        (50, 2, 0, False),
        (50, 3, 0, True),
        (100, 4, 0, False),
        (100, 5, 0, True),
        (1999, 0, 1, False),
        (2000, 0, 2, True),
        (2001, 0, 2, False),
        (0, 0, 2, False),
    ],
)
def test_the_bounds_are_those_of_the_standards(attempted: int, hard: int, complaints: int, stops: bool) -> None:
    assert (too_much(Tally(attempted, hard, complaints), BOUNDS) is not None) is stops


def test_the_reason_says_how_much() -> None:
    assert "5 of 100" in str(too_much(Tally(100, 5), BOUNDS))
    assert "2 of 900" in str(too_much(Tally(900, 0, 2), BOUNDS))


@given(tallies)
def test_more_that_comes_back_never_lets_it_go_on(tally: Tally) -> None:
    if too_much(tally, BOUNDS):
        assert too_much(replace(tally, hard=tally.hard + 1, complaints=tally.complaints + 1), BOUNDS)


@given(tallies, st.integers(0, 200_000))
def test_an_estimate_that_is_not_twice_too_high_misses_nothing(tally: Tally, guess: int) -> None:
    if too_much(tally, BOUNDS) and guess // 2 <= tally.attempted:
        assert may_be_too_much(replace(tally, attempted=guess), BOUNDS)


@given(st.integers(0, 100_000))
def test_where_nothing_comes_back_nothing_is_counted(guess: int) -> None:
    assert not may_be_too_much(Tally(guess, 2, 1), BOUNDS)


@given(tallies)
def test_what_was_seen_before_does_not_stop_it_again(tally: Tally) -> None:
    assert too_much(tally.since(tally), BOUNDS) is None


@given(heard, heard)
def test_runs_are_the_same_however_the_answers_are_cut_up(first: list[Answered], then: list[Answered]) -> None:
    halfway = runs({}, first)
    assert {**halfway, **runs(halfway, then)} == runs({}, first + then)


@given(heard)
def test_a_run_is_the_number_of_refusals_at_the_end(answers: list[Answered]) -> None:
    for domain, run in runs({}, answers).items():
        theirs = [answer.blocks for answer in answers if answer.domain == domain]
        assert theirs[len(theirs) - run :] == [True] * run
        assert run == len(theirs) or not theirs[-run - 1]


def test_three_in_a_row_from_one_domain_stop_it_and_two_do_not() -> None:
    assert blocked({"a.example": 2, "b.example": 2}, BOUNDS) is None
    assert "b.example" in str(blocked({"a.example": 2, "b.example": 3}, BOUNDS))
    assert blocked({}, BOUNDS) is None


@pytest.mark.parametrize(
    ("status", "blocks"), [("5.7.1", True), ("5.7.26", True), ("4.7.1", False), ("5.1.1", False), (None, False)]
)
def test_only_a_policy_for_good_blocks(status: str | None, blocks: bool) -> None:
    assert answered("gwen@EXAMPLE.com", status) == Answered("example.com", blocks)


@given(st.lists(classes, max_size=6))
def test_of_what_is_heard_of_a_copy_the_heaviest_counts_once(order: list[Class]) -> None:
    counted = [heard for index, heard in enumerate(order) if adds_something(heard, order[:index])]
    blamed = [heard for heard in counted if heard is not Class.COMPLAINT]
    assert len(blamed) <= 2
    assert (Class.HARD in counted) == (Class.HARD in order)
    assert counted.count(Class.COMPLAINT) == order.count(Class.COMPLAINT)
