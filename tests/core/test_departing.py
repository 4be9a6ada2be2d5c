"""An act of leaving as a line: what is written is read again, what is torn is refused, nobody is named (U13, U14)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.consent import Channel
from mailer.core.departing import Act, Departure, Extent, NewerLine, Person, TornLine, read_line
from mailer.core.departing import _checksum as checksum

_HEX = "0123456789abcdef"
people = st.builds(Person, st.text(_HEX, max_size=32), st.text(_HEX, max_size=64))
departures = st.builds(
    Departure,
    seed=st.integers(0, 2**64 - 1),
    act=st.sampled_from(Act),
    handle=st.integers(0, 2**64 - 1),
    at=st.datetimes(timezones=st.just(UTC)),
    channel=st.sampled_from(Channel),
    extent=st.sampled_from(Extent),
    token_hash=st.text(_HEX, max_size=64),
    streams=st.lists(st.integers(0, 2**40), max_size=3).map(tuple),
    people=st.lists(people, max_size=3).map(tuple),
)
ONE = Departure(7, Act.LEAVE, 9, datetime(2026, 11, 20, 10, tzinfo=UTC), Channel.PAGE, people=(Person("ab", "cd"),))


@given(departures)
def test_what_is_written_is_read_again(departure: Departure) -> None:
    line = departure.line()
    assert b"\n" not in line
    assert read_line(line) == departure


@given(departures, st.data())
@settings(max_examples=50)
def test_a_line_that_was_torn_or_damaged_anywhere_is_refused(departure: Departure, data: st.DataObject) -> None:
    line = departure.line()
    end = data.draw(st.integers(0, len(line) - 1))
    with pytest.raises(TornLine):
        read_line(line[:end])
    with pytest.raises(TornLine):
        read_line(line[:end] + bytes([line[end] ^ 1]) + line[end + 1 :])


@given(st.binary(max_size=200))
def test_whatever_else_stands_in_a_file_is_refused(octets: bytes) -> None:
    with pytest.raises(TornLine):
        read_line(octets)


def test_a_whole_line_of_a_newer_version_is_never_passed_over() -> None:
    body = b"2 whatever comes"
    with pytest.raises(NewerLine):
        read_line(body + b" " + checksum(body))


def test_every_handle_that_an_act_leads_to_follows_from_its_seed_alone() -> None:
    later = Departure(7, Act.UNDO, 1, datetime(2027, 1, 1, tzinfo=UTC), Channel.UNDO)
    assert ONE.derived("way back") == later.derived("way back")
    assert len({ONE.derived("way back"), ONE.derived("farewell"), ONE.derived("way back 1")}) == 3
    assert 0 <= ONE.derived("way back") < 2**64
