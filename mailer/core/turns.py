"""When a sender turns to its database, and for how many letters: to write answers down, and to claim what comes next.

A turn costs a wait for the disk, so there should be few; a claim is in doubt when its host is lost, so it should be
small; and while others write, letters in hand are better than waiting. Moments are seconds that only grow.
"""

from dataclasses import dataclass

#: Letters in a first claim, and in any; between the two, a sixth of a second of work at the rate of the moment.
FIRST, MOST = 50, 1000
_CLAIM_SECONDS = 0.15
#: How long, in seconds, whoever writes to the database is left alone while there are letters to go on with.
_YIELD = 0.001
#: How long, in seconds, an answer may wait to be written down, and an empty queue to be asked again.
PATIENCE = 0.25


@dataclass
class Turns:
    """One sender's turns. `waiting` are letters in hand that no server has heard of, `width` its connections."""

    rate: float = 0.0
    _last: float = 0.0
    _gave_way_until: float = 0.0
    _unwritten_since: float = float("inf")
    _found_nothing: bool = False
    _answers: int = 0

    def heard(self, now: float, answers: int) -> None:
        """Letters came back from the wire, and so many of them with an answer."""
        self._unwritten_since = min(self._unwritten_since, now)
        self._answers += answers

    def is_due(self, now: float, waiting: int, width: int, *, all_is_done: bool) -> bool:
        """Whether it is time for one."""
        if all_is_done:
            return True
        if waiting and now < self._gave_way_until:
            return False
        claims = self.runs_low(waiting, width) and not self._found_nothing
        return now - self._last >= (PATIENCE / 5 if claims else PATIENCE)

    def runs_low(self, waiting: int, width: int) -> bool:
        """Whether it is time to claim more: with so much left as may be handed over while somebody else writes."""
        return waiting <= max(2 * width, self.chunk(width) // 4)

    def chunk(self, width: int) -> int:
        """A sixth of a second of work: no more is in doubt when a host is lost, and no connection waits long for it."""
        return min(MOST, max(int(self.rate * _CLAIM_SECONDS), 2 * width)) if self.rate else FIRST

    def must_wait(self, now: float, waiting: int) -> bool:
        """Whether whoever writes now has to be waited for: nothing is left to do, or an answer has waited for long."""
        return not waiting or now - self._unwritten_since >= PATIENCE

    def give_way(self, now: float) -> None:
        """Somebody else writes: to ask again at once would only keep both from their work."""
        self._gave_way_until = now + _YIELD

    def begin(self, now: float) -> int:
        """It has begun; how many answers came since the last one did. Their rate is measured, and smoothed."""
        span, self._last = now - self._last, now
        answers, self._answers = self._answers, 0
        if answers and span > 0:
            fresh = answers / span
            self.rate = (self.rate + fresh) / 2 if self.rate else fresh
        return answers

    def end(self, found: bool | None) -> None:
        """All is written down; whether something was found to claim, None if nothing was asked."""
        self._unwritten_since = float("inf")
        if found is not None:
            self._found_nothing = not found
