"""The watch over the site: what is so rings, what is over rings no more, and a wrong clock starts nothing."""

from datetime import datetime, timedelta

import pytest

from mailer.actions import watch_site
from mailer.actions.plan_mailing import end_of
from mailer.actions.pulse import Pulse
from mailer.actions.raise_alarm import raise_alarm
from mailer.core.alarm import AlarmKind
from mailer.core.mailing import MailingState
from mailer.core.standing import Doubt
from mailer.core.throttle import Backoff
from mailer.core.watch import Clocks, SignOfLife, WorkerState
from mailer.house import House
from mailer.models import Copy, Mailing, WorkerRow, alarm, halt, relay_state
from mailer.transport.relay import FaultKind
from tests.actions.alarms import DISK, HOST, ringing
from tests.models.rows import copy_row, mailing_row
from tests.world import NOW, anne

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The octets that are free; a test may change them."""
    free = [1 << 40]
    monkeypatch.setattr(watch_site, "free_octets", lambda _: free[0])
    return free


def pulse(name: str = "host-a-1", at: datetime = NOW, host: str = HOST) -> Pulse:
    beating = Pulse(SignOfLife(name, host, 1, "0.1.0", at))
    beating.beat(at)
    return beating


def watch(house: House, now: datetime = NOW) -> list[tuple[str, str]]:
    watch_site.watch_site(house, HOST, now)
    return ringing()


def waiting(house: House) -> Mailing:
    mailing = mailing_row(house, MailingState.SENDING)
    copy_row(mailing, "queued")
    return mailing


def test_no_worker_is_an_alarm_only_while_something_waits(house: House, room: list[int]) -> None:
    pulse(at=NOW - timedelta(hours=2))
    assert watch(house) == []
    waiting(house)
    assert watch(house) == [(AlarmKind.NO_WORKER, "")]
    assert alarm.ringing()[0].words == "No worker was seen since 08:00, and something is due."
    alive = pulse("host-a-2")
    assert watch(house) == []
    alive.end()
    assert watch(house) == [(AlarmKind.NO_WORKER, "")]


def test_the_pages_notice_that_no_worker_lives(house: House) -> None:
    waiting(house)
    watch_site.watch_workers(house, NOW)
    assert ringing() == [(AlarmKind.NO_WORKER, "")]


def test_workers_that_live_and_move_nothing_are_a_backlog_unless_they_say_why(house: House, room: list[int]) -> None:
    waiting(house)
    started = NOW - 20 * MINUTE
    worker = pulse(at=started)
    worker.handed(1, NOW - 16 * MINUTE)
    worker.beat(NOW)
    assert watch(house) == [(AlarmKind.BACKLOG, "")]
    worker.is_now(WorkerState.WAITING, "quiet hours")
    worker.beat(NOW + MINUTE)
    assert watch(house, NOW + MINUTE) == []
    worker.is_now(WorkerState.WORKING)
    worker.handed(1, NOW + 2 * MINUTE)
    worker.beat(NOW + 2 * MINUTE)
    assert watch(house, NOW + 2 * MINUTE) == []


def test_what_moves_is_no_backlog_whatever_the_workers_say(house: House, room: list[int]) -> None:
    mailing = waiting(house)
    worker = pulse(at=NOW - 20 * MINUTE)
    worker.beat(NOW)
    assert watch(house) == [(AlarmKind.BACKLOG, "")]
    copy_row(mailing, "accepted", decided_at=NOW - 14 * MINUTE)
    assert watch(house) == []


def test_a_mailing_that_paused_rings_until_somebody_moves_it(house: House, room: list[int]) -> None:
    mailing = mailing_row(house, MailingState.PAUSED, state_reason="The mail server: 535 5.7.8")
    assert watch(house) == [(AlarmKind.MAILING_PAUSED, str(mailing.pk))]
    assert alarm.ringing()[0].words == f"Mailing {mailing.pk}: The mail server: 535 5.7.8"
    Mailing.unscoped.update(state=MailingState.CANCELLED)
    assert watch(house) == []


def test_letters_that_wait_for_a_person_ring_while_their_mailing_goes_on(house: House, room: list[int]) -> None:
    """Fewer than pause a mailing: they would be given up at its end, and nobody would have heard of them."""
    mailing = mailing_row(house, MailingState.SENDING)
    for state in ("accepted", "held", "held", "deferred"):
        copy_row(mailing, state, reply_text="5.7.1 <ann@example.org> not with this content")
    copy_row(mailing, "held", next_attempt_at=NOW)
    copy_row(mailing_row(house, MailingState.PAUSED), "held")
    assert (AlarmKind.LETTERS_HELD, str(mailing.pk)) in watch(house)
    row = next(row for row in alarm.ringing() if row.kind == AlarmKind.LETTERS_HELD)
    assert row.words == f"Mailing {mailing.pk}: 2 letters are held. 5.7.1 <(an address)> not with this content"
    Copy.unscoped.filter(state="held").update(state="queued")
    assert AlarmKind.LETTERS_HELD not in [kind for kind, _ in watch(house)]


def test_a_disk_that_is_nearly_full_is_its_hosts_own_affair(house: House, room: list[int]) -> None:
    pulse("host-b-1", host="host-b")
    raise_alarm(DISK, "host-b", "", NOW)
    room[0] = 150_000_000
    assert watch_site.disk_is_low(house) == "About 150 MB are free; sending waits until there are 200 MB."
    assert watch(house) == [(DISK, "host-b"), (DISK, HOST)]
    room[0] = 200_000_000
    assert watch_site.disk_is_low(house) is None
    assert watch(house) == [(DISK, "host-b")]
    WorkerRow.unscoped.all().delete()
    assert watch(house) == [], "nobody will ever say that a host which left has room again"


def test_a_restored_database_rings_until_somebody_says_that_the_site_goes_on(house: House, room: list[int]) -> None:
    halt.begin(Doubt.RESTORED, NOW)
    assert watch(house) == [(AlarmKind.RESTORED, "")]
    assert "mailer site adopt" in alarm.ringing()[0].words
    halt.end(NOW, "user:1", "looked at it")
    assert watch(house) == []


def ill(house: House, kind: FaultKind, name: str = "smtp", *, backoff: bool = True) -> None:
    rest = Backoff(MINUTE, MINUTE) if backoff else None
    relay_state.fault(name, kind, "535 5.7.8 <ann@example.org>", "fingerprint", NOW, rest)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.AUTH, AlarmKind.RELAY_PASSWORD),
        (FaultKind.TLS, AlarmKind.RELAY_TLS),
        (FaultKind.BUSY, AlarmKind.RELAY_QUOTA),
        (FaultKind.UNREACHABLE, AlarmKind.RELAY_DOWN),
        (FaultKind.PROTOCOL, AlarmKind.RELAY_DOWN),
    ],
)
def test_a_relay_rings_for_what_is_wrong_with_it_until_it_is_well(
    house: House, room: list[int], kind: FaultKind, expected: AlarmKind
) -> None:
    ill(house, kind)
    assert watch(house) == [(expected, "smtp")]
    assert alarm.ringing()[0].words == "The relay smtp: 535 5.7.8 <(an address)>"
    relay_state.well("smtp")
    assert watch(house) == []


def test_a_relay_that_nobody_tried_since_it_has_rested_is_not_ill_for_ever(house: House, room: list[int]) -> None:
    ill(house, FaultKind.UNREACHABLE)
    assert watch(house, NOW + 10 * MINUTE) == [(AlarmKind.RELAY_DOWN, "smtp")]
    assert watch(house, NOW + 11 * MINUTE) == []


def test_a_refused_password_waits_for_a_person_however_long(house: House, room: list[int]) -> None:
    ill(house, FaultKind.AUTH, backoff=False)
    assert watch(house, NOW + timedelta(days=30)) == [(AlarmKind.RELAY_PASSWORD, "smtp")]


def test_a_relay_that_the_configuration_no_longer_names_rings_no_more(house: House, room: list[int]) -> None:
    ill(house, FaultKind.AUTH, "former", backoff=False)
    assert watch(house) == []


def test_what_stops_every_worker_is_said_of_a_mailing_that_is_under_way(house: House, room: list[int]) -> None:
    mailing = waiting(house)
    Mailing.unscoped.update(started_at=NOW, prepared_at=NOW)
    pulse()
    room[0] = 150_000_000
    watch(house)
    full = "The disk is nearly full. About 150 MB are free; sending waits until there are 200 MB."
    assert end_of(house, mailing.pk, NOW).words == f"1 letter left; does not end: {full}"
    pulse("host-b-1", host="host-b")
    assert end_of(house, mailing.pk, NOW).ends is not None, "the other host goes on"
    WorkerRow.unscoped.all().delete()
    watch(house, NOW + 2 * MINUTE)
    assert "No worker was seen since" in end_of(house, mailing.pk, NOW + 2 * MINUTE).words


def off(now: datetime, then: Clocks | None = None) -> str | None:
    look = Clocks(now, 1000.0)
    return watch_site.clock_is_off(then or look, look)


def test_each_look_at_the_clock_is_compared_with_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [Clocks(NOW + second * timedelta(seconds=1), 1000.0 + second) for second in range(3)]
    compared: list[tuple[Clocks, Clocks]] = []
    monkeypatch.setattr(watch_site, "clock_is_off", lambda then, now: compared.append((then, now)))
    watch = watch_site.ClockWatch(iter(looks).__next__)
    for _ in looks:
        watch.fault()
    assert compared == [(looks[0], looks[0]), (looks[0], looks[1]), (looks[1], looks[2])]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> list[datetime | None]:
    """What the database's server says of the time."""
    says: list[datetime | None] = [None]
    monkeypatch.setattr(watch_site.clock, "of_the_server", lambda: says[0])
    return says


def test_a_clock_before_the_newest_line_of_the_audit_log_is_wrong(server: list[datetime | None]) -> None:
    anne()
    assert off(NOW) is None
    assert "2 hours earlier" in str(off(NOW - timedelta(hours=2)))


def test_what_a_wrong_clock_wrote_is_not_believed_once_somebody_says_that_this_one_is_right(
    server: list[datetime | None],
) -> None:
    chair = anne()
    right = NOW - timedelta(days=3000)
    watch_site.follow_clock(HOST, off(right), right)
    assert ringing() == [(AlarmKind.CLOCK_OFF, HOST)]
    assert off(right) is not None, "the event of the alarm itself proves nothing"
    watch_site.confirm_clock(chair, right)
    assert off(right) is None
    watch_site.follow_clock(HOST, None, right)
    assert ringing() == []
    raise_alarm(DISK, HOST, "", NOW)
    anne()
    assert off(right) is not None, "what is written later counts again"


def test_the_database_server_settles_who_is_wrong(server: list[datetime | None]) -> None:
    server[0] = NOW + timedelta(hours=1)
    assert "behind the clock of the database" in str(off(NOW))
