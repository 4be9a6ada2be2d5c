"""Quotas are counted once for all workers, cost nothing where there is no limit, and keep the priority lane's share."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mailer.core.limits import NO_LIMITS, Limits
from mailer.models import Quota
from mailer.models.base import writing
from mailer.models.quota import Grant, give_back, take, take_domains, used_by
from tests.threads import together
from tests.world import NOW

A_DAY = Limits(per_day=100)
MINUTE = timedelta(minutes=1)


@pytest.mark.django_db
def test_without_a_limit_the_database_is_not_asked() -> None:
    with CaptureQueriesContext(connection) as asked:
        grant = take("smtp", 500, NOW, NO_LIMITS)
        grants = take_domains({"example.org": 300}, NOW, {})
        give_back([(grant, 500), (grants["example.org"], 300)])
    assert (grant, grants) == (Grant(500), {"example.org": Grant(300)})
    assert len(asked) == 0
    assert not Quota.unscoped.exists()


@pytest.mark.django_db
def test_a_claim_takes_what_there_is_and_hears_when_there_is_more() -> None:
    assert take("smtp", 60, NOW, A_DAY).letters == 60
    second = take("smtp", 60, NOW + MINUTE, A_DAY)
    assert (second.letters, second.again_at) == (20, NOW + timedelta(hours=24, minutes=30))
    third = take("smtp", 60, NOW + 2 * MINUTE, A_DAY)
    assert (third.letters, third.again_at) == (0, second.again_at)
    assert take("other", 60, NOW, A_DAY).letters == 60


@pytest.mark.django_db
def test_the_priority_lane_has_what_mailings_may_not_use() -> None:
    assert take("smtp", 500, NOW, A_DAY).letters == 80
    assert take("smtp", 5, NOW, A_DAY, priority=True).letters == 5
    assert take("smtp", 50, NOW, A_DAY, priority=True).letters == 15


@pytest.mark.django_db
def test_what_was_not_handed_over_is_given_back() -> None:
    grant = take("smtp", 80, NOW, A_DAY)
    give_back([(grant, 30)])
    assert take("smtp", 80, NOW, A_DAY).letters == 30
    give_back([(take("smtp", 80, NOW, A_DAY), 0)])
    assert take("smtp", 80, NOW, A_DAY).letters == 0


@pytest.mark.django_db
def test_each_domain_is_limited_by_itself() -> None:
    limits = {"example.org": Limits(per_hour=100), "example.net": Limits(per_minute=2)}
    wanted = {"example.org": 90, "example.net": 5, "example.com": 7}
    grants = take_domains(wanted, NOW, limits)
    assert {domain: grant.letters for domain, grant in grants.items()} == {
        "example.org": 80,
        "example.net": 2,
        "example.com": 7,
    }
    assert grants["example.net"].again_at == NOW + timedelta(seconds=61)
    assert grants["example.com"].again_at is None
    give_back([(grants["example.org"], 10), (grants["example.net"], 1), (grants["example.com"], 7)])
    again = take_domains(wanted, NOW, limits)
    assert [again[domain].letters for domain in wanted] == [10, 1, 7]


@pytest.mark.django_db
def test_a_claim_of_hundreds_costs_two_statements() -> None:
    domains = {f"d{n}.example.org": 3 for n in range(200)}
    limits = dict.fromkeys(domains, Limits(per_hour=50))
    take("smtp", 500, NOW, A_DAY)
    take_domains(domains, NOW, limits)
    for statement in (lambda: take("smtp", 5, NOW, A_DAY, priority=True), lambda: take_domains(domains, NOW, limits)):
        with CaptureQueriesContext(connection) as asked:
            statement()
        assert len(asked) == 2


@pytest.mark.django_db
def test_what_was_used_is_told() -> None:
    take("smtp", 7, NOW, A_DAY)
    used = used_by(iter(["relay:smtp", "relay:none"]))
    assert used["relay:smtp"].room(A_DAY, NOW, priority=True) == 93
    assert used["relay:none"].room(A_DAY, NOW, priority=True) == 100


def four_workers(work: Callable[[], object]) -> None:
    """They do this at one time, each eight times, and nothing goes wrong."""

    def eight_times(_: int) -> None:
        for _ in range(8):
            work()

    assert together(4, eight_times) == []


@pytest.mark.django_db(transaction=True)
def test_workers_that_take_at_one_time_never_take_more_than_there_is() -> None:
    taken: list[int] = []

    def claim() -> None:
        with writing():
            taken.append(take("smtp", 7, NOW, A_DAY).letters)

    four_workers(claim)
    assert sum(taken) == 80
    assert used_by(["relay:smtp"])["relay:smtp"].room(A_DAY, NOW) == 0


@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_and_give_back_at_one_time_never_wait_in_a_circle() -> None:
    limits = {"example.org": A_DAY, "example.net": A_DAY}

    def claim_in_vain() -> None:
        with writing():
            grants = [
                take("smtp", 3, NOW, A_DAY),
                *take_domains({"example.net": 2, "example.org": 1}, NOW, limits).values(),
            ]
        with writing():
            give_back([(grant, grant.letters) for grant in reversed(grants)])

    four_workers(claim_in_vain)
    scopes = ["relay:smtp", "domain:example.net", "domain:example.org"]
    assert [used.room(A_DAY, NOW, priority=True) for used in used_by(scopes).values()] == [100, 100, 100]
