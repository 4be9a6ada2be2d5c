"""A person's hand on a mailing, and the times that are accepted or refused (S9, S24)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from mailer import access
from mailer.access import NotAllowed, NotFound
from mailer.actions.schedule_mailing import ScheduleRefused, schedule
from mailer.actions.steer_mailing import SteeringRefused, cancel, resume, send_again_to_uncertain, stop
from mailer.core.listfile import Office as Role
from mailer.core.schedule import AmbiguousLocalTime, MissingLocalTime, ScheduleError
from mailer.house import House
from mailer.models import Copy, Event, Mailing, Region
from mailer.transport.memory import accepts, defers, drops_after_final_dot, refuses
from tests.actions.office import Office, copy_to
from tests.threads import together
from tests.world import NOW, TODAY, anne, bart, join, sima, stream

pytestmark = pytest.mark.django_db
ANN = "ann@example.org"


def again(email: str = "anne@example.org") -> access.Actor:
    return access.actor_by_email(email, TODAY)


def test_a_time_that_has_passed_is_refused(office: Office) -> None:
    chair = anne()
    issue = office.written(chair)
    with pytest.raises(ScheduleRefused, match="has passed"):
        schedule(chair, office.house, issue, "2026-11-20 09:59", now=NOW)
    assert not Mailing.unscoped.exists()


def test_the_cool_off_moves_the_start_and_not_the_time(office: Office) -> None:
    chair = anne()
    issue = office.written(chair)
    schedule(chair, office.house, issue, "2026-11-20 10:00", now=NOW)
    mailing = office.mailing(issue)
    assert mailing.due_at == NOW
    assert mailing.starts_at == NOW + timedelta(minutes=office.house.config.sending.cool_off_minutes)
    assert mailing.starts_at > NOW


@pytest.mark.parametrize("ends", ["2026-11-20 10:00", "2026-11-20 11:00", "2026-11-01 11:00"])
def test_an_end_before_its_start_is_refused(office: Office, ends: str) -> None:
    chair = anne()
    issue = office.written(chair)
    with pytest.raises(ScheduleRefused):
        schedule(chair, office.house, issue, "2026-11-20 11:00", now=NOW, not_after=ends)
    assert not Mailing.unscoped.exists()


@pytest.mark.parametrize(
    ("at", "error", "readings"),
    [
        ("2027-03-28 01:30", MissingLocalTime, ("2027-03-28 00:59", "2027-03-28 02:00")),
        ("2027-10-31 01:30", AmbiguousLocalTime, ("2027-10-31 01:30 BST", "2027-10-31 01:30 GMT")),
    ],
)
def test_a_time_that_is_none_or_two_is_refused_with_both_readings(
    office: Office, at: str, error: type[Any], readings: tuple[str, str]
) -> None:
    chair = anne()
    issue = office.written(chair)
    with pytest.raises(error) as refused:
        schedule(chair, office.house, issue, at, now=NOW)
    assert refused.value.readings == readings
    for reading in readings:
        assert reading in str(refused.value)
    schedule(chair, office.house, issue, readings[1], now=NOW)
    assert office.mailing(issue).wall_time == readings[1][:16]


@pytest.mark.parametrize(
    "at", ["", "tomorrow", "2026-11-20", "2026-13-01 09:00", "20261120 0900", "2026-11-20 11:00; --"]
)
def test_nonsense_is_no_time(office: Office, at: str) -> None:
    chair = anne()
    with pytest.raises(ScheduleError):
        schedule(chair, office.house, office.written(chair), at, now=NOW)


def test_an_issue_is_scheduled_once(office: Office) -> None:
    chair = anne()
    issue = office.scheduled(chair)
    with pytest.raises(ScheduleRefused, match="nobody gets it twice"):
        schedule(chair, office.house, issue, "2026-11-20 12:00", now=NOW)
    assert Mailing.unscoped.count() == 1
    cancel(chair, office.house, issue, NOW)
    schedule(chair, office.house, issue, "2026-11-20 12:00", now=NOW)
    assert sorted(Mailing.unscoped.values_list("state", flat=True)) == ["cancelled", "scheduled"]


@pytest.mark.django_db(transaction=True)
def test_two_hands_at_once_schedule_it_once(office: Office, house: House) -> None:
    chair = anne()
    issue = office.written(chair)
    failures = together(4, lambda _: schedule(chair, house, issue, "2026-11-20 12:00", now=NOW))
    assert [type(each) for each in failures] == [ScheduleRefused] * 3
    assert Mailing.unscoped.count() == 1


@pytest.mark.parametrize("end", ["cancel", "miss"])
def test_an_issue_that_some_already_have_is_not_sent_again(office: Office, end: str) -> None:
    for n in range(4):
        join(office.house, f"Member {n}", f"m{n}@example.org", consents=[stream(office.house)])
    chair = anne()
    issue = office.begun(chair)
    halt: Callable[..., None] = cancel if end == "cancel" else stop
    office.relay.meanwhile[3] = lambda: halt(chair, office.house, issue, office.now)
    office.send_all()
    if end == "miss":
        office.now = office.mailing(issue).not_after
        resume(chair, office.house, issue, office.now)
        office.ring()
        assert office.mailing(issue).state == "missed"
    assert len(office.relay.copies) == 2
    with pytest.raises(ScheduleRefused):
        schedule(chair, office.house, issue, "2026-12-20 12:00", now=office.now)
    report = office.report(chair, issue)
    assert sum(report.outcomes.values()) == report.candidates == 4
    assert report.outcomes == {"accepted": 2, "cancelled" if end == "cancel" else "expired": 2}
    row = Mailing.unscoped.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Mailing.unscoped.create(
            **{field.attname: getattr(row, field.attname) for field in Mailing._meta.fields if not field.primary_key}
            | {"state": "scheduled", "started_at": None}
        )


def test_found_too_late_it_is_missed_and_asks(office: Office) -> None:
    join(office.house, "Ann Smith", ANN, consents=[stream(office.house)])
    chair = anne()
    issue = office.scheduled(chair)
    office.now += timedelta(hours=3, minutes=1)
    office.ring()
    office.send_all()
    assert office.mailing(issue).state == "missed"
    assert office.relay.handed == []
    assert Event.unscoped.filter(verb="mailing missed").exists()
    schedule(chair, office.house, issue, "2026-11-20 15:00", now=office.now)


def test_found_within_its_grace_it_goes(office: Office) -> None:
    join(office.house, "Ann Smith", ANN, consents=[stream(office.house)])
    issue = office.scheduled(anne())
    office.now += timedelta(hours=2, minutes=59)
    office.ring()
    office.send_all()
    assert office.mailing(issue).state == "sent"


def test_what_was_not_handed_over_by_its_end_expires(office: Office) -> None:
    join(office.house, "Ann Smith", ANN, consents=[stream(office.house)])
    join(office.house, "Bob Brown", "bob@example.org", consents=[stream(office.house)])
    office.relay.script(ANN, defers())
    issue = office.begun(anne())
    office.send_all()
    office.now = office.mailing(issue).not_after
    office.ring()
    assert copy_to(ANN).state == "expired"
    assert office.mailing(issue).state == "sent"
    assert office.report(again(), issue).outcomes == {"accepted": 1, "expired": 1}


@pytest.mark.parametrize("hours", [0.5, 2.5, 30])
def test_resumed_after_its_time_it_goes_at_once(office: Office, hours: float) -> None:
    """The person who resumes it knows that it is late."""
    join(office.house, "Ann Smith", ANN, consents=[stream(office.house)])
    chair = anne()
    issue = office.scheduled(chair)
    stop(chair, office.house, issue, office.now)
    office.now += timedelta(hours=1 + hours)
    office.ring()
    assert office.mailing(issue).state == "stopped"
    resume(chair, office.house, issue, office.now)
    office.ring()
    office.send_all()
    assert office.mailing(issue).state == "sent"
    assert office.relay.copies == {ANN: 1}


def test_a_cancelled_mailing_keeps_nobody_waiting(office: Office) -> None:
    """Cancelled while a worker holds letters: what comes back to the mailing is cancelled too."""
    for n in range(3):
        join(office.house, f"Member {n}", f"m{n}@example.org", consents=[stream(office.house)])
    office.relay.script("m0@example.org", defers(), accepts())
    office.relay.script("m1@example.org", defers(), accepts())
    office.relay.script("m2@example.org", defers(), accepts())
    chair = anne()
    issue = office.begun(chair)
    office.relay.meanwhile[2] = lambda: cancel(chair, office.house, issue, office.now)
    office.send_all()
    for _ in range(3):
        office.now += timedelta(hours=1)
        office.ring()
        office.send_all()
    assert office.report(chair, issue).copies == {"cancelled": 3}
    assert len(office.relay.handed) == 2


def test_sent_again_to_those_in_doubt_it_is_the_same_letter(office: Office) -> None:
    join(office.house, "Ann Smith", ANN, consents=[stream(office.house)])
    office.relay.script(ANN, drops_after_final_dot(kept=True), accepts())
    chair = anne()
    issue = office.begun(chair)
    office.send_all()
    assert office.mailing(issue).state == "sent"
    office.now += timedelta(minutes=2)
    assert send_again_to_uncertain(chair, office.house, issue, office.now) == 1
    office.send_all()
    first, second = (e.payload.partition(b"\r\nMessage-ID: ")[2][:80] for e in office.relay.handed)
    assert first == second
    assert copy_to(ANN).state == "accepted"
    assert send_again_to_uncertain(chair, office.house, issue, office.now) == 0


@pytest.mark.parametrize("how", ["cancelled", "over"])
def test_doubt_is_not_forgotten_where_nothing_more_is_sent(office: Office, how: str) -> None:
    join(office.house, "Ann Smith", ANN, consents=[stream(office.house)])
    join(office.house, "Bob Brown", "bob@example.org", consents=[stream(office.house)])
    office.relay.script(ANN, drops_after_final_dot(kept=True), accepts())
    office.relay.script("bob@example.org", defers())
    chair = anne()
    issue = office.begun(chair)
    office.send_all()
    office.now += timedelta(minutes=5)
    office.send_all()
    if how == "cancelled":
        cancel(chair, office.house, issue, office.now)
    else:
        office.now = office.mailing(issue).not_after + timedelta(minutes=1)
        office.ring()
    with pytest.raises(SteeringRefused):
        send_again_to_uncertain(chair, office.house, issue, office.now)
    office.ring()
    assert copy_to(ANN).state == "uncertain"


def test_left_while_in_doubt_is_not_sent_again(office: Office) -> None:
    from tests.world import withdraw

    ann = join(office.house, "Ann Smith", ANN, consents=[stream(office.house)])
    office.relay.script(ANN, drops_after_final_dot(kept=False), accepts())
    chair = anne()
    issue = office.begun(chair)
    office.send_all()
    office.now += timedelta(minutes=2)
    withdraw(office.house, ann, stream(office.house), office.now)
    send_again_to_uncertain(chair, office.house, issue, office.now)
    office.send_all()
    assert len(office.relay.handed) == 1
    assert copy_to(ANN).state == "withdrawn"


_WAYS: dict[str, Callable[[access.Actor, House, int], object]] = {
    "schedule": lambda a, h, n: schedule(a, h, n, "2026-11-20 12:00", now=NOW),
    "stop": lambda a, h, n: stop(a, h, n, NOW),
    "resume": lambda a, h, n: resume(a, h, n, NOW),
    "cancel": lambda a, h, n: cancel(a, h, n, NOW),
    "send again": lambda a, h, n: send_again_to_uncertain(a, h, n, NOW),
}


@pytest.mark.parametrize("way", _WAYS)
def test_the_hand_of_another_region_finds_nothing(office: Office, way: str) -> None:
    issue = office.scheduled(anne(), "local-notices", "suffolk")
    whole = office.scheduled(again())
    before = list(Mailing.unscoped.values())
    coordinator = bart()
    said = set()
    for number in (issue, whole, 999_999):
        with pytest.raises(NotFound) as refused:
            _WAYS[way](coordinator, office.house, number)
        said.add(str(refused.value).replace(str(number), "N"))
    assert len(said) == 1
    with pytest.raises(NotAllowed):
        _WAYS[way](sima(), office.house, issue)
    assert list(Mailing.unscoped.values()) == before


def test_a_region_that_is_no_more_gets_no_new_letter(office: Office) -> None:
    from mailer.core.errors import MailerError

    author = bart()
    issue = office.written(author, "local-notices", "norfolk")
    Region.unscoped.filter(slug="norfolk").update(retired=True)
    with pytest.raises(MailerError):
        schedule(author, office.house, issue, "2026-11-20 12:00", now=NOW)


def test_a_region_retired_after_scheduling_pauses_the_mailing(office: Office) -> None:
    notices = stream(office.house, "local-notices", "norfolk")
    join(office.house, "Ann Smith", ANN, regions=["norfolk"], consents=[notices])
    issue = office.scheduled(bart(), "local-notices", "norfolk")
    Region.unscoped.filter(slug="norfolk").update(retired=True)
    office.now += timedelta(hours=1)
    office.ring()
    office.send_all()
    assert office.mailing(issue).state == "paused"
    assert office.relay.handed == []


def test_the_clocks_going_back_do_not_send_twice(office: Office) -> None:
    join(office.house, "Ann Smith", ANN, consents=[stream(office.house)])
    chair = anne()
    issue = office.written(chair)
    office.now = datetime(2027, 10, 30, 12, 0, tzinfo=UTC)
    schedule(again(), office.house, issue, "2027-10-31 01:30 BST", now=office.now)
    for minutes in range(0, 180, 15):
        office.now = datetime(2027, 10, 31, 0, 0, tzinfo=UTC) + timedelta(minutes=minutes)
        office.ring()
        office.send_all()
    assert office.relay.copies == {ANN: 1}
    assert Copy.unscoped.count() == 1


def test_held_copies_are_released_while_the_rest_is_sending(office: Office) -> None:
    """What the operator's page promises: mend the fault, then `mailer issue resume`."""
    house, chair = office.house, anne()
    for box in ("held@example.org", "fine@example.org"):
        join(house, f"Member {box[:4]}", box, consents=[stream(house)])
    office.relay.script("held@example.org", refuses("550 5.7.1 Blocked"), accepts())
    issue = office.begun(chair)
    office.send_all()
    assert office.report(chair, issue).copies == {"accepted": 1, "held": 1}
    resume(chair, house, issue, office.now)
    office.send_all()
    assert office.report(chair, issue).copies == {"accepted": 2}
    with pytest.raises(SteeringRefused, match="only what is paused"):
        resume(chair, house, issue, office.now)


def test_scheduling_says_how_many_it_reaches(office: Office) -> None:
    house, chair = office.house, anne()
    join(house, "Yes Please", consents=[stream(house)])
    join(house, "Never Asked")
    done = schedule(chair, house, office.written(chair), "2026-11-20 11:00", now=office.now)
    assert (done.reaches, done.candidates) == (1, 2)


def test_one_person_is_one_user_however_they_write_their_address(house: House) -> None:
    from tests.world import office as grant_and_become

    first = grant_and_become(Role.CHAIR, "You@example.org", "You")
    second = grant_and_become(Role.SECRETARY, "you@Example.org", "You")
    assert first.user == second.user
    assert access.actor_by_email("YOU@example.org", TODAY).roles == {Role.CHAIR, Role.SECRETARY}
