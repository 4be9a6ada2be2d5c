"""One worker: the bell in a thread, the sender in the main thread, and an end that loses and doubles nobody.

Law of the file: on SIGTERM or SIGINT the letter in hand is finished, the rest is given back, the journal is closed. A
relay that does not answer meanwhile is not waited for: the process then ends as if it were killed, and its journal
tells the next worker which letter is in doubt. After a database error, too, the journal says what was sent: it is
settled first, and only then does this worker go on, under a new name (design.md section 4, "Exactness").
"""

import gc
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

from django.db import DatabaseError, close_old_connections

from mailer.actions.choose_relay import Chosen
from mailer.actions.face_restore import may_send
from mailer.actions.hand_over import Sender
from mailer.actions.pulse import Pulse
from mailer.actions.recover import recover
from mailer.actions.replay_departures import DeparturesUnreadable
from mailer.actions.use_relay import all_must_be_signed, signers_of
from mailer.actions.watch_site import ClockWatch
from mailer.core.dkim import Signer
from mailer.core.errors import MailerError
from mailer.core.schedule import next_wake
from mailer.house import House
from mailer.transport.journal import Journal
from mailer.transport.pool import HandsOver, Pool
from mailer.transport.smtp import connect
from mailer.worker import chance
from mailer.worker.bell import Bell
from mailer.worker.patience import Patience

_LOG = logging.getLogger("mailer.worker")
#: Seconds for the letter in hand after the signal to stop; `mailer run` waits longer than that before it kills.
LAST_LETTER = 10.0
_NICE = 5
#: So many objects more than at the last look before the collector looks again; each letter leaves some ten for a while.
_COLLECTED = 50_000
#: Seconds for a relay to let us in, before another one takes over.
_PATIENCE = 20.0
#: How often a resting worker looks whether it is to stop.
_GLANCE = 0.1
#: How often one that may not send asks again.
_LONG_GLANCE = 2.0

Tell = Callable[[str, Mapping[str, object]], None]


def _silent(_words: str, _event: Mapping[str, object]) -> None:
    """Nobody listens."""


def run(house: House, tell: Tell = _silent) -> int:
    """Prepare and send what is due until told to stop; 0. `tell` hears, in words and as an event, what happens."""
    signers = signers_of(house.config)
    all_must_be_signed(house.config, signers)
    # Somebody who leaves must not wait behind a busy sender: on a full machine the pages come first.
    os.nice(_NICE)
    worker = Worker(house, _pool_to, signers)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, worker.stop_on_signal)
    signal.signal(signal.SIGALRM, _end_as_if_killed)
    tell("The worker runs; SIGTERM or Ctrl-C ends it cleanly.", {"event": "working", "pid": os.getpid()})
    _collect_seldom()
    status = worker.run()
    signal.setitimer(signal.ITIMER_REAL, 0)
    tell("The worker has ended; nothing is in its hands.", {"event": "stopped"})
    return status


@dataclass
class Worker:
    """The two halves of the process, and how they end."""

    house: House
    wire_to: Callable[[Chosen], HandsOver]
    signers: Sequence[Signer]
    stopping: bool = False
    #: Set when there may be something to send.
    awake: threading.Event = field(default_factory=threading.Event)
    _patience: Patience = field(default_factory=Patience)
    _clock_watch: ClockWatch = field(default_factory=lambda: ClockWatch(chance.clocks))
    #: Why nothing may be sent, as it was last said.
    _unfit: str | None = None

    def stop_on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        """Begin to stop; a second signal changes nothing. No lock is taken: this thread may be holding it."""
        if not self.stopping:
            self.stopping = True
            signal.setitimer(signal.ITIMER_REAL, LAST_LETTER)

    def run(self) -> int:
        """Ring and send until stopped."""
        bell = Bell(self.house, self.awake.set)
        self._is_fit_to_send()
        bell.start()
        try:
            while not self.stopping:
                if self._is_fit_to_send():
                    self._work_under_one_name(bell.pulse)
                else:
                    self._rest(_LONG_GLANCE)
        finally:
            bell.shut_down()
        return 0

    def _is_fit_to_send(self) -> bool:
        """Whether this is the database that was sent from before, and not an older one or a copy (design.md 4)."""
        try:
            reason = may_send(self.house, chance.now())
        except (DatabaseError, MailerError) as error:
            reason = str(error)
        if reason is not None and reason != self._unfit:
            _LOG.error("nothing is sent: %s", reason)
        self._unfit = reason
        return reason is None

    def _rest(self, seconds: float) -> None:
        """Wait, unless told to stop."""
        close_old_connections()
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and not self.stopping:
            time.sleep(_GLANCE)

    def _work_under_one_name(self, pulse: Pulse) -> None:
        """Send until stopped, or until the database fails; in the end the journal holds only what is not settled."""
        try:
            recover(self.house, chance.now())
            journal = Journal(self.house.journals, chance.worker_name())
            try:
                self._send(self._sender(journal, pulse))
            except BaseException:
                # Something may be claimed that is not in it yet; who settles it gives that back.
                journal.leave()
                raise
            journal.close()
        except (DatabaseError, DeparturesUnreadable) as error:
            self._patience.failed()
            _LOG.error("the sender: %s; tried again in %.1f s", error, self._patience.pause)
            self._rest(self._patience.pause)

    def _sender(self, journal: Journal, pulse: Pulse) -> Sender:
        return Sender(
            self.house,
            journal,
            self.wire_to,
            chance.now,
            _ticks,
            chance.handle,
            pulse,
            self.signers,
            lambda: self.stopping,
            self._clock_watch.fault,
        )

    def _send(self, sender: Sender) -> None:
        try:
            while not self.stopping:
                self.awake.clear()
                busy = sender.work()
                self._patience.succeeded()
                if not busy:
                    close_old_connections()
                    self.awake.wait(next_wake(chance.now(), sender.ready_at))
        finally:
            sender.rest()


def _pool_to(via: Chosen) -> HandsOver:
    limits = via.limits
    return Pool(
        lambda: connect(via.relay).lane,
        time.monotonic,
        most=limits.most_connections,
        letters_a_lane=limits.letters_per_connection,
        patience=_PATIENCE if via.has_spare else math.inf,
    )


def _collect_seldom() -> None:
    """What is loaded stays, and letters leave no circles: the collector need not look through both all the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECTED, 20, 20)


def _ticks() -> float:
    """Seconds that pass while the machine is suspended too, so that a worker knows its lease has lapsed meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _end_as_if_killed(_signal: int, _frame: FrameType | None) -> None:
    _LOG.warning("The relay does not answer; the worker ends without it. Its journal says which letter is in doubt.")
    os._exit(0)
