"""What a person is told before and while a mailing is sent: how many letters, from when, until when."""

from datetime import UTC, datetime, timedelta

import pytest

from mailer.actions.plan_mailing import end_of
from mailer.actions.schedule_mailing import schedule
from mailer.actions.steer_mailing import stop
from mailer.actions.steer_relay import failed, volumes
from mailer.config.relays import DomainLimits, RelayLimits
from mailer.core.limits import Limits
from mailer.core.quiet import quiet_hours
from mailer.core.reply import Step, parse
from mailer.house import House
from mailer.models import Copy
from mailer.models.destination import slow
from mailer.models.quota import take
from mailer.transport.relay import FaultKind, RelayFault
from tests.actions.office import Office
from tests.actions.relays import with_relays
from tests.world import NOW, anne, join, stream

pytestmark = pytest.mark.django_db
PEOPLE = 6


@pytest.fixture
def members(house: House) -> None:
    """Six mailboxes, one of them shared by two."""
    for n in range(PEOPLE):
        join(house, f"Member {n}", f"m{n}@{'example.net' if n < 4 else 'example.org'}", consents=[stream(house)])
    join(house, "Other Five", "m5@example.org", consents=[stream(house)])


def planned(office: Office, house: House, at: str = "2026-12-01 09:00", **more: str) -> str:
    chair = anne()
    return schedule(chair, house, office.written(chair), at, now=NOW, **more).plan.words


@pytest.mark.usefixtures("members")
def test_the_plan_is_told_when_it_is_scheduled(office: Office) -> None:
    assert planned(office, office.house) == "about 6 letters; begins Tuesday 1 December 09:00, ends 09:01"


@pytest.mark.usefixtures("members")
def test_a_limit_of_the_relay_makes_it_longer(office: Office) -> None:
    house = with_relays(office.house, limits=[RelayLimits(name="smtp", per_hour=6)])
    assert planned(office, house) == "about 6 letters; begins Tuesday 1 December 09:00, ends 10:02"


@pytest.mark.usefixtures("members")
def test_a_limit_of_a_destination_makes_it_longer(office: Office) -> None:
    house = with_relays(office.house, domains=[DomainLimits(domain="example.net", per_hour=2)])
    assert planned(office, house) == "about 6 letters; begins Tuesday 1 December 09:00, ends 12:04"
    house = with_relays(office.house, domains=[DomainLimits(domain="example.com", per_hour=2)])
    assert planned(office, house) == "about 6 letters; begins Tuesday 1 December 09:00, ends 09:01"


@pytest.mark.usefixtures("members")
def test_quiet_hours_move_it(office: Office) -> None:
    house = with_relays(office.house, quiet=quiet_hours("21:00-08:00"))
    told = planned(office, house, "2026-12-01 23:30")
    assert told == "about 6 letters; begins Wednesday 2 December 08:00, ends 08:01"


@pytest.mark.usefixtures("members")
def test_what_cannot_all_go_in_time_is_told(office: Office) -> None:
    house = with_relays(office.house, limits=[RelayLimits(name="smtp", per_day=4)])
    told = planned(office, house, not_after="2026-12-01 18:00")
    assert told == (
        "about 6 letters; begins Tuesday 1 December 09:00, does not end: 4 letters do not go before it is over,"
        " Tuesday 1 December 18:00"
    )


@pytest.mark.usefixtures("members")
def test_while_it_runs_what_is_left_is_told(office: Office) -> None:
    chair = anne()
    issue = office.scheduled(chair)
    mailing = office.mailing(issue).pk
    assert end_of(office.house, mailing, NOW).words == "about 6 letters; begins Friday 11:00, ends 11:01"
    office.now += timedelta(hours=1, minutes=1)
    office.ring()
    assert end_of(office.house, mailing, office.now).words == "6 letters left; ends Friday 11:02"
    assert end_of(office.house, mailing, office.now, rate=6 / 7200).words == "6 letters left; ends Friday 13:01"
    Copy.unscoped.filter(mailbox__address="m0@example.net").update(state="claimed", claim=1, claimed_by="w")
    Copy.unscoped.filter(mailbox__address="m0@example.net").update(
        state="deferred", attempts=1, next_attempt_at=office.now + timedelta(minutes=40)
    )
    told = end_of(office.house, mailing, office.now)
    assert told.words == "5 letters left, and 1 to be tried again from Friday 11:41 on; ends Friday 11:02"
    assert (told.letters, told.later, told.later_from) == (5, 1, office.now + timedelta(minutes=40))
    for state in ("queued", "claimed", "held"):
        Copy.unscoped.filter(next_attempt_at__isnull=False).update(state=state)
    Copy.unscoped.filter(state="held").update(next_attempt_at=None)
    told = end_of(office.house, mailing, office.now)
    assert told.words == "5 letters left, and 1 to be tried again when somebody resumes the mailing; ends Friday 11:02"


