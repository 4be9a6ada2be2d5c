"""Signs of life: one row a worker, gone when it ends, kept when it does not."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mailer.core.watch import SignOfLife, WorkerState
from mailer.models import WorkerRow, worker_row
from tests.world import NOW

pytestmark = pytest.mark.django_db
SIGN = SignOfLife("host-1-ab", "host", 1, "0.1.0", NOW)
SECOND = timedelta(seconds=1)


def test_a_worker_has_one_row_that_says_what_it_last_said() -> None:
    worker_row.seen(SIGN, NOW)
    waiting = replace(SIGN, state=WorkerState.WAITING, reason="no room " * 99, handed_over=7, rate=1.5, handed_at=NOW)
    worker_row.seen(waiting, NOW + 5 * SECOND)
    (row,) = worker_row.all_workers()
    assert (row.started_at, row.seen_at, row.handed_at) == (NOW, NOW + 5 * SECOND, NOW)
    assert (row.state, row.handed_over, row.rate, len(row.reason)) == ("waiting", 7, 1.5, 500)


def test_the_newest_sign_counts_but_not_one_from_the_future() -> None:
    assert worker_row.last_seen(NOW) is None
    for name, seconds in (("a", -9), ("b", -5), ("c", 3600)):
        worker_row.seen(replace(SIGN, name=name), NOW + seconds * SECOND)
    assert worker_row.last_seen(NOW) == NOW - 5 * SECOND


def test_who_said_goodbye_is_gone_and_who_did_not_is_kept_for_a_week() -> None:
    for name in ("clean", "killed"):
        worker_row.seen(replace(SIGN, name=name), NOW)
    worker_row.gone("clean")
    assert [row.name for row in worker_row.all_workers()] == ["killed"]
    worker_row.seen(replace(SIGN, name="next"), NOW + timedelta(days=7))
    assert WorkerRow.unscoped.count() == 2
    worker_row.seen(replace(SIGN, name="later"), NOW + timedelta(days=7, seconds=1))
    assert {row.name for row in worker_row.all_workers()} == {"next", "later"}
