"""When people are told of an alarm, and in which words (standards L13, P22)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.alarm import ADVICE, AGAIN, CALM, LONGEST, AlarmKind, Telling, discreet, message, telling

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
_MOMENTS = st.timedeltas(timedelta(0), timedelta(days=9)).map(lambda ago: NOW - ago)


def told(
    kind: AlarmKind, since: datetime, told_at: datetime | None = None, cleared_at: datetime | None = None
) -> object:
    return telling(kind, since=since, told_at=told_at, cleared_at=cleared_at, now=NOW)


def test_an_alarm_is_told_at_once_unless_it_may_pass_by_itself() -> None:
    assert told(AlarmKind.DISK_LOW, NOW) is Telling.NEW
    patience = ADVICE[AlarmKind.RELAY_DOWN].patience
    assert patience > MINUTE
    assert told(AlarmKind.RELAY_DOWN, NOW - patience + MINUTE) is None
    assert told(AlarmKind.RELAY_DOWN, NOW - patience) is Telling.NEW


def test_it_is_told_again_once_a_day() -> None:
    since = NOW - 3 * AGAIN
    assert told(AlarmKind.DISK_LOW, since, NOW - AGAIN + MINUTE) is None
    assert told(AlarmKind.DISK_LOW, since, NOW - AGAIN) is Telling.STILL


def test_it_is_over_when_it_has_been_quiet_for_a_while() -> None:
    since = NOW - timedelta(hours=2)
    assert told(AlarmKind.DISK_LOW, since, since, NOW - CALM + MINUTE) is None
    assert told(AlarmKind.DISK_LOW, since, since, NOW - CALM) is Telling.OVER


def test_what_passed_before_anybody_was_told_is_told_to_nobody() -> None:
    since = NOW - timedelta(hours=2)
    assert told(AlarmKind.RELAY_DOWN, since, None, NOW - CALM) is Telling.NOTHING


@given(st.sampled_from(AlarmKind), _MOMENTS, st.none() | _MOMENTS, st.none() | _MOMENTS)
def test_nobody_hears_twice_in_a_day_that_it_lasts_nor_that_it_is_over_before_it_is(
    kind: AlarmKind, since: datetime, told_at: datetime | None, cleared_at: datetime | None
) -> None:
    what = told(kind, since, told_at, cleared_at)
    if what in (Telling.NEW, Telling.STILL):
        assert cleared_at is None
        assert told_at is None or NOW - told_at >= AGAIN
    if what is Telling.OVER:
        assert cleared_at is not None
        assert told_at is not None


@given(st.text(max_size=300))
def test_words_hold_no_address_no_line_end_and_are_not_long(quoted: str) -> None:
    words = discreet(f"550 <ann.smith@example.org>: {quoted}\r\nBcc: bob@example.org")
    assert "@example.org" not in words
    assert "\n" not in words
    assert "\r" not in words
    assert len(words) <= LONGEST


def test_a_relay_and_its_port_are_no_address() -> None:
    words = "The mail relay smtp.example.net:587 answered at auth: 535 5.7.8 wrong."
    assert discreet(words) == words


@pytest.mark.parametrize("kind", AlarmKind)
def test_every_kind_says_what_is_so_and_what_to_do(kind: AlarmKind) -> None:
    said = message(
        Telling.NEW, kind, "Words.", since="Friday, 09:00", ended="", state_url="https://x.example.org/state"
    )
    advice = ADVICE[kind]
    assert said.subject == f"Alarm: {advice.title}"
    assert said.text == (
        f"{advice.title}, since Friday, 09:00.\n\nWords.\n\nWhat to do: {advice.todo}\n\nhttps://x.example.org/state\n"
    )


def test_its_end_says_from_when_to_when() -> None:
    said = message(Telling.OVER, AlarmKind.DISK_LOW, "x", since="Friday, 09:00", ended="Friday, 10:00", state_url="u")
    assert said.subject == "Over: The disk is nearly full"
    assert "over since Friday, 10:00" in said.text
    assert "began on Friday, 09:00" in said.text


def test_html_shows_what_a_server_said_and_obeys_none_of_it() -> None:
    words = "554 <script>alert(1)</script> & more"
    said = message(Telling.STILL, AlarmKind.RELAY_DOWN, words, since="s", ended="", state_url="u")
    assert "<script>" not in said.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in said.html
