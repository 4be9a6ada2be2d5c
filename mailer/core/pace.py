"""How much of a long work to do in one write, so that nobody else waits long: measured, never configured."""

from dataclasses import dataclass

#: A range should take so long; a write transaction of ours may hold the one lock for 50 ms (performance notes).
AIM_SECONDS = 0.02
_LEAST, _MOST = 100, 20_000


@dataclass(frozen=True, slots=True)
class Pace:
    """The size of the next range."""

    size: int

    def after(self, seconds: float) -> "Pace":
        """The next size, now that a range of this one took so long; it grows by half at most, and falls at once."""
        fitting = self.size * AIM_SECONDS / max(seconds, 0.000_001)
        return Pace(int(max(_LEAST, min(fitting, self.size * 1.5, _MOST))))
