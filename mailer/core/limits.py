"""How many letters may go, to a relay or to a destination, in any second, minute, hour and day (T25, D14).

Law of the file:

* a limit holds in **every** span of its length, wherever it begins: a burst at the end of one hour and another at the
  start of the next would be two hours' letters in a minute. So letters are counted in slots, small parts of the
  window, and a slot counts until the window has passed since its last moment;
* a letter counts from when it is taken in hand; what was not handed over after all is given back;
* of the letters of an hour and of a day some are kept for the priority lane (confirmations, farewells, sign-in codes).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

#: How many connections a relay without a limit of its own may be asked to bear; the pool finds out how many it does.
MOST_CONNECTIONS = 64
#: Kept for the priority lane: so many, or this share of the limit where that is more; never over half of it.
_KEPT, _KEPT_SHARE = 20, 50

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Window(StrEnum):
    """The spans over which letters are counted."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        """The span itself."""
        return _LENGTHS[self]

    @property
    def slots(self) -> int:
        """Into how many slots it is cut: the more, the sooner a used letter is free again."""
        return _SLOTS[self]

    @property
    def keeps(self) -> bool:
        """Whether some of it is kept for the priority lane; shorter ones are over before anybody waits."""
        return self in (Window.HOUR, Window.DAY)

    def slot(self, moment: datetime) -> int:
        """The number of the slot in which a moment lies."""
        return (moment - _EPOCH) * self.slots // self.length

    def start(self, slot: int) -> datetime:
        """When a slot begins."""
        return _EPOCH + slot * self.length / self.slots


_LENGTHS = {
    Window.SECOND: timedelta(seconds=1),
    Window.MINUTE: timedelta(minutes=1),
    Window.HOUR: timedelta(hours=1),
    Window.DAY: timedelta(days=1),
}
_SLOTS = {Window.SECOND: 10, Window.MINUTE: 60, Window.HOUR: 60, Window.DAY: 48}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a relay or a destination bears; 0 is no limit. The last two are about a relay's connections only."""

    per_second: int = 0
    per_minute: int = 0
    per_hour: int = 0
    per_day: int = 0
    connections: int = 0
    letters_per_connection: int = 0

    def letters(self) -> Iterator[tuple[Window, int]]:
        """Each window that has a limit, and the limit."""
        for window in Window:
            most = getattr(self, f"per_{window}")
            if most:
                yield window, most

    @property
    def counted(self) -> bool:
        """Whether letters must be counted at all."""
        return any(True for _ in self.letters())

    @property
    def most_connections(self) -> int:
        """How many connections may be open at once."""
        return self.connections or MOST_CONNECTIONS


NO_LIMITS = Limits()


def part(most: int, workers: int, which: int) -> int:
    """How many of a relay's connections are this worker's: their parts together are all, and differ by one at most."""
    return most // workers + (which < most % workers)


def kept(window: Window, most: int) -> int:
    """How many letters of a limit are the priority lane's own."""
    return min(max(_KEPT, most // _KEPT_SHARE), most // 2) if window.keeps else 0


@dataclass(frozen=True, slots=True)
class Used:
    """What has been used: for each window the letters of each slot that still counts."""

    slots: Mapping[Window, Mapping[int, int]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Used":
        """What `to_json` made."""
        return cls(
            {Window(window): {int(slot): count for slot, count in slots.items()} for window, slots in stored.items()}
        )

    def to_json(self) -> dict[str, dict[str, int]]:
        """Plain JSON, for a table."""
        return {
            window.value: {str(slot): count for slot, count in slots.items()} for window, slots in self.slots.items()
        }

    def counting(self, window: Window, now: datetime) -> dict[int, int]:
        """The slots that count at this moment; one that lies ahead, by another host's clock, counts too."""
        oldest = window.slot(now) - window.slots
        return {slot: count for slot, count in self.slots.get(window, {}).items() if slot >= oldest}

    def total(self, window: Window, now: datetime) -> int:
        """How many letters count in a window now."""
        return sum(self.counting(window, now).values())

    def room(self, limits: Limits, now: datetime, *, priority: bool = False) -> int | None:
        """How many letters may go now; None: as many as one likes."""
        rooms = [
            most - (0 if priority else kept(window, most)) - self.total(window, now)
            for window, most in limits.letters()
        ]
        return max(0, min(rooms)) if rooms else None

    def again_at(self, limits: Limits, now: datetime, *, priority: bool = False) -> datetime:
        """When a letter may go: now, or as soon as enough slots count no longer."""
        return max(
            (
                self._free_at(window, most - (0 if priority else kept(window, most)), now)
                for window, most in limits.letters()
            ),
            default=now,
        )

    def taken(self, limits: Limits, letters: int, now: datetime) -> "Used":
        """The same after so many letters more; slots that count no longer are forgotten."""
        slots: dict[Window, Mapping[int, int]] = {}
        for window, _ in limits.letters():
            counting = self.counting(window, now)
            slot = window.slot(now)
            slots[window] = {**counting, slot: counting.get(slot, 0) + letters}
        return Used(slots)

    def given_back(self, letters: int, taken_at: datetime) -> "Used":
        """The same after letters that were taken at a moment were not handed over."""
        slots: dict[Window, Mapping[int, int]] = {}
        for window, counts in self.slots.items():
            slot = window.slot(taken_at)
            slots[window] = {**counts, slot: max(0, counts[slot] - letters)} if slot in counts else counts
        return Used(slots)

    def _free_at(self, window: Window, most: int, now: datetime) -> datetime:
        slots = self.counting(window, now)
        over = sum(slots.values()) - most
        free_at = now
        for slot in sorted(slots):
            if over < 0:
                break
            over -= slots[slot]
            free_at = window.start(slot + window.slots + 1)
        return max(now, free_at)
