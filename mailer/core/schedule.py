"""When: local times that people type, what is due, how long the bell sleeps, when a deferred letter goes again.

Law of this file (standards T3, T23; RFC 5321 section 4.5.4.1; stack.md 4.5; design section 2: time is an argument):

* a moment is an aware datetime in UTC and nothing else; a naive one is refused: nobody can say what it means;
* a local time that the clocks skip, or pass twice, is refused with both readings, each as it can be typed;
* what comes up later than its grace, or after its `not after`, is missed and asks a person;
* the same destination is not tried again within 30 minutes; tries are spread, one spread giving one calendar.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import count
from zoneinfo import ZoneInfo

from mailer.core.errors import MailerError

GRACE = timedelta(hours=2)
GIVE_UP = timedelta(days=4)
LEAST_RETRY = timedelta(minutes=30)
LONGEST_SLEEP = 1.0  # seconds

_TYPED = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2})(?: ([A-Za-z0-9+:-]{1,9}))?")
_WALL = "%Y-%m-%d %H:%M"
_MINUTE = timedelta(minutes=1)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


class ScheduleError(MailerError, ValueError):
    """A time that cannot be used."""


class LocalTimeError(ScheduleError):
    """This is not one moment in that zone."""


class TwoReadingsError(LocalTimeError):
    """What was typed may mean either of two; `readings` holds both as they can be typed."""

    def __init__(self, what: str, readings: tuple[str, str]) -> None:
        super().__init__(f'{what} Say "{readings[0]}" or "{readings[1]}".')
        self.readings = readings


class AmbiguousLocalTime(TwoReadingsError):
    """The clocks pass this time twice."""


class MissingLocalTime(TwoReadingsError):
    """The clocks skip this time."""


@dataclass(frozen=True, slots=True)
class LocalTime:
    """A time as a person means it, and the moment it is."""

    wall: str
    zone: str
    utc: datetime


class Due(StrEnum):
    """What the bell finds when it looks at a row."""

    EARLY = "early"
    DUE = "due"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Wait:
    """How long until the next try: somewhere from `least` to `most`."""

    least: timedelta
    most: timedelta

    def __post_init__(self) -> None:
        if not LEAST_RETRY <= self.least <= self.most:
            raise ScheduleError(
                f"A wait from {self.least} to {self.most} cannot be: it begins at {LEAST_RETRY} or later."
            )


@dataclass(frozen=True, slots=True)
class RetryCalendar:
    """The waits after the first failures, one each, and the wait after all later ones."""

    first: tuple[Wait, ...]
    later: Wait

    @classmethod
    def of(cls, minutes: Sequence[int]) -> "RetryCalendar":
        """The least waits in minutes, the last one for all later failures; each is spread over half as much again."""
        waits = [Wait(least, least * 3 / 2) for least in (timedelta(minutes=each) for each in minutes)]
        return cls(tuple(waits[:-1]), waits[-1])


#: The RFC's advice: two tries in the first hour, then one every two or three hours.
RETRY_MINUTES = (30, 120)
RETRY_CALENDAR = RetryCalendar.of(RETRY_MINUTES)


def local_time(text: str, zone: str) -> LocalTime:
    """Read "2026-12-01 09:00", or "2026-10-25 01:30 GMT" where the time alone would not say which is meant."""
    there = _zone(zone)
    wall, called = _typed(text)
    moments = _moments(wall, there)
    if not moments:
        what = f"In {zone} there is no {wall:{_WALL}}: the clocks skip it."
        raise MissingLocalTime(what, (_nearest(wall, there, -_MINUTE), _nearest(wall, there, _MINUTE)))
    readings = _readings(moments, there)
    meant = [moment for moment in moments if called in {"", *_names(moment, there)}]
    if not meant:
        offers = " or ".join(f'"{reading}"' for reading in readings)
        raise LocalTimeError(f"{wall:{_WALL}} in {zone} is not {called}. Say {offers}.")
    if len(meant) > 1:
        what = f"In {zone} it is {wall:{_WALL}} twice: the clocks go back."
        raise AmbiguousLocalTime(what, (readings[0], readings[1]))
    return LocalTime(f"{wall:{_WALL}}", zone, meant[0])


def describe(utc: datetime, zone: str) -> str:
    """The echo that shows a person what was understood: `Tuesday 1 December 2026, 09:00 GMT`."""
    there = _moment(utc).astimezone(_zone(zone))
    day = f"{_DAYS[there.weekday()]} {there.day} {_MONTHS[there.month - 1]} {there.year}"
    return f"{day}, {there:%H:%M} {there.tzname()}"


def brief(utc: datetime, zone: str, now: datetime, *, beside: datetime | None = None) -> str:
    """The same for a line that says it soon: `Thursday 14:10`, or `Tuesday 1 December 09:00` when it is further away.

    On the day of a time that stands `beside` it, `14:10` alone.
    """
    place = _zone(zone)
    there, today = _moment(utc).astimezone(place), _moment(now).astimezone(place).date()
    if beside is not None and beside.astimezone(place).date() == there.date():
        return f"{there:%H:%M}"
    day = _DAYS[there.weekday()]
    if not 0 <= (there.date() - today).days < 7:
        year = "" if there.year == today.year else f" {there.year}"
        day = f"{day} {there.day} {_MONTHS[there.month - 1]}{year}"
    return f"{day} {there:%H:%M}"


def due(now: datetime, due_at: datetime, not_after: datetime | None, grace: timedelta = GRACE) -> Due:
    """Whether what was to happen at `due_at` may happen now."""
    if not_after is not None and _moment(now) > _moment(not_after):
        return Due.MISSED
    if _moment(now) < _moment(due_at):
        return Due.EARLY
    return Due.DUE if now - due_at <= grace else Due.MISSED


def cool_off_end(now: datetime, minutes: int) -> datetime:
    """Until when a scheduled mailing may be taken back before its first letter leaves."""
    if minutes < 0:
        raise ScheduleError(f"A cool-off of {minutes} minutes cannot be; 0 is none.")
    return _moment(now) + timedelta(minutes=minutes)


def next_wake(now: datetime, next_due: datetime | None, most: float = LONGEST_SLEEP) -> float:
    """How many seconds the bell may sleep: until the next due row, or `most`, as rows come from elsewhere too."""
    if next_due is None:
        return most
    return min(most, max(0.0, (_moment(next_due) - _moment(now)).total_seconds()))


def next_attempt(
    attempts: int,
    first_attempt_at: datetime,
    now: datetime,
    give_up: timedelta = GIVE_UP,
    *,
    spread: int,
    not_after: datetime | None = None,
    calendar: RetryCalendar = RETRY_CALENDAR,
) -> datetime | None:
    """When to try again after `attempts` tries, the last of them now; None is to give up.

    `spread` is any number that stays with the copy. The give-up time is a least one, as the RFC means it: the last
    try is the first one after it. Nothing is ever due beyond `not_after`.
    """
    if attempts < 1:
        raise ScheduleError("A next attempt follows a first one.")
    if _moment(now) - _moment(first_attempt_at) >= give_up:
        return None
    wait = calendar.first[attempts - 1] if attempts <= len(calendar.first) else calendar.later
    then = now + wait.least + (wait.most - wait.least) * _share(spread, attempts)
    return None if not_after is not None and then > _moment(not_after) else then


def _share(spread: int, attempts: int) -> float:
    """A share from 0 to 1. Steps of the golden ratio keep copies with neighbouring numbers far apart."""
    return ((spread + attempts * 0x632BE5AB) * 0x9E3779B97F4A7C15 % 2**64) / 2**64


def _moment(moment: datetime) -> datetime:
    if moment.tzname() != "UTC":
        raise ScheduleError(f"A moment is an aware datetime in UTC; {moment.isoformat()} is not.")
    return moment


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise LocalTimeError(f"There is no time zone {name[:40]!r}; name one such as Europe/London.") from None


def _typed(text: str) -> tuple[datetime, str]:
    """The wall time, and the zone's abbreviation or offset if one was typed."""
    found = _TYPED.fullmatch(text)
    try:
        wall = datetime.strptime(found[1] if found else "", _WALL)  # noqa: DTZ007 - a wall clock has no zone yet
    except ValueError:
        raise LocalTimeError(f'A time is written like "2026-12-01 09:00"; {text[:40]!r} is not one.') from None
    return wall, (found[2] or "").upper() if found else ""


