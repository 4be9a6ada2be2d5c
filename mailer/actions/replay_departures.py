"""Whatever was written down and is not in the database is carried out before anything is sent (U13, U14, P13).

A line is missing from the database because that was away when somebody left, or because an older one was restored:
how far each file was read is kept in the database itself, so that an older database reads the newer lines by itself.
A line that is read again changes nothing. Of a file that cannot be read, or that a newer version wrote, nothing is
known, so that nothing may be sent: both raise.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mailer.actions.carry_out import carry_out, take_up
from mailer.actions.write_down import departures
from mailer.core.departing import CHECKSUM, Departure, TornLine, read_line
from mailer.core.errors import MailerError
from mailer.house import House
from mailer.models import departing
from mailer.models.base import Busy, writing
from mailer.transport.departures import DepartureLog

_LOG = logging.getLogger("mailer.leaving")
#: Acts in one write: a few milliseconds each.
_AT_ONCE = 10
#: After so many times as long as usual a sender's look is late.
_LATE = 1.5
#: Octets that may be read again after a start, so that the position is not written for every line.
_UNNOTED = 1 << 16


class DeparturesUnreadable(MailerError, OSError):
    """Who has left cannot be read; nothing may be sent without it."""


def departures_waiting(house: House) -> dict[str, int]:
    """The files to which something was added since this process last read, with their sizes; asks no database."""
    try:
        return departures(house).news()
    except OSError as error:
        raise _unreadable(error) from error


def replay_departures(
    house: House, now: datetime, until: Mapping[str, int] | None = None, patience: float | None = None
) -> int:
    """Carry out all that is written down and not done, and what has waited for somebody; how many acts.

    `until` are sizes of files, for whoever leaves what is behind them to the pages that wrote it a moment ago. Raises
    Busy, as `writing` does, when somebody else writes for longer than `patience`.
    """
    log = departures(house)
    count = 0
    try:
        for name, size in (departures_waiting(house) if until is None else until).items():
            count += _replay_file(house, log, name, size, now, patience)
            log.seen[name] = size
    except OSError as error:
        raise _unreadable(error) from error
    return count + _take_up_stranded(now, patience)


@dataclass
class SecondLook:
    """A sender's looks at the departures: it carries out what was there at its last one, and leaves what is newer.

    The page that wrote it is about to do the same, and two who do it stand in each other's way (docs/decisions/0004).
    So does whoever writes at that moment: that one is waited for at the look after. When the last look is long ago, no
    page is at it any more, and nothing is left to any. Looks are `every` seconds apart, or a little more; `ticks` gives
    seconds that only grow.
    """

    house: House
    clock: Callable[[], datetime]
    ticks: Callable[[], float]
    every: float
    _waiting: Mapping[str, int] = field(default_factory=dict)
    _looked_at: float = float("-inf")
    _was_busy: bool = False

    def carry_out(self) -> None:
        """Take off whoever left while the database was away, or busy (U13)."""
        now = self.ticks()
        since = now - self._looked_at
        if since < self.every:
            return
        self._looked_at, is_late = now, since > _LATE * self.every
        last, self._waiting = self._waiting, departures_waiting(self.house)
        before = self._waiting if is_late else last
        ready = {name: min(size, before[name]) for name, size in self._waiting.items() if name in before}
        must_wait, self._was_busy = is_late or self._was_busy, False
        if not ready:
            return
        try:
            replay_departures(self.house, self.clock(), ready, None if must_wait else 0.0)
        except Busy:
            if must_wait:
                raise
            self._was_busy = True


def forget_old_departures(house: House, now: datetime) -> None:
    """Remove the files of months that are over for longer than they are kept, if all in them is done."""
    ended = now - timedelta(days=house.config.data.keep_departures_days)
    log = departures(house)
    if departures_waiting(house):
        return
    gone = log.remove_before(ended.date())
    if gone:
        with writing():
            departing.forget(gone, ended - timedelta(days=31))


def people_waited_for() -> int:
    """How many departures are of somebody whom this database does not know."""
    return len(departing.stranded())


def _replay_file(house: House, log: DepartureLog, name: str, size: int, now: datetime, patience: float | None) -> int:
    offset = _position(log, name)
    count = 0
    while octets := log.read(name, offset, size):
        offset += len(octets)
        acts = list(_acts(name, octets))
        done = departing.done_among(act.seed for act in acts)
        waiting = [act for act in acts if act.seed not in done]
        for start in range(0, len(waiting), _AT_ONCE):
            with writing(patience):
                count += sum(carry_out(house, act, now) for act in waiting[start : start + _AT_ONCE])
        if offset - log.noted.get(name, 0) > _UNNOTED:
            with writing(patience):
                departing.note_read(name, offset, octets[-CHECKSUM - 1 :].decode("ascii", "replace"))
            log.noted[name] = offset
        log.read_to[name] = offset
    return count


def _position(log: DepartureLog, name: str) -> int:
    """Where to read on: where this process stopped, else where the database says, if it is the same file."""
    size = log.sizes().get(name, 0)
    if log.read_to.get(name, size + 1) <= size:
        return log.read_to[name]
    offset, tail = departing.read_to(name)
    log.noted[name] = offset
    return offset if offset <= size and log.ends_with(name, offset, tail.encode()) else 0


def _acts(name: str, octets: bytes) -> Iterator[Departure]:
    for line in filter(None, octets.split(b"\n")):
        try:
            yield read_line(line)
        except TornLine:
            _LOG.error("%s holds a line that was not written to its end: nobody was told that it counts.", name)


def _take_up_stranded(now: datetime, patience: float | None) -> int:
    """Those may be known by now whom an older database did not know: an import brought them back."""
    count = 0
    for line in departing.stranded():
        with writing(patience):
            count += take_up(read_line(line.encode()), now)
    return count


def _unreadable(error: OSError) -> DeparturesUnreadable:
    return DeparturesUnreadable(
        f"The departures cannot be read, so nothing is sent: {error}. See who may read the folder, and its disk."
    )
