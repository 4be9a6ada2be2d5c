"""Letters whose destination rests, or has had its share, are put off; the others go, and nothing is counted twice."""

from datetime import timedelta
from typing import NamedTuple

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mailer.actions.hold_back import HeldBack, answered, domain_of, hold_back
from mailer.config.relays import DomainLimits
from mailer.core.reply import Answer, Step, parse
from mailer.house import House
from mailer.models.destination import eased, slow
from mailer.models.quota import give_back
from tests.actions.relays import with_relays
from tests.world import NOW

pytestmark = pytest.mark.django_db
THROTTLED = parse(b"421 4.7.0 Too many messages\r\n")
MINUTE = timedelta(minutes=1)


class Letter(NamedTuple):
    copy: int
    address: str


def claimed(*addresses: str) -> list[Letter]:
    """Copies 1, 2, 3 ... to these addresses."""
    return [Letter(number, address) for number, address in enumerate(addresses, 1)]


def crowd(domain: str, count: int) -> list[str]:
    return [f"a{n}@{domain}" for n in range(count)]


def test_where_nothing_is_limited_and_nothing_rests_it_costs_one_small_question(house: House) -> None:
    with CaptureQueriesContext(connection) as asked:
        held = hold_back(house, claimed(*crowd("example.org", 500)), NOW)
    assert held == HeldBack()
    assert len(asked) == 1
    assert held.returns(claimed("a@example.org")) == []


def test_a_destination_that_rests_gets_nothing_and_every_other_all(house: House) -> None:
    until = slow("example.net", THROTTLED, NOW)
    held = hold_back(house, claimed("a@example.org", "b@Example.NET", "c@example.com", "d@example.net"), NOW)
    assert held.until == {2: until, 4: until}


def test_after_its_rest_a_few_letters_try_it(house: House) -> None:
    later = slow("example.net", THROTTLED, NOW)
    copies = claimed(*crowd("example.net", 10))
    held = hold_back(house, copies, later)
    assert sorted(held.until) == [4, 5, 6, 7, 8, 9, 10]
    assert min(held.until.values()) > later
    eased(["example.net"], later)
    assert hold_back(house, copies, later) == HeldBack()


def test_a_destination_with_a_limit_gets_its_share_and_the_rest_waits(house: House) -> None:
    house = with_relays(house, domains=[DomainLimits(domain="example.net", per_minute=3)])
    copies = claimed(*crowd("example.net", 5), "a@example.org")
    held = hold_back(house, copies, NOW)
    assert held.until == dict.fromkeys([4, 5], NOW + timedelta(seconds=61))
    assert set(hold_back(house, copies, NOW).until) == {1, 2, 3, 4, 5}


def test_what_was_not_handed_over_is_given_back_and_what_waited_was_never_taken(house: House) -> None:
    house = with_relays(house, domains=[DomainLimits(domain="example.net", per_minute=3)])
    copies = claimed(*crowd("example.net", 5), "a@example.org")
    held = hold_back(house, copies, NOW)
    assert [count for _, count in held.returns([copies[2], copies[4], copies[5]])] == [1]
    give_back(held.returns([copies[2], copies[4], copies[5]]))
    assert sorted(hold_back(house, copies, NOW).until) == [2, 3, 4, 5]


def test_a_limited_destination_that_is_tried_gets_the_lesser_of_both(house: House) -> None:
    house = with_relays(house, domains=[DomainLimits(domain="example.net", per_minute=2)])
    later = slow("example.net", THROTTLED, NOW)
    assert sorted(hold_back(house, claimed(*crowd("example.net", 4)), later).until) == [3, 4]


def test_the_priority_lane_has_a_share_of_its_own(house: House) -> None:
    house = with_relays(house, domains=[DomainLimits(domain="example.net", per_day=40)])
    assert len(hold_back(house, claimed(*crowd("example.net", 30)), NOW).until) == 10
    assert len(hold_back(house, claimed(*crowd("example.net", 30)), NOW, priority=True).until) == 10


def test_an_answer_that_throttles_lets_the_whole_destination_rest() -> None:
    busy = Answer(Step.RCPT, parse(b"450 4.2.0 Mailbox busy\r\n"), final_dot_written=False)
    slower = Answer(Step.FINAL_DOT, THROTTLED, final_dot_written=True)
    of_the_relay = Answer(Step.MAIL, THROTTLED, final_dot_written=False)
    lost = Answer(Step.BODY, None, final_dot_written=False)
    assert [answered("a@example.net", each, NOW) for each in (busy, of_the_relay, lost)] == [None, None, None]
    assert answered("a@Example.net", slower, NOW) == NOW + 5 * MINUTE


@pytest.mark.parametrize(
    ("address", "domain"),
    [("a@Example.ORG", "example.org"), ("a@b\u00fccher.example", "xn--bcher-kva.example")],
)
def test_a_destination_is_the_domain_as_mailboxes_hold_it(address: str, domain: str) -> None:
    assert domain_of(address) == domain
