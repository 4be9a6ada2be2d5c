"""Backing off: after each failure in a row the rest is twice as long, up to half a minute."""

import time
from collections.abc import Callable
from dataclasses import dataclass

_FIRST, _LONGEST = 0.5, 30.0


@dataclass
class Patience:
    """How long to rest; `ticks` are monotonic seconds."""

    ticks: Callable[[], float] = time.monotonic
    pause: float = 0.0
    _until: float = 0.0

    def failed(self) -> None:
        """Another failure in a row."""
        self.pause = min(self.pause * 2 or _FIRST, _LONGEST)
        self._until = self.ticks() + self.pause

    def succeeded(self) -> None:
        """All is well again."""
        self.pause = self._until = 0.0

    def is_resting(self) -> bool:
        """Whether it is too soon to try again."""
        return self.ticks() < self._until
