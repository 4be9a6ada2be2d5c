"""The watch over the site: what is so rings, what is over rings no more.

Workers watch everything. A dead worker can tell nothing, so the process of the pages watches the workers too. Disk and
clock are a host's own, and only its workers speak of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from mailer.access import Actor
from mailer.actions.face_restore import why_not
from mailer.actions.raise_alarm import ABOUT, clear_alarm, raise_alarm
from mailer.actions.use_relay import routes_of
from mailer.actions.watch_returns import returns_are_silent
from mailer.core.alarm import ADVICE, OF_A_RELAY, AlarmKind
from mailer.core.schedule import brief
from mailer.core.watch import (
    FRESH,
    STALLED,
    UNTRIED,
    Clocks,
    WorkerState,
    clock_fault,
    compared_with,
    disk_fault,
    is_fresh,
    quiet_since,
)
from mailer.house import House
from mailer.models import alarm, backlog, clock, relay_state, worker_row
from mailer.models.base import writing
from mailer.models.ledger import record
from mailer.transport.disk import free_octets
from mailer.transport.relay import FaultKind

_KINDS = {
    FaultKind.AUTH: AlarmKind.RELAY_PASSWORD,
    FaultKind.TLS: AlarmKind.RELAY_TLS,
    FaultKind.BUSY: AlarmKind.RELAY_QUOTA,
}
_OF_A_HOST = (AlarmKind.CLOCK_OFF, AlarmKind.DISK_LOW)


def watch_site(house: House, host: str, now: datetime) -> None:
    """All that one worker on this host can see."""
    watch_workers(house, now)
    paused = {str(number): f"Mailing {number}: {reason}" for number, reason in backlog.paused().items()}
    _follow(AlarmKind.MAILING_PAUSED, paused, now)
    held = {str(number): _held_in_words(number, *some) for number, some in backlog.held().items()}
    _follow(AlarmKind.LETTERS_HELD, held, now)
    full = disk_is_low(house)
    _follow(AlarmKind.DISK_LOW, {host: full} if full else {}, now, host=host)
    _forget_hosts_that_left(host, now)
    reason = why_not(house)
    _follow(AlarmKind.RESTORED, {"": reason} if reason else {}, now)
    _follow_relays(house, now)


def _held_in_words(mailing: int, count: int, said: str) -> str:
    return f"Mailing {mailing}: {count} {'letter is' if count == 1 else 'letters are'} held. {said}".strip()


def _follow_relays(house: House, now: datetime) -> None:
    """What the sender wrote down of relays that it could not use."""
    names = {route.name for route in routes_of(house.config)}
    ill = [
        row
        for name, row in relay_state.states().items()
        if name in names and (row.until is None or now < row.until + UNTRIED)
    ]
    for kind in OF_A_RELAY:
        found = {row.name: f"The relay {row.name}: {row.reason}" for row in ill if _kind_of(row.kind) is kind}
        _follow(kind, found, now)


def _kind_of(fault: str) -> AlarmKind:
    return _KINDS.get(FaultKind(fault), AlarmKind.RELAY_DOWN)


def follow_returns(house: House, now: datetime) -> None:
    """Whether reports still come back. It counts mailings, so it is for once in a while."""
    silence = returns_are_silent(house, now)
    _follow(AlarmKind.RETURNS_SILENT, {"": silence} if silence else {}, now)


def watch_workers(house: House, now: datetime) -> None:
    """Whether somebody is at work while something waits, and whether that work moves."""
    unseen = no_worker_since(now)
    stalled = None if unseen else _stalled_since(now)
    for kind, since, words in (
        (AlarmKind.NO_WORKER, unseen, "No worker was seen since {}, and something is due."),
        (AlarmKind.BACKLOG, stalled, "No letter has left since {}, and more are due."),
    ):
        zone = house.config.organisation.time_zone
        _follow(kind, {"": words.format(brief(since, zone, now, beside=now))} if since else {}, now)


def no_worker_since(now: datetime) -> datetime | None:
    """Since when no worker was seen although something is due; None: all is well, or nothing is due."""
    seen = worker_row.last_seen(now + FRESH)
    return quiet_since(now, backlog.waiting_since(now), [seen] if seen else [], FRESH)


def stands_still(now: datetime) -> str | None:
    """Why no worker hands over anything, None if one may: there is none, or the host of each has a fault."""
    rings = alarm.ringing()
    unseen = next((each.words for each in rings if each.kind == AlarmKind.NO_WORKER), None)
    hosts = {row.host for row in worker_row.all_workers() if is_fresh(row.seen_at, now)}
    faults = {each.about: each for each in rings if each.kind in _OF_A_HOST and each.about in hosts}
    if unseen is None and hosts and hosts == faults.keys():
        fault = faults[min(hosts)]
        return f"{ADVICE[AlarmKind(fault.kind)].title}. {fault.words}"
    return unseen


def _stalled_since(now: datetime) -> datetime | None:
    alive = [row for row in worker_row.all_workers() if is_fresh(row.seen_at, now)]
    if any(row.state == WorkerState.WAITING for row in alive):
        return None  # it has said why
    signs = [row.handed_at or row.started_at for row in alive]
    since = quiet_since(now, backlog.waiting_since(now), signs, STALLED)
    # The workers' word is cheap to ask for; the letters have the last one.
    return None if since is None or backlog.moved_since(now - STALLED) else since


def disk_is_low(house: House) -> str | None:
    """Why nothing more may be sent for now, None if there is room."""
    data = house.config.data
    return disk_fault(free_octets(data.dir), data.keep_free_mb)


def clock_is_off(then: Clocks, now: Clocks) -> str | None:
    """What is wrong with this host's clock, None if nothing was noticed; `then` is what it is compared with."""
    # Our own events about alarms do not count: that of a wrong clock would make it look right.
    return clock_fault(then, now, newest_row=clock.newest_moment(but=ABOUT), database=clock.of_the_server())


@dataclass
class ClockWatch:
    """Looks at this host's clock again and again, each time comparing it with the look before."""

    clocks: Callable[[], Clocks]
    _compared: Clocks | None = None

    def fault(self) -> str | None:
        """What is wrong with the clock now, None if nothing was noticed."""
        now = self.clocks()
        then = self._compared or now
        self._compared = compared_with(then, now)
        return clock_is_off(then, now)


def follow_clock(host: str, fault: str | None, now: datetime) -> None:
    """Ring, or ring no more, about the clock of this host."""
    _follow(AlarmKind.CLOCK_OFF, {host: fault} if fault else {}, now, host=host)


def confirm_clock(actor: Actor, now: datetime) -> None:
    """Somebody says that the clock is right now: what a wrong one wrote before is not believed against it any more."""
    with writing():
        record(now, actor.reference, clock.CONFIRMED, about="site")


def _follow(kind: AlarmKind, found: Mapping[str, str], now: datetime, *, host: str | None = None) -> None:
    """Make the alarms of a kind, or those of it about one host, be exactly these."""
    for about, words in found.items():
        raise_alarm(kind, about, words, now)
    for each in alarm.ringing():
        if each.kind == kind and each.about not in found and host in (None, each.about):
            clear_alarm(kind, each.about, now)


def _forget_hosts_that_left(host: str, now: datetime) -> None:
    """Whose workers all said goodbye, nobody will ever say that its disk has room again."""
    hosts = {host, *(row.host for row in worker_row.all_workers())}
    for each in alarm.ringing():
        if each.kind in _OF_A_HOST and each.about not in hosts:
            clear_alarm(AlarmKind(each.kind), each.about, now)
