"""How far a mailing is, how fast it goes, and when it ends, in words: "ends Thursday 14:10"."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from mailer.core.plan import Course, Terms, end_time
from mailer.core.schedule import describe

#: Over how long letters a second are counted.
WINDOW = timedelta(seconds=60)
#: A weekday alone names a day within this, and no other.
_THIS_WEEK = timedelta(days=6)


@dataclass(frozen=True, slots=True)
class Progress:
    """Copies of which it is decided what became of them, all copies, and how many were decided a second just now."""

    done: int
    total: int
    rate: float = 0.0

    @property
    def left(self) -> int:
        """Copies still to be decided."""
        return self.total - self.done

    def end(self, now: datetime, zone: ZoneInfo, not_after: datetime) -> datetime | None:
        """When the last of them goes at this rate; None: nobody can say, or not before the mailing's own end."""
        if not (self.left and self.rate):
            return None
        return end_time(Course(self.left), (), Terms(self.rate, zone, not_after), now).at


def per_second(count: int, now: datetime, begun: datetime) -> float:
    """The rate of what was counted over the last `WINDOW`, or since it began."""
    seconds = min(WINDOW, max(now - begun, timedelta(seconds=1))).total_seconds()
    return round(count / seconds, 1)


#: So many groups are named; and none of fewer, since who has a domain of their own could be known by it.
_NAMED, _FEWEST = 10, 5
OTHERS = "others"


def largest(groups: Mapping[str, Mapping[str, int]]) -> dict[str, Mapping[str, int]]:
    """The largest groups by name, and all the rest as one."""
    sizes = {name: sum(counts.values()) for name, counts in groups.items() if name}
    named = sorted((name for name, size in sizes.items() if size >= _FEWEST), key=lambda name: (-sizes[name], name))
    found: dict[str, Mapping[str, int]] = {name: groups[name] for name in named[:_NAMED]}
    others: dict[str, int] = {}
    for name in groups.keys() - found.keys():
        for key, count in groups[name].items():
            others[key] = others.get(key, 0) + count
    return {**found, OTHERS: dict(sorted(others.items()))} if others else found


def soon(moment: datetime, now: datetime, zone: str) -> str:
    """A time near at hand as people say it: "14:10", "Thursday 14:10", else with its date."""
    there = moment.astimezone(ZoneInfo(zone))
    if there.date() == now.astimezone(ZoneInfo(zone)).date():
        return f"{there:%H:%M}"
    if timedelta(0) <= moment - now < _THIS_WEEK:
        return f"{describe(moment, zone).partition(' ')[0]} {there:%H:%M}"
    return describe(moment, zone)
