"""How much of a long work to do in one write, so that nobody else waits long: measured, never configured."""

from dataclasses import dataclass

_LEAST, _MOST = 100, 20_000


@dataclass(frozen=True, slots=True)
class Pace:
    """The size of the next range, and the seconds that a range should take."""

    size: int
    aim: float

    def after(self, seconds: float) -> "Pace":
        """The next size, now that a range of this one took so long; it grows by half at most, and falls at once."""
        fitting = self.size * self.aim / max(seconds, 0.000_001)
        return Pace(int(max(_LEAST, min(fitting, self.size * 1.5, _MOST))), self.aim)
