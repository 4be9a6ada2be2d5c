"""A relay that bears so many connections gets no more from all workers together (T25)."""

from datetime import datetime, timedelta

import pytest

from mailer.actions.share_connections import own_part
from mailer.config.relays import RelayLimits
from mailer.core.watch import SignOfLife
from mailer.models import Copy, worker_row
from tests.actions.office import Office
from tests.actions.relays import with_relays
from tests.world import NOW, anne, join, stream

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


def worker(name: str, started_at: datetime = NOW - 60 * SECOND, seen_at: datetime = NOW) -> SignOfLife:
    sign = SignOfLife(name, "host", 1, "", started_at)
    worker_row.seen(sign, seen_at)
    return sign


@pytest.mark.parametrize(("most", "parts"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (7, [3, 2, 2]), (64, [22, 21, 21])])
def test_all_parts_together_are_what_the_relay_bears(most: int, parts: list[int]) -> None:
    workers = [worker(name) for name in "abc"]
    assert sorted((own_part(most, each, NOW) for each in workers), reverse=True) == parts


def test_one_alone_has_them_all_at_once() -> None:
    assert own_part(5, worker("a", NOW), NOW) == 5


def test_who_has_just_come_waits_until_the_others_have_heard_of_it() -> None:
    old, new = worker("a"), worker("b", NOW)
    assert (own_part(5, old, NOW), own_part(5, new, NOW)) == (2, 0)
    assert own_part(5, new, NOW + 3 * SECOND) == 3


def test_who_was_killed_keeps_the_only_connection_from_nobody_who_comes_after() -> None:
    worker("killed")
    assert own_part(1, worker("z", NOW - 5 * SECOND), NOW) == 1


def test_who_has_not_been_seen_for_long_has_no_part() -> None:
    worker("gone", seen_at=NOW - 120 * SECOND)
    assert own_part(5, worker("a"), NOW) == 5


def test_a_worker_without_a_part_claims_nothing_and_gives_back_what_it_has(office: Office) -> None:
    for n in range(6):
        join(office.house, f"Other {n}", f"o{n}@example.org", consents=[stream(office.house)])
    office.begun(anne())
    office.house = with_relays(office.house, limits=[RelayLimits(name="smtp", connections=1)])
    sender = office.sender

    def another_comes() -> None:
        worker("newer", office.now + SECOND, office.now)

    office.relay.meanwhile[3] = another_comes
    while sender.work():
        pass
    assert 1 < len(office.relay.caught) < 6
    assert not Copy.unscoped.filter(state="claimed").exists()
    worker_row.gone("newer")
    sender.work()
    assert len(office.reached()) == 6
