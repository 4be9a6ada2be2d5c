"""How many connections a relay bears: as many as still make it faster, and no more than it lets in.

Doubled while letters wait, the server is what we wait for, and the last doubling paid; taken back when it did not pay,
or when the server turns a connection away. Nobody needs to configure it (standards T25).
"""

from collections.abc import Callable

START, MOST = 8, 64
#: Seconds over which a width is tried, and for how long one that did not pay, or was turned away, is not tried again.
_WINDOW, _HOLD, _TURNED_AWAY = 0.1, 60.0, 600.0
#: Below this share of time spent waiting for the server, it is we who are busy.
_WAITING = 0.15
_PAYS = 1.15


class Width:
    """`aim` is how many connections there should be. `ticks` are seconds that only grow."""

    def __init__(self, most: int, ticks: Callable[[], float]) -> None:
        self.aim = min(START, most)
        self._most = most
        self._ticks = ticks
        self._before: tuple[int, float] | None = None
        self._held_until = 0.0
        self._begin()

    def bear(self, most: int) -> None:
        """From now on there are to be no more than so many."""
        self._most = most
        self.aim = min(self.aim, most)

    def _begin(self) -> None:
        self._since, self._waited, self._letters = self._ticks(), 0.0, 0

    def waited(self, seconds: float, letters: int) -> None:
        """So long we waited for the server while letters were waiting, and so many were answered."""
        self._waited += seconds
        self._letters += letters
        now = self._ticks()
        span = now - self._since
        if span >= _WINDOW and self._letters >= self.aim:
            self._consider(now, self._waited / span, self._letters / span)
            self._begin()

    def idle(self) -> None:
        """There was nothing to hand over: what was measured says nothing."""
        self._begin()

    def turned_away(self, open_now: int) -> None:
        """The server refused another connection: so many, or one, it bears."""
        self.aim = max(1, min(self.aim, open_now))
        self._before = None
        self._held_until = self._ticks() + _TURNED_AWAY

    def _consider(self, now: float, waiting: float, rate: float) -> None:
        if self._before is not None:
            width, slower = self._before
            self._before = None
            if rate < slower * _PAYS:
                self.aim, self._held_until = width, now + _HOLD
                return
        if now >= self._held_until and waiting >= _WAITING and self.aim < self._most:
            self._before = self.aim, rate
            self.aim = min(self.aim * 2, self._most)
