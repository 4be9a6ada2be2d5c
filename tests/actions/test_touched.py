"""What one sender remembers of changes is what the database says of them (P8, L8)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.actions import touched
from mailer.actions.touched import Touched

#: For each number, from 1 on, whom the change names; None: it did not say.
CHANGES = st.lists(st.none() | st.sets(st.integers(1, 5), max_size=3), max_size=12)


class Written:
    """The table of changes."""

    def __init__(self, changes: list[set[int] | None]) -> None:
        self.changes = changes
        self.asked: list[tuple[int, int]] = []

    def named(self, after: int, until: int) -> list[tuple[int, int | None]]:
        self.asked.append((after, until))
        return [(number, member) for number in range(after + 1, until + 1) for member in self.members(number)]

    def members(self, number: int) -> list[int | None]:
        about = self.changes[number - 1]
        return [] if about is None else [*sorted(about)] or [None]

    def says(self, since: int, until: int) -> tuple[bool, set[int]]:
        some = self.changes[since:until]
        return None in some, set().union(*filter(None, some))


@settings(max_examples=200)
@given(CHANGES, st.data())
def test_it_says_what_asking_anew_would_say(changes: list[set[int] | None], data: st.DataObject) -> None:
    table, known = Written(changes), Touched()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(touched, "named", table.named)
        until = 0
        for _ in range(4):
            until = data.draw(st.integers(until, len(changes)))
            since = data.draw(st.integers(0, until))
            known.cover(since, until)
            assert (known.everyone(since), known.members(since)) == table.says(since, until)


def test_each_change_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    table, known = Written([{1}, {2}, {3}]), Touched()
    monkeypatch.setattr(touched, "named", table.named)
    for since, until in ((1, 2), (1, 2), (2, 3), (1, 3)):
        known.cover(since, until)
    assert table.asked == [(1, 2), (2, 3)]
    known.cover(0, 3)
    assert table.asked[2:] == [(0, 3)], "further back than was known"


def test_what_is_read_again_is_known_once(monkeypatch: pytest.MonkeyPatch) -> None:
    table, known = Written([{member} for member in range(1, 7)]), Touched()
    monkeypatch.setattr(touched, "named", table.named)
    known.cover(3, 6)
    known.cover(0, 6)
    assert known.members(1) == {2, 3, 4, 5, 6}


def test_whoever_is_touched_often_is_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    table, known = Written([{1}, {2}, {1}, {1}]), Touched()
    monkeypatch.setattr(touched, "named", table.named)
    known.cover(0, 4)
    assert known._last == {2: 2, 1: 4}
    assert known.members(2) == {1}
