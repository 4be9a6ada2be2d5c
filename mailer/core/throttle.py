"""When an answer means "not so fast", and how long to rest then (standards T26, T23, T5; RFC 5321 section 4.5.4.1).

Law of the file: a destination that throttles is slowed as a whole; trying its other mailboxes at once is what it
complains of. But an answer about one mailbox (x.1.x, x.2.x), too many recipients (T7) and greylisting, which asks
each pair of sender and recipient to come back, slow nobody else. What rests, rests longer each time, up to a most.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from mailer.core.reply import Reply, Step


class Slows(StrEnum):
    """Whom an answer slows down."""

    NOBODY = "nobody"
    DESTINATION = "destination"
    RELAY = "relay"


@dataclass(frozen=True, slots=True)
class Backoff:
    """A rest that doubles with each failure in a row, up to `most`."""

    first: timedelta
    most: timedelta

    def after(self, times: int) -> timedelta:
        """How long to rest after so many failures in a row."""
        doublings = min(max(times, 1) - 1, (self.most // self.first).bit_length())
        return min(self.first * (1 << doublings), self.most)


RELAY_REST = Backoff(timedelta(seconds=60), timedelta(minutes=15))
DESTINATION_REST = Backoff(timedelta(minutes=5), timedelta(hours=2))
#: A time that a server names is believed between these.
_LEAST_NAMED, _MOST_NAMED = timedelta(minutes=1), timedelta(hours=24)

_CODES = frozenset({421, 450, 451})
#: RFC 3463: system not accepting, congestion. 4.7.x is told apart below.
_STATUSES = frozenset({"4.3.2", "4.4.5"})
#: What greylisting says as often as throttling: only words tell which it is (T23).
_EITHER = "4.7.1"
_ABOUT_ONE = re.compile(r"4\.[12]\.\d+")
_GREYLISTED = re.compile(r"gr[ae]y-?\s?list|postgrey", re.IGNORECASE)
_TOO_MANY_OF_ONE_LETTER = re.compile(r"too many (?:recipients|hops)", re.IGNORECASE)
_FAST = re.compile(
    r"\brate\b|\brates?[- ]limit|too many|too (?:fast|quickly)|throttl|slow(?:ing)? down|user complaints"
    r"|unusual (?:rate|volume)|try again later.*\bvolume\b|\bvolume\b.*try again later",
    re.IGNORECASE | re.DOTALL,
)
#: "100 letters in 60 seconds" names no time to come back at; "try again in 60 seconds" does.
_NAMED = re.compile(
    r"\b(?:again|retry|wait|back|deferred)\b\D{0,20}(\d{1,6})\s*(s|sec|m|min|h|hr|second|minute|hour)s?\b",
    re.IGNORECASE,
)
_UNITS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}


def is_throttling(reply: Reply) -> bool:
    """Whether the answer slows more than the one letter it is about."""
    if reply.first_digit != 4 or _GREYLISTED.search(reply.text) or _TOO_MANY_OF_ONE_LETTER.search(reply.text):
        return False
    status = reply.status or ""
    if _ABOUT_ONE.fullmatch(status):
        return False
    if reply.code in _CODES:
        if status in _STATUSES or (status.startswith("4.7.") and status != _EITHER):
            return True
        if status == _EITHER and reply.code == 421:
            return True
    return bool(_FAST.search(reply.text))


def slows(step: Step, reply: Reply) -> Slows:
    """Whom an answer slows: before RCPT no destination has been named, so it can only be the relay itself."""
    if not is_throttling(reply):
        return Slows.NOBODY
    return Slows.DESTINATION if step in (Step.RCPT, Step.DATA, Step.BODY, Step.FINAL_DOT) else Slows.RELAY


def rest(times: int, reply: Reply) -> timedelta:
    """How long a destination rests after throttling us so many times in a row: as long as it says, if it says so."""
    named = _NAMED.search(reply.text)
    if named is None:
        return DESTINATION_REST.after(times)
    asked = int(named[1]) * _UNITS[named[2][0].lower()]
    return max(_LEAST_NAMED, min(asked, _MOST_NAMED))
