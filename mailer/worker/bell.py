"""The bell: APScheduler in memory, which rings when something is due, or after a second, whichever is sooner.

The database says what is due; the bell only says when to look (design.md section 2). Each job runs at most once at a
time; a ring that comes late is a ring all the same. What is due is done in one thread with a database connection of
its own. In a second one the worker gives signs of life and looks around, in a third people are told of alarms: a long
preparation must not make it look dead, and a slow way of telling must hold up nothing. In a fourth reports are fetched
from where they come back to, which may take as long as their server likes.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger
from django.db import DatabaseError, close_old_connections

from mailer.actions.face_restore import note_changes, why_not
from mailer.actions.fetch_reports import Vigil, poll
from mailer.actions.forget_changes import forget_old
from mailer.actions.forget_reports import forget_old_reports
from mailer.actions.keep_time import keep_time
from mailer.actions.let_go import let_go
from mailer.actions.pass_on import show_failures
from mailer.actions.pulse import Pulse
from mailer.actions.recover import recover
from mailer.actions.replay_departures import forget_old_departures
from mailer.actions.seal_ledger import seal_ledger
from mailer.actions.tell_alarms import Teller
from mailer.actions.watch_site import ClockWatch, follow_clock, follow_returns, watch_site
from mailer.core.schedule import LONGEST_SLEEP, next_wake
from mailer.core.watch import BEAT
from mailer.house import House
from mailer.worker import chance
from mailer.worker.patience import Patience

_LOG = logging.getLogger("mailer.worker")
_RECOVER_EVERY = 60
_SEAL_EVERY = 600
_DESK_EVERY = 60
_FETCH_EVERY = 60
#: A mailbox is waited at for news until nearly the next time.
_VIGIL_SECONDS = 50
_WATCH_EVERY = 10
_TELL_EVERY = 30
_RETURNS_EVERY = 600
_FORGET_EVERY = 86_400


class _OneThread(ThreadPoolExecutor):  # type: ignore[misc]  # APScheduler has no types
    """A thread in which jobs run; the last thing it does is to let go of its connection."""

    def __init__(self) -> None:
        super().__init__(1)

    def shutdown(self, wait: bool = True) -> None:
        self._pool.submit(let_go)
        super().shutdown(wait)


@dataclass
class Bell:
    """Rings until it is shut down; `rung` is called after each time that something may have become sendable.

    `pulse` is what the worker says of itself; the bell keeps it beating, and ends it.
    """

    house: House
    rung: Callable[[], None]
    pulse: Pulse = field(default_factory=lambda: Pulse(chance.sign_of_life(chance.worker_name())))
    _patience: Patience = field(default_factory=Patience)
    #: The watch has its own: what it fails at must not slow the bell.
    _watch_patience: Patience = field(default_factory=Patience)
    _fetch_patience: Patience = field(default_factory=Patience)
    _stopping: Event = field(default_factory=Event)
    _clock_watch: ClockWatch = field(default_factory=lambda: ClockWatch(chance.clocks))
    #: What is wrong with the clock; "" until it was looked at.
    _clock_fault: str | None = ""
    _scheduler: BackgroundScheduler = field(init=False)

    def __post_init__(self) -> None:
        # A long preparation makes the scheduler say every second that it rang in vain.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={name: _OneThread() for name in ("default", "watch", "tell", "fetch")},
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
        )

    def start(self) -> None:
        """Begin to ring, at once."""
        begin = chance.now()
        for job, name, seconds, thread in (
            (self.ring, "bell", LONGEST_SLEEP, "default"),
            (self.recover_the_dead, "recover", _RECOVER_EVERY, "default"),
            (self.seal, "seal", _SEAL_EVERY, "default"),
            (self.tend_desk, "desk", _DESK_EVERY, "default"),
            (self.fetch_reports, "reports", _FETCH_EVERY, "fetch"),
            (self.forget, "forget", _FORGET_EVERY, "fetch"),
            (self.beat, "pulse", BEAT.total_seconds(), "watch"),
            (self.watch, "watch", _WATCH_EVERY, "watch"),
            (self.watch_returns, "returns", _RETURNS_EVERY, "watch"),
            (self.tell, "tell", _TELL_EVERY, "tell"),
        ):
            trigger = IntervalTrigger(seconds=seconds)
            self._scheduler.add_job(job, trigger, id=name, executor=thread, next_run_time=begin)
        self._scheduler.start()

    def shut_down(self) -> None:
        """Ring no more. A ring that is on ends by itself: to wait for it here would hold the locks that it may need."""
        self._stopping.set()
        self._scheduler.shutdown(wait=False)
        with suppress(DatabaseError):
            self.pulse.end()

    def ring(self) -> None:
        """Do what is due, and ring again sooner if something is due within the second."""
        if self._patience.is_resting():
            return
        following = self._guarded("the bell", self._keep_time)
        self.rung()
        self._come_sooner(following)

    def recover_the_dead(self) -> None:
        """Settle what workers of this host left behind that are no longer alive."""
        self._guarded("recovering", lambda: recover(self.house, chance.now()))

    def seal(self) -> None:
        """Let new lines of the consent ledger join the chain."""
        self._guarded("sealing", lambda: seal_ledger(self.house, chance.now()))

    def tend_desk(self) -> None:
        """Put on the desk which one-off letters did not arrive."""
        self._guarded("tending the desk", lambda: show_failures(chance.now()))

    def forget(self) -> None:
        """Let go of what has been kept for long enough: octets of old reports (standards B14), departures, changes."""
        self._guarded("forgetting old reports", lambda: forget_old_reports(self.house, chance.now()))
        self._guarded("forgetting old departures", lambda: forget_old_departures(self.house, chance.now()))
        self._guarded("forgetting old changes", forget_old)

    def fetch_reports(self) -> None:
        """Look where reports come back to, wait there for news, and look again at once when there are some."""
        while self._guarded("fetching reports", self._look_once, self._fetch_patience) and not self._stopping.is_set():
            pass

    def _look_once(self) -> bool:
        vigil = Vigil(_VIGIL_SECONDS, self._stopping.is_set)
        looks = list(poll(self.house, chance.now(), chance.handle, vigil=vigil))
        for look in looks:
            if look.trouble:
                _LOG.warning("%s", look.trouble)
        return any(look.more for look in looks)

    def beat(self) -> None:
        """Give a sign of life."""
        self._guarded("the pulse", lambda: self.pulse.beat(chance.now()), self._watch_patience)

    def watch(self) -> None:
        """Look at the workers, the mailings and the disk."""
        self._guarded("the watch", self._watch, self._watch_patience)

    def watch_returns(self) -> None:
        """Look whether reports still come back."""
        self._guarded("watching for reports", lambda: follow_returns(self.house, chance.now()), self._watch_patience)

    def tell(self) -> None:
        """Tell people of alarms."""
        teller = Teller(self.house, chance.now, chance.word)
        self._guarded("telling of alarms", teller.tell_all, self._watch_patience)

    def _watch(self) -> None:
        # A worker that has just started is there, before it looks for workers.
        self.pulse.beat(chance.now())
        watch_site(self.house, chance.host(), chance.now())

    def _keep_time(self) -> datetime | None:
        """Do what is due; with a clock that is wrong, nothing is."""
        if self._look_at_clock() or why_not(self.house) is not None:
            return None
        note_changes(self.house)
        return keep_time(self.house, now=chance.now(), draw=chance.handle, draw_word=chance.word)

    def _look_at_clock(self) -> str | None:
        fault = self._clock_watch.fault()
        if fault or fault != self._clock_fault:
            follow_clock(chance.host(), fault, chance.now())
        self._clock_fault = fault
        return fault

    def _come_sooner(self, following: object) -> None:
        now = chance.now()
        due = following if isinstance(following, datetime) else None
        seconds = next_wake(now, due)
        if 0 < seconds < LONGEST_SLEEP:
            with suppress(JobLookupError):  # shut down meanwhile
                self._scheduler.modify_job("bell", next_run_time=now + timedelta(seconds=seconds))

    def _guarded(self, doing: str, job: Callable[[], object], patience: Patience | None = None) -> object:
        """A database that is away, or a fault of ours, does not silence the bell: it is said, and rings slow down."""
        patience = patience or self._patience
        close_old_connections()
        try:
            done = job()
        except DatabaseError as error:
            patience.failed()
            _LOG.error("%s: the database: %s; tried again in %.0f s", doing, error, patience.pause)
            return None
        except Exception:  # noqa: BLE001 - whatever it was is told with its traceback, and the next ring comes
            patience.failed()
            _LOG.exception("%s failed; tried again in %.0f s", doing, patience.pause)
            return None
        else:
            patience.succeeded()
            return done
        finally:
            close_old_connections()
