"""The demo's clock: it runs as clocks do, and can be set and moved on, so that no one waits for a second try."""

import threading
import time
from datetime import datetime, timedelta


class DemoClock:
    """Aware UTC. Readable from every thread."""

    def __init__(self, start: datetime) -> None:
        self._lock = threading.Lock()
        self._set(start)

    def _set(self, moment: datetime) -> None:
        self._base, self._started = moment, time.monotonic()

    def now(self) -> datetime:
        """What the clock shows."""
        with self._lock:
            return self._shown()

    def _shown(self) -> datetime:
        return self._base + timedelta(seconds=time.monotonic() - self._started)

    def move_on(self, to: datetime) -> None:
        """Set it forward; it is never set back."""
        with self._lock:
            self._set(max(to, self._shown()))
