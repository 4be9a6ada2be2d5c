"""What a click left behind, since somebody else wrote just then: done beside the pages, as soon as that is possible.

The click was answered by its line (docs/decisions/0004). What is done here is what the page would have done had it
waited, and no more: the file is not read, and nothing is noted of it. Where the database may be an older one nothing is
done, since a worker must face that first. Whatever is not done here is found in the file by whoever sends.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from queue import Empty, Queue

from mailer.actions.carry_out import carry_out
from mailer.actions.face_restore import why_not
from mailer.core.departing import Departure
from mailer.house import House
from mailer.models.base import writing

#: Acts that wait at most, of a process in which nobody takes them; and acts in one write: a few milliseconds each.
_MOST, _AT_ONCE = 10_000, 10
#: Seconds to wait for whoever writes.
_PATIENCE = 30.0

#: Acts that wait for whoever finishes; None wakes one who is to end.
LeftBehind = Queue[Departure | None]


def left_behind(house: House) -> LeftBehind:
    """The acts that were left behind in this process."""
    return _queue(house.config.data.departures)


@cache
def _queue(_folder: Path) -> LeftBehind:
    return Queue()


def leave_behind(house: House, what: Departure) -> None:
    """Leave an act to whoever finishes; with too many of them, to whoever sends."""
    waiting = left_behind(house)
    if waiting.qsize() < _MOST:
        waiting.put(what)


def those_waiting(waiting: LeftBehind) -> list[Departure]:
    """Some that wait, once there is any; none when it is time to end."""
    some: list[Departure] = []
    with suppress(Empty):
        while len(some) < _AT_ONCE:
            each = waiting.get(block=not some)
            if each is None:
                if some:
                    end(waiting)  # the next time: these come first
                break
            some.append(each)
    return some


def end(waiting: LeftBehind) -> None:
    """Wake whoever takes them, and have them end."""
    waiting.put(None)


def finish(house: House, acts: Sequence[Departure], now: datetime) -> None:
    """Carry these out in one write, unless a worker, or a person, must face this database first.

    Raises Busy if somebody else writes for half a minute.
    """
    with writing(_PATIENCE):
        if why_not(house) is None:
            for what in acts:
                carry_out(house, what, now)
