"""Silence is strange only by what used to come back."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from mailer.core.silence import Sent, silence
from tests.conftest import NOW

DAY = timedelta(days=1)
LAST = NOW - 10 * DAY
HISTORY = Sent(LAST - DAY, letters=1000, reports=20)


def sent(letters: int, ago: timedelta = 2 * DAY) -> Sent:
    return Sent(NOW - ago, letters, 0)


def test_letters_that_bring_nothing_back_where_they_used_to_are_strange() -> None:
    said = silence([HISTORY, sent(200), sent(200)], LAST, NOW)
    assert said is not None
    assert "400 letters" in said
    assert "8 reports" in said
    assert "10 November 2026" in said


def test_few_letters_are_not() -> None:
    assert silence([HISTORY, sent(300)], LAST, NOW) is None


def test_letters_of_this_morning_are_not() -> None:
    assert silence([HISTORY, sent(400, timedelta(hours=5))], LAST, NOW) is None


def test_without_a_history_nothing_is_strange() -> None:
    assert silence([Sent(LAST - DAY, 1000, 4), sent(100_000)], LAST, NOW) is None
    assert silence([sent(100_000)], LAST, NOW) is None
    assert silence([HISTORY, sent(100_000)], None, NOW) is None


def test_a_report_ends_the_silence() -> None:
    assert silence([HISTORY, sent(400)], NOW - DAY, NOW) is None


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_more_letters_never_make_it_less_strange(fewer: int, more: int) -> None:
    if silence([HISTORY, sent(fewer)], LAST, NOW):
        assert silence([HISTORY, sent(fewer + more)], LAST, NOW)
