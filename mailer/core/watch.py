"""Is somebody at work, is the clock right, is there room: what a watch over the site decides (design.md section 4).

Time is an argument: whoever asks reads the clocks, the rows and the disk, and passes down what they say.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

#: A worker that was seen within this is alive: it says so every `BEAT`.
FRESH = timedelta(seconds=60)
BEAT = timedelta(seconds=5)
#: Letters that wait longer than this, though workers live and name no reason, are a backlog.
STALLED = timedelta(minutes=15)
#: Two clocks may differ by so much.
LEEWAY = timedelta(minutes=5)
#: A clock that jumped and has run evenly for so long is believed.
BELIEVED = timedelta(minutes=10)
#: A relay that has rested, and was not tried again since, is ill no longer than this for all we know.
UNTRIED = timedelta(minutes=10)
_OCTETS = 1_000_000


class WorkerState(StrEnum):
    """What a worker says that it does."""

    WORKING = "working"
    IDLE = "idle"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """What a worker says of itself; `reason` is why it waits, `handed_at` when its last letter left."""

    name: str
    host: str
    pid: int
    version: str
    started_at: datetime
    state: WorkerState = WorkerState.IDLE
    reason: str = ""
    handed_over: int = 0
    rate: float = 0.0
    handed_at: datetime | None = None


def is_fresh(seen_at: datetime, now: datetime) -> bool:
    """Whether a sign is of now; one from the future was made by a clock that was wrong."""
    return -FRESH <= now - seen_at <= FRESH


def quiet_since(
    now: datetime, waiting_since: datetime | None, signs: Iterable[datetime], patience: timedelta
) -> datetime | None:
    """Since when nobody does what has waited since `waiting_since`; None: nothing waits, or all is well.

    It is the last sign, so that people read "no worker seen since 08:50"; without any sign, it is the waiting itself.
    """
    if waiting_since is None:
        return None
    last = max(signs, default=waiting_since)
    return last if now - last > patience else None


@dataclass(frozen=True, slots=True)
class Clocks:
    """Both clocks at one moment: the one on the wall, and the seconds since this machine was started."""

    wall: datetime
    boot: float

    def since(self, then: "Clocks") -> timedelta:
        """By the machine's own count, which no one sets and which runs on in its sleep."""
        return timedelta(seconds=self.boot - then.boot)


def jump(then: Clocks, now: Clocks) -> timedelta:
    """By how much the clock on the wall was put forward, or back, between two looks."""
    return (now.wall - then.wall) - now.since(then)


def compared_with(then: Clocks, now: Clocks) -> Clocks:
    """What the next look is compared with: this one, unless the clock jumped and is not believed yet."""
    jumped = abs(jump(then, now)) > LEEWAY
    return then if jumped and now.since(then) < BELIEVED else now


def clock_fault(then: Clocks, now: Clocks, *, newest_row: datetime | None, database: datetime | None) -> str | None:
    """What is wrong with the clock, in words; None: nothing that could be noticed.

    `newest_row` is when the newest line of the audit log was written, `database` what the database's server says; it is
    None for SQLite, which has no clock but ours. A relay tells nobody the time.
    """
    jumped = jump(then, now)
    if abs(jumped) > LEEWAY:
        return f"It was put {'forward' if jumped > timedelta(0) else 'back'} by {_minutes(jumped)} a moment ago."
    if database is not None and abs(now.wall - database) > LEEWAY:
        side = "behind" if database > now.wall else "ahead of"
        return f"It is {_minutes(now.wall - database)} {side} the clock of the database's server."
    if newest_row is not None and newest_row - now.wall > LEEWAY:
        return (
            f"It is {_minutes(newest_row - now.wall)} earlier than when the newest line of the audit log was written."
        )
    return None


def _minutes(span: timedelta) -> str:
    minutes = round(abs(span) / timedelta(minutes=1))
    return f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"


def disk_fault(free: int, keep_free_mb: int) -> str | None:
    """What is wrong with the room that is left, in octets; None: there is enough."""
    if free >= keep_free_mb * _OCTETS:
        return None
    # In tens, so that the words do not change with every letter.
    return f"About {free // (10 * _OCTETS) * 10} MB are free; sending waits until there are {keep_free_mb} MB."
