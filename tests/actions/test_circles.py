"""Two writers on PostgreSQL that wait for each other: each follows the order of locks of the named code."""

from collections.abc import Callable
from datetime import datetime
from threading import Barrier, Event, Thread, current_thread
from typing import Any

import pytest
from django.db import DatabaseError, connection

from mailer.actions.carry_out import carry_out
from mailer.core.consent import Channel
from mailer.core.departing import Act, Departure
from mailer.core.limits import Limits
from mailer.house import House
from mailer.models import departing, quota
from mailer.models.base import writing
from mailer.models.changes import begin_change, name_touched
from mailer.models.outbox import unsigned
from mailer.models.site import Counter, bump
from tests.actions.office import Office, copy_to
from tests.world import NOW, anne, join, stream

pytestmark = pytest.mark.django_db(transaction=True)


def together(*acts: Callable[[Barrier], None]) -> list[str]:
    """What went wrong when each ran in a thread of its own, in step."""
    if connection.vendor == "sqlite":
        return []  # there one writes at a time, and nobody holds one lock while waiting for another
    wrong: list[str] = []
    step = Barrier(len(acts))

    def run(act: Callable[[Barrier], None]) -> None:
        try:
            with writing():
                act(step)
        except DatabaseError as error:
            wrong.append(str(error).splitlines()[0])
        finally:
            connection.close()

    threads = [Thread(target=run, args=(act,)) for act in acts]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return wrong


def test_who_clicks_spam_and_unsubscribe_at_once_is_not_told_to_come_again(house: House) -> None:
    member = join(house, "Ann", "ann@example.org", consents=[stream(house)])

    def leaving(step: Barrier) -> None:  # carry_out._leave: hold, then ledger.append
        departing.hold([member])
        step.wait()
        name_touched(begin_change(), [member.pk])

    def complaint(step: Barrier) -> None:  # settle.judge_mailbox_of
        number = begin_change()
        name_touched(number, [member.pk])
        step.wait()

    assert together(leaving, complaint) == []


def test_two_workers_with_a_limited_destination_do_not_wait_in_a_circle(house: House) -> None:
    limits: Any = {"gmail.com": Limits(per_minute=100)}
    with writing():
        grant = quota.take_domains({"gmail.com": 10}, NOW, limits)["gmail.com"]

    def turning(step: Barrier) -> None:  # hand_over._turn: a claim takes a number, and last of all it is given back
        step.wait()
        bump(Counter.SENDS)
        quota.give_back([(grant, 2)])

    def claiming(step: Barrier) -> None:  # NoticeBatch.claim: a number, then hold_back takes from the domain
        bump(Counter.SENDS)
        step.wait()
        quota.take_domains({"gmail.com": 10}, NOW, limits)

    assert together(turning, claiming) == []


def test_two_who_carry_out_the_same_departure_do_not_wait_in_a_circle(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender carries out several in one write; the page of one of them is at its own just then."""
    for name in ("ann", "bob"):
        join(office.house, name, f"{name}@example.org", consents=[stream(office.house)])
    office.begun(anne())
    office.send_all()
    first, second = (
        Departure(seed, Act.LEAVE, unsigned(copy_to(f"{name}@example.org").handle), NOW, Channel.ONE_CLICK)
        for seed, name in enumerate(("ann", "bob"))
    )
    page_is_at_it, real = Event(), departing.first_time

    def first_time(seed: int, at: datetime) -> bool:
        fresh = real(seed, at)
        if current_thread().name == "page":
            page_is_at_it.set()
        return fresh

    def sender(step: Barrier) -> None:
        carry_out(office.house, first, NOW)
        step.wait()
        # The page stands behind us by now, or has taken what we are about to want.
        page_is_at_it.wait(0.3)
        carry_out(office.house, second, NOW)

    def page(step: Barrier) -> None:
        current_thread().name = "page"
        step.wait()
        carry_out(office.house, second, NOW)

    monkeypatch.setattr(departing, "first_time", first_time)
    assert together(sender, page) == []
