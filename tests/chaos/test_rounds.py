"""The count that is taken after each round can find every fault that it is there for."""

import random
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos import rounds
from tests.chaos.rounds import Doubts, Round, Toll, _count
from tests.chaos.sink import Letter
from tests.commands.site import SILENT

SENT = ("ann@example.org", "ben@example.org")


@pytest.fixture(autouse=True)
def _two_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "PEOPLE", len(SENT))


def counted(
    copies: dict[str, str] | None = None, got: tuple[str, ...] = SENT, doubts: Doubts | None = None, **this: Any
) -> Toll:
    """What is counted of two people; unless said otherwise both copies were accepted, and both came."""
    states = dict.fromkeys(SENT, "accepted") | (copies or {})
    letters = [Letter(to, announced_at=10.0, kept_at=10.1, answered_at=10.2) for to in got]
    sink: Any = SimpleNamespace(letters=letters, copies=Counter(got))
    candidates = [("carried", len(SENT)), ("excluded", SILENT)]
    running: Any = SimpleNamespace(copies=lambda: states, outcomes=lambda: candidates, faults=[])
    made = Round(running, sink, random.Random(0), Path(), ExitStack(), Path(), **this)
    return _count("a round", made, doubts or Doubts())


def test_a_round_in_which_all_is_well_has_no_fault() -> None:
    assert counted() == Toll("a round", letters=2)


def test_who_was_called_accepted_and_got_nothing_is_lost() -> None:
    assert counted(got=SENT[:1]).faults == ["1 lost"]


def test_who_got_two_is_doubled() -> None:
    assert counted(got=(*SENT, SENT[0])).faults == ["1 doubled: ['ann@example.org']"]


def test_more_doubt_than_the_bound_is_a_fault() -> None:
    toll = counted({SENT[0]: "uncertain"}, doubts=Doubts({SENT[0]}, bound=0))
    assert toll.faults == ["1 uncertain, and 0 is the bound"]


@pytest.mark.parametrize("doubts", [Doubts(set(), bound=1), Doubts({SENT[0]}, bound=1, since=12.0)])
def test_doubt_without_need_is_a_fault(doubts: Doubts) -> None:
    assert counted({SENT[0]: "uncertain"}, doubts=doubts).faults == ["1 uncertain without need"]


def test_a_letter_long_after_its_reader_left_is_a_fault() -> None:
    toll = counted(left={SENT[0]: 9.0}, asked={SENT[0]})
    assert toll.faults == ["a letter announced 1.000 s after its reader had left"]


def test_a_copy_that_is_still_open_is_a_fault() -> None:
    assert counted({SENT[0]: "queued"}).faults == ["ann@example.org is queued in the end"]


def test_who_never_left_is_not_withdrawn_and_who_is_withdrawn_got_nothing() -> None:
    assert counted({SENT[0]: "withdrawn"}).faults == [
        "ann@example.org was withdrawn and never left",
        "ann@example.org is withdrawn and got a letter",
    ]