def _moments(wall: datetime, zone: ZoneInfo) -> list[datetime]:
    """All moments at which the clocks there show this time: none, one or two."""
    try:
        both = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    except OverflowError:
        raise LocalTimeError(f"{wall:{_WALL}} is beyond what a calendar holds.") from None
    return sorted(moment for moment in both if moment.astimezone(zone).replace(tzinfo=None) == wall)


def _nearest(wall: datetime, zone: ZoneInfo, step: timedelta) -> str:
    """The next time in that direction that the clocks do show."""
    near = next(wall + step * steps for steps in count(1) if _moments(wall + step * steps, zone))
    return f"{near:{_WALL}}"


def _names(moment: datetime, zone: ZoneInfo) -> tuple[str, str]:
    """What a person may call the time there at that moment: `BST` or `+01:00`."""
    there = moment.astimezone(zone)
    offset = f"{there:%z}"
    return (there.tzname() or offset).upper(), f"{offset[:3]}:{offset[3:5]}"


def _readings(moments: list[datetime], zone: ZoneInfo) -> list[str]:
    """Each moment as it can be typed; by its offset where the zone calls both by one name."""
    names = [_names(moment, zone) for moment in moments]
    which = 0 if len({name for name, _ in names}) == len(names) else 1
    return [f"{moment.astimezone(zone):{_WALL}} {name[which]}" for moment, name in zip(moments, names, strict=True)]
