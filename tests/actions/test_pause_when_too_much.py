"""A mailing of which too much comes back stops by itself, asks a person, and does not ask the same twice."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mailer.actions.pause_when_too_much import pause_if_too_much_comes_back
from mailer.actions.steer_mailing import resume
from mailer.core.returning import answered
from mailer.core.verdict import Class
from mailer.models import Bounce, BounceSource, Copy, DomainRun, Event, Mailing, tally
from mailer.models.outbox import signed
from tests.actions.comes_back import comes_back, complaint, dsn
from tests.actions.office import Office
from tests.models.rows import void_of
from tests.world import anne, join, stream

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailing(office: Office) -> Mailing:
    """A mailing that is being sent, as far as the test says."""
    join(office.house, "Gwen", "gwen@example.org", consents=[stream(office.house)])
    issue = office.begun(anne())
    Copy.unscoped.filter(mailing=office.mailing(issue)).update(state="claimed", claim=1, claimed_by="w")
    return office.mailing(issue)


def copies(office: Office, mailing: Mailing, state: str, count: int) -> list[Copy]:
    """So many more copies in this state, at random positions; their mailboxes do not matter here."""
    rows = []
    for _ in range(count):
        handle = office.draw.handle()
        place = {"handle": signed(handle), "position": handle >> 1, "void": void_of(state, signed(handle))}
        rows.append(Copy(mailing=mailing, state=state, language="en-GB", attempts=1, **place))
    return list(Copy.unscoped.bulk_create(rows))


def came_back(office: Office, mailing: Mailing, klass: Class, rows: list[Copy]) -> None:
    Bounce.unscoped.bulk_create(
        [
            Bounce(copy=row, mailing=mailing, source=BounceSource.SMTP, kind="x", klass=klass, received_at=office.now)
            for row in rows
        ]
    )


def asked(office: Office, mailing: Mailing) -> str | None:
    return pause_if_too_much_comes_back(office.house, mailing, office.now)


def state(mailing: Mailing) -> str:
    return str(Mailing.unscoped.get(pk=mailing.pk).state)


def test_five_dead_addresses_of_a_hundred_stop_it(office: Office, mailing: Mailing) -> None:
    copies(office, mailing, "accepted", 94)
    dead = copies(office, mailing, "refused", 5)
    came_back(office, mailing, Class.HARD, dead[:4])
    assert asked(office, mailing) is None
    came_back(office, mailing, Class.HARD, dead[4:])
    assert "5 of 100 addresses are gone" in str(asked(office, mailing))
    assert state(mailing) == "paused"
    told = Event.unscoped.get(verb=tally.CAME_BACK)
    assert told.details == {"attempted": 100, "hard": 5, "complaints": 0}


def test_what_waits_is_not_counted_as_attempted(office: Office, mailing: Mailing) -> None:
    for waiting in ("queued", "deferred", "held", "withdrawn", "cancelled"):
        copies(office, mailing, waiting, 200)
    came_back(office, mailing, Class.HARD, copies(office, mailing, "refused", 48))
    assert asked(office, mailing) is None, "49 of them were attempted, which is too few to tell"
    came_back(office, mailing, Class.HARD, copies(office, mailing, "bounced", 1))
    assert asked(office, mailing)


def test_two_reports_about_one_copy_are_one_address(office: Office, mailing: Mailing) -> None:
    copies(office, mailing, "accepted", 96)
    dead = copies(office, mailing, "refused", 3)
    came_back(office, mailing, Class.HARD, [*dead, *dead])
    assert asked(office, mailing) is None


def test_whoever_lets_it_go_on_is_asked_again_only_for_more(office: Office, mailing: Mailing) -> None:
    copies(office, mailing, "accepted", 90)
    came_back(office, mailing, Class.HARD, copies(office, mailing, "refused", 9))
    assert asked(office, mailing)
    issue = mailing.issue_id
    resume(anne(), office.house, issue, office.now)
    assert asked(office, mailing) is None
    copies(office, mailing, "accepted", 40)
    came_back(office, mailing, Class.HARD, copies(office, mailing, "refused", 9))
    assert asked(office, mailing) is None, "49 since then"
    copies(office, mailing, "accepted", 1)
    assert "9 of 50" in str(asked(office, mailing))


def test_what_is_not_being_sent_is_not_stopped(office: Office, mailing: Mailing) -> None:
    Copy.unscoped.filter(mailing=mailing).update(state="accepted")
    came_back(office, mailing, Class.HARD, copies(office, mailing, "refused", 60))
    office.ring()
    assert (state(mailing), asked(office, mailing), state(mailing)) == ("sent", None, "sent")


@pytest.mark.parametrize("by_report", [True, False])
def test_three_refusals_by_policy_from_one_domain_stop_it(office: Office, mailing: Mailing, by_report: bool) -> None:
    blocks, lets = answered("a@example.net", "5.7.1"), answered("b@example.net", "2.0.0")
    other = answered("c@example.com", "2.0.0")
    for answers in ([blocks, blocks, lets], [blocks, other], [blocks, other]):
        assert not pause_if_too_much_comes_back(office.house, mailing, office.now, answers, by_report=by_report)
    assert DomainRun.unscoped.get().in_a_row == 2
    assert not pause_if_too_much_comes_back(office.house, mailing, office.now, [other], by_report=by_report)
    assert not pause_if_too_much_comes_back(office.house, mailing, office.now, [lets], by_report=not by_report)
    said = pause_if_too_much_comes_back(office.house, mailing, office.now, [blocks], by_report=by_report)
    assert said == "example.net refuses our letters, not its people: 3 in a row."
    assert (state(mailing), DomainRun.unscoped.count()) == ("paused", 0)


def test_reports_stop_it_too(office: Office) -> None:
    people = [f"{name}@example.net" for name in ("ann", "bob", "cat", "dan")]
    for address in people:
        join(office.house, address.partition("@")[0].title(), address, consents=[stream(office.house)])
    issue = office.begun(anne())
    office.sender.work()
    Copy.unscoped.filter(pk=copies(office, office.mailing(issue), "queued", 1)[0].pk).update(state="queued")
    reports = [dsn(office, address, "5.7.1", "blocked") for address in sorted(office.reached())]
    comes_back(office, *reports[:2])
    assert office.mailing(issue).state == "sending"
    comes_back(office, reports[2])
    assert office.mailing(issue).state == "paused"


def test_two_complaints_stop_it(office: Office) -> None:
    people = ["ann@example.net", "bob@example.net"]
    for address in people:
        join(office.house, address.partition("@")[0].title(), address, consents=[stream(office.house)])
    issue = office.begun(anne())
    office.sender.work()
    copies(office, office.mailing(issue), "queued", 1)
    comes_back(office, complaint(office, people[0]))
    assert office.mailing(issue).state == "sending"
    comes_back(office, complaint(office, people[1]))
    assert "2 of 2 readers" in office.mailing(issue).state_reason


def partly_sent(office: Office, mailing: Mailing, done: int, waiting: int) -> None:
    """A mailing handed over in the order of positions, which are drawn at random."""
    Copy.unscoped.filter(mailing=mailing).update(state="accepted", position=0)
    handles = sorted((office.draw.handle() for _ in range(done + waiting)), key=lambda handle: handle >> 1)
    Copy.unscoped.bulk_create(
        Copy(
            mailing=mailing,
            handle=signed(handle),
            state="accepted" if index < done else "queued",
            language="en-GB",
            position=handle >> 1,
        )
        for index, handle in enumerate(handles)
    )


def test_the_guess_is_near(office: Office, mailing: Mailing) -> None:
    partly_sent(office, mailing, 2000, 4000)
    copies(office, mailing, "queued", 20)
    tried_before = Copy.unscoped.filter(mailing=mailing, state="queued").order_by("-pk")[:20]
    Copy.unscoped.filter(pk__in=[row.pk for row in tried_before]).update(position=7)
    assert 1500 < tally.guessed_attempts(mailing.pk) < 2500


def test_where_little_comes_back_nothing_is_counted(office: Office, mailing: Mailing) -> None:
    partly_sent(office, mailing, 2000, 2000)
    with CaptureQueriesContext(connection) as asked_for:
        pause_if_too_much_comes_back(office.house, mailing, office.now, [answered("a@example.net", "2.0.0")])
    assert len([query for query in asked_for if query["sql"].startswith("SELECT")]) == 3
    came_back(office, mailing, Class.HARD, copies(office, mailing, "refused", 20))
    with CaptureQueriesContext(connection) as asked_for:
        assert asked(office, mailing) is None
    assert not [query for query in asked_for if "COUNT(*)" in query["sql"]]


def test_a_report_that_is_read_late_stops_what_is_still_sent(office: Office, mailing: Mailing) -> None:
    copies(office, mailing, "accepted", 90)
    came_back(office, mailing, Class.HARD, copies(office, mailing, "refused", 9))
    office.now += timedelta(days=1)
    assert asked(office, mailing)
