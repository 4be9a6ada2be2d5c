"""How far a mailing is, how fast it goes, and which parts of it are large enough to be named."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

#: Over how long letters a second are counted.
WINDOW = timedelta(seconds=60)
#: So many groups are named, and none of fewer letters: who has a domain of their own could be known by it.
_NAMED, _FEWEST = 10, 5
OTHERS = "others"


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


def per_second(count: int, now: datetime, begun: datetime) -> float:
    """The rate of what was counted over the last `WINDOW`, or since it began."""
    seconds = min(WINDOW, max(now - begun, timedelta(seconds=1))).total_seconds()
    return round(count / seconds, 1)


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
