"""What is wrong with a relay is known to all workers, and rests double only with tries that follow each other."""

from datetime import timedelta

import pytest

from mailer.core.throttle import RELAY_REST
from mailer.models.relay_state import fault, states, well
from tests.world import NOW

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def rest(now: object, credentials: str = "c1") -> bool:
    return fault("smtp", "busy", "421 Busy", credentials, now, RELAY_REST)  # type: ignore[arg-type]


def test_a_relay_without_a_row_is_well() -> None:
    assert states() == {}
    assert not well("smtp")


def test_a_rest_doubles_with_each_try_and_ends_when_it_is_well() -> None:
    now = NOW
    for minutes in (1, 2, 4, 8, 15, 15):
        assert rest(now)
        row = states()["smtp"]
        assert row.until == now + minutes * MINUTE
        assert (row.since, row.rests(row.until, "c1")) == (NOW, False)
        assert row.rests(now, "c1")
        now = row.until
    assert well("smtp")
    assert states() == {}


def test_what_several_workers_meet_at_once_is_one_fault() -> None:
    assert rest(NOW)
    assert not rest(NOW + MINUTE / 2)
    assert states()["smtp"].until == NOW + MINUTE


def test_what_waits_for_a_person_waits_for_ever() -> None:
    assert fault("smtp", "auth", "535 No", "c1", NOW, None)
    assert not rest(NOW + timedelta(days=400))
    row = states()["smtp"]
    assert (row.until, row.kind) == (None, "auth")
    assert row.rests(NOW + timedelta(days=400), "c1")


def test_a_rest_may_turn_into_waiting_for_a_person() -> None:
    rest(NOW)
    assert fault("smtp", "auth", "535 No", "c1", NOW, None)
    assert states()["smtp"].until is None


def test_other_credentials_are_worth_a_try_and_count_anew() -> None:
    fault("smtp", "auth", "535 No", "c1", NOW, None)
    assert not states()["smtp"].rests(NOW, "c2")
    assert fault("smtp", "auth", "535 No", "c2", NOW + MINUTE, None)
    row = states()["smtp"]
    assert (row.times, row.since, row.rests(NOW + MINUTE, "c2")) == (1, NOW + MINUTE, True)
