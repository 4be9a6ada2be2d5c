"""A worker's pulse: what it says of itself, written every few seconds by whichever of its threads comes first."""

import threading
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mailer.core.progress import WINDOW, per_second
from mailer.core.watch import BEAT, SignOfLife, WorkerState
from mailer.models import worker_row


@dataclass
class Pulse:
    """One worker's. The sender says what it does; the bell keeps it beating while the sender waits for a relay."""

    sign: SignOfLife
    _written_at: datetime | None = None
    _handed: deque[tuple[datetime, int]] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: bool = False

    def is_now(self, state: WorkerState, reason: str = "") -> None:
        """What the worker does from now on, and why it waits."""
        self.sign = replace(self.sign, state=state, reason=reason)

    def handed(self, letters: int, now: datetime) -> None:
        """So many letters have left."""
        self._handed.append((now, letters))
        while now - self._handed[0][0] > WINDOW:
            self._handed.popleft()
        self.sign = replace(self.sign, handed_over=self.sign.handed_over + letters, handed_at=now)

    def beat(self, now: datetime) -> None:
        """Write it down, if that is due."""
        if self._written_at is not None and timedelta(0) <= now - self._written_at < BEAT:
            return
        if not self._lock.acquire(blocking=False):
            return  # the other thread is at it, and may be waiting for the database
        try:
            if self._ended:
                return
            recent = sum(letters for at, letters in list(self._handed) if now - at <= WINDOW)
            worker_row.seen(replace(self.sign, rate=per_second(recent, now, self.sign.started_at)), now)
            self._written_at = now
        finally:
            self._lock.release()

    def end(self) -> None:
        """The worker ends cleanly, and is not seen again."""
        with self._lock:
            self._ended = True
            worker_row.gone(self.sign.name)