@pytest.mark.usefixtures("members")
def test_what_a_destinations_limit_put_off_is_still_planned(office: Office) -> None:
    office.house = with_relays(office.house, domains=[DomainLimits(domain="example.net", per_hour=2)])
    mailing = office.mailing(office.begun(anne())).pk
    before = end_of(office.house, mailing, office.now)
    office.send_all()
    told = end_of(office.house, mailing, office.now)
    assert Copy.unscoped.filter(state="deferred").count() == told.letters > 0
    assert told.later == 0
    assert told.ends is not None
    assert before.ends is not None
    assert abs(told.ends - before.ends) <= timedelta(minutes=2)


@pytest.mark.usefixtures("members")
def test_quota_that_is_used_and_destinations_that_rest_are_waited_for(office: Office) -> None:
    issue = office.begun(anne())
    mailing, now = office.mailing(issue).pk, office.now
    slow("example.net", parse(b"421 4.7.0 Too many, retry in 40 minutes\r\n"), now)
    assert end_of(office.house, mailing, now).ends == now + timedelta(minutes=40, seconds=0.2)
    take("smtp", 50, now, Limits(per_hour=100))
    house = with_relays(office.house, limits=[RelayLimits(name="smtp", per_hour=70)])
    assert end_of(house, mailing, now).ends == datetime(2026, 11, 20, 12, 2, 0, 300_000, tzinfo=UTC)


@pytest.mark.usefixtures("members")
def test_other_mailings_take_turns_with_it(office: Office) -> None:
    chair = anne()
    first, second = office.scheduled(chair), office.scheduled(chair)
    office.now += timedelta(hours=1, minutes=1)
    office.ring()
    office.ring()
    for issue in (first, second):
        assert end_of(office.house, office.mailing(issue).pk, office.now, rate=0.1).ends == office.now + timedelta(
            seconds=120
        )


@pytest.mark.usefixtures("members")
def test_what_waits_for_a_person_has_no_end(office: Office) -> None:
    chair = anne()
    issue = office.begun(chair)
    mailing, now = office.mailing(issue).pk, office.now
    locked_out = RelayFault("The login was refused.", kind=FaultKind.AUTH, retry_later=False, step=Step.AUTH)
    busy = RelayFault("Too busy.", kind=FaultKind.BUSY, retry_later=True, step=Step.CONNECT)
    failed(office.house, "smtp", busy, now)
    assert end_of(office.house, mailing, now).ends == now + timedelta(seconds=60.3)
    failed(office.house, "smtp", locked_out, now)
    told = end_of(office.house, mailing, now)
    assert told.ends is None
    assert told.words == "6 letters left; does not end: The relay smtp: The login was refused."
    stop(chair, office.house, issue, now)
    assert end_of(office.house, mailing, now).words == "6 letters left; does not end: stopped by Anne Chair"


@pytest.mark.usefixtures("members")
def test_what_is_over_is_over(office: Office) -> None:
    issue = office.begun(anne())
    mailing = office.mailing(issue)
    office.send_all()
    told = end_of(office.house, mailing.pk, office.now)
    assert (told.letters, told.words) == (0, "it is sent")
    assert told.ends == office.mailing(issue).finished_at


@pytest.mark.usefixtures("members")
def test_the_letters_of_a_day_are_counted_by_provider(office: Office) -> None:
    office.begun(anne())
    office.send_all()
    assert [(each.domain, each.letters) for each in volumes(office.now)] == [("example.net", 4), ("example.org", 2)]
    assert volumes(office.now + timedelta(days=2)) == ()
    Copy.unscoped.filter(mailbox__address="m0@example.net").update(decided_at=office.now - timedelta(days=2))
    assert [(each.domain, each.letters) for each in volumes(office.now)] == [("example.net", 3), ("example.org", 2)]
