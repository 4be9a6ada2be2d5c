"""A destination that throttles rests as a whole, is tried with a few letters, and is free when it takes one (T26)."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mailer.core.reply import parse
from mailer.models import Destination
from mailer.models.destination import Room, eased, resting, room, slow
from tests.world import NOW

pytestmark = pytest.mark.django_db
THROTTLED = parse(b"421 4.7.0 Too many messages\r\n")
MINUTE = timedelta(minutes=1)


def test_a_destination_that_throttles_rests_and_no_other_does() -> None:
    until = slow("example.net", THROTTLED, NOW)
    assert until == NOW + 5 * MINUTE
    assert room(NOW) == {"example.net": Room(0, until)}
    assert [(row.domain, row.reason) for row in resting(NOW)] == [("example.net", "421 4.7.0 Too many messages")]


def test_letters_that_were_on_their_way_make_the_rest_no_longer() -> None:
    until = slow("example.net", THROTTLED, NOW)
    assert slow("example.net", THROTTLED, NOW + MINUTE) == until
    assert Destination.unscoped.get().times == 1
    eased(["example.net"], NOW + MINUTE)
    assert room(NOW + MINUTE) == {"example.net": Room(0, until)}


def test_after_its_rest_it_is_tried_with_a_few_letters() -> None:
    later = slow("example.net", THROTTLED, NOW)
    found = room(later)["example.net"]
    assert 0 < found.letters < 10
    assert found.again_at > later
    assert resting(later) == []


def test_throttling_again_doubles_the_rest_and_a_letter_taken_ends_it() -> None:
    first = slow("example.net", THROTTLED, NOW)
    second = slow("example.net", THROTTLED, first)
    assert second - first == 10 * MINUTE
    eased(["example.org"], second)
    assert "example.net" in room(second)
    eased(["example.org", "example.net"], second)
    assert room(second) == {}
    assert slow("example.net", THROTTLED, second) == second + 5 * MINUTE


def test_attempts_of_a_day_are_bounded() -> None:
    now, times = NOW, 0
    while now < NOW + timedelta(days=1):
        now, times = slow("example.net", THROTTLED, now), times + 1
    assert times < 20


def test_what_was_long_ago_is_forgotten() -> None:
    slow("example.net", THROTTLED, slow("example.net", THROTTLED, NOW))
    later = NOW + timedelta(days=2)
    assert room(later) == {}
    assert slow("example.net", THROTTLED, later) == later + 5 * MINUTE


def test_a_time_that_it_names_is_kept() -> None:
    assert slow("example.net", parse(b"451 4.7.0 Slow down, retry in 40 minutes\r\n"), NOW) == NOW + 40 * MINUTE


def test_where_nothing_is_slowed_a_question_costs_one_statement() -> None:
    with CaptureQueriesContext(connection) as asked:
        eased([f"d{n}.example.org" for n in range(500)], NOW)
    assert len(asked) == 1
