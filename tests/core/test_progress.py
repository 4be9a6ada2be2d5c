"""How fast it goes, and which parts of it may be named."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mailer.core.progress import OTHERS, Progress, largest, per_second

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
_COUNTS = st.dictionaries(st.sampled_from(["accepted", "refused", "queued"]), st.integers(1, 9), min_size=1)
_GROUPS = st.dictionaries(st.text("abc", max_size=4), _COUNTS, max_size=20)


def test_the_rate_is_that_of_the_last_minute_or_since_it_began() -> None:
    assert per_second(600, NOW, NOW - timedelta(hours=1)) == 10
    assert per_second(600, NOW, NOW - timedelta(seconds=30)) == 20
    assert per_second(600, NOW, NOW) == 600


def test_what_is_left_is_not_decided() -> None:
    assert Progress(3, 10).left == 7


@given(_GROUPS)
def test_no_letter_is_lost_from_the_sum(groups: dict[str, dict[str, int]]) -> None:
    def total(of: object) -> int:
        return sum(sum(counts.values()) for counts in of.values())  # type: ignore[attr-defined]

    assert total(largest(groups)) == total(groups)


@given(_GROUPS)
def test_none_is_named_that_is_small_or_unnamed_and_no_more_than_ten(groups: dict[str, dict[str, int]]) -> None:
    named = [counts for name, counts in largest(groups).items() if name != OTHERS]
    assert len(named) <= 10
    assert all(sum(counts.values()) >= 5 for counts in named)
    assert "" not in largest(groups)


def test_the_largest_come_first_and_the_rest_is_one() -> None:
    groups = {"a.example": {"accepted": 5}, "b.example": {"accepted": 7, "refused": 1}, "own.example": {"refused": 4}}
    assert list(largest(groups).items()) == [
        ("b.example", {"accepted": 7, "refused": 1}),
        ("a.example", {"accepted": 5}),
        (OTHERS, {"refused": 4}),
    ]
