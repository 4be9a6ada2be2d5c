"""A worker's pulse: it beats every five seconds, knows its rate, and ends with the worker."""

from datetime import timedelta

import pytest

from mailer.actions.pulse import Pulse
from mailer.core.watch import SignOfLife
from mailer.models import WorkerRow
from tests.world import NOW

pytestmark = pytest.mark.django_db


def pulse() -> Pulse:
    beating = Pulse(SignOfLife("host-a-1", "host-a", 1, "0.1.0", NOW))
    beating.beat(NOW)
    return beating


def test_a_pulse_beats_every_five_seconds_and_knows_its_rate() -> None:
    beating = pulse()
    second = timedelta(seconds=1)
    beating.handed(300, NOW + second)
    beating.beat(NOW + 2 * second)
    assert WorkerRow.unscoped.get().handed_over == 0, "too soon"
    beating.handed(300, NOW + 50 * second)
    beating.beat(NOW + 60 * second)
    row = WorkerRow.unscoped.get()
    assert (row.handed_over, row.rate, row.handed_at) == (600, 10, NOW + 50 * second)
    beating.beat(NOW + 75 * second)
    assert WorkerRow.unscoped.get().rate == 5


def test_who_has_ended_is_not_seen_again() -> None:
    beating = pulse()
    beating.end()
    beating.beat(NOW + timedelta(hours=1))
    assert not WorkerRow.unscoped.exists()


def test_a_clock_that_was_put_back_does_not_stop_a_pulse() -> None:
    beating = pulse()
    beating.beat(NOW - timedelta(hours=1))
    assert WorkerRow.unscoped.get().seen_at == NOW - timedelta(hours=1)
