"""Leaving: by one click, by the page, or undone again (standards L4-L8, U6, U7, U12-U15; P9, P15).

Law of the file: the act is written down outside the database first, then carried out in it; the answer waits for the
one that can be had. A line alone is enough where everybody who sends reads it before sending. The link may only leave
what its copy names, or everything; it shows nothing of the member. Doing it twice changes nothing.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from mailer.actions.carry_out import LETTER_UNDO, PAGE_UNDO, Named, carry_out, farewell, look_up, way_back
from mailer.actions.finish_leaving import leave_behind
from mailer.actions.write_down import write_down
from mailer.core.consent import Channel
from mailer.core.departing import Act, Departure, Extent, Person
from mailer.core.errors import MailerError
from mailer.core.token import Purpose
from mailer.house import House
from mailer.models import Undo, departure
from mailer.models.base import Busy, writing
from mailer.models.departing import AWAY

__all__ = (
    "LETTER_UNDO",
    "PAGE_UNDO",
    "Draw",
    "Extent",
    "Left",
    "NotSafe",
    "Undone",
    "leave",
    "list_title",
    "undo",
    "undo_stands",
)

_LOG = logging.getLogger("mailer.leaving")
#: Seconds for which somebody who leaves waits for a busy database; then the line that is written down is the answer.
_PATIENCE = 2.0
#: The same for a mail program's click, whose answer says no more than that it holds: a sender writes for longer.
_PATIENCE_OF_A_CLICK = 0.01

#: Gives random 64-bit handles.
Draw = Callable[[], int]


class NotSafe(MailerError, RuntimeError):
    """The database is away, and nowhere else could the wish be kept so that everybody who sends hears of it."""


@dataclass(frozen=True, slots=True)
class Left:
    """What leaving did: `changed` is False if it had been done before.

    The way back is `undo`, a token for the page, or `farewell`: a letter to the mailbox that several people share.
    `noted`: the database is away, so that no more can be said than that it holds; then even the list has no title.
    """

    list_title: str
    changed: bool
    undo: str = ""
    farewell: bool = False
    noted: bool = False


def list_title(house: House, token: str) -> str | None:
    """The title of the list that the token's letter came from, None for every token that is not ours.

    It is empty for a genuine token while the database is away.
    """
    handle = house.tokens.read(Purpose.LEAVE, token)
    if handle is None:
        return None
    try:
        copy = departure.copy_named(handle)
    except AWAY:
        return ""
    return None if copy is None else house.title(copy.list, copy.region)


def leave(house: House, token: str, extent: Extent, channel: Channel, *, now: datetime, draw: Draw) -> Left | None:
    """Take everyone on the token's copy off; None for a token that is not ours. Durable when it returns."""
    handle = house.tokens.read(Purpose.LEAVE, token)
    if handle is None:
        return None
    token_hash = hashlib.sha256(token.encode()).hexdigest()
    what = Departure(draw(), Act.LEAVE, handle, now, channel, extent, token_hash)
    try:
        named = look_up(handle)
        if named is None:
            return None
        title = house.title(named.copy.list, named.copy.region)
        if not _has_something_to_do(what, named):
            return Left(title, changed=False)
    except AWAY as error:
        return _rely_on_line(house, what, "", error, written=write_down(house, what, now))
    people = tuple(Person(each.subject, each.person_hash) for each in named.members)
    what = replace(what, streams=named.copy.streams, people=people)
    written = write_down(house, what, now)
    line_is_enough = written and channel is Channel.ONE_CLICK and house.config.departures_are_shared
    try:
        with writing(_PATIENCE_OF_A_CLICK if line_is_enough else _PATIENCE):
            carry_out(house, what, now, named)
        return _answer(house, what, title)
    except AWAY as error:
        return _rely_on_line(house, what, title, error, written=written)


def _has_something_to_do(what: Departure, named: Named) -> bool:
    """Whether anybody on the copy is still on what is left; a second click is answered without a trace."""
    if what.extent is Extent.THIS:
        return bool(departure.active(named.members, named.copy.streams))
    hashes = {member.person_hash for member in named.members if member.person_hash}
    return bool(departure.active(named.members, None) or hashes - departure.suppressed_among(hashes))


def _answer(house: House, what: Departure, title: str) -> Left:
    """What came of it, whoever carried it out: a sender may have been quicker than the page."""
    if what.channel is not Channel.PAGE:
        return Left(title, changed=True)
    undo = house.tokens.sign(Purpose.UNDO, way_back(what)) if departure.has_offer(way_back(what)) else ""
    return Left(title, changed=True, undo=undo, farewell=departure.has_notice(farewell(what)))


def _rely_on_line(house: House, what: Departure, title: str, error: Exception, *, written: bool) -> Left:
    """While the database is away, or busy, the line is the answer, if whoever sends will read it (U13)."""
    is_busy = isinstance(error, Busy)
    _LOG.log(logging.INFO if is_busy else logging.WARNING, "The database is away while somebody leaves: %s", error)
    if not (written and house.config.departures_are_shared):
        raise NotSafe("The database is away, and nobody who sends would read what is written down here.") from error
    if is_busy:
        leave_behind(house, what)
    return Left(title, changed=True, noted=True)


class Undone(StrEnum):
    """Where an offer to undo stands."""

    OPEN = "open"
    DONE = "done"
    ALREADY = "already"
    OVER = "over"


def undo_stands(house: House, token: str, now: datetime) -> Undone | None:
    """Whether the offer still stands; None for a token that is not ours. Raises NotSafe while the database is away."""
    handle = house.tokens.read(Purpose.UNDO, token)
    if handle is None:
        return None
    with _database_needed():
        offer = departure.offer_named(handle)
    return None if offer is None else _stands(offer, now)


def undo(house: House, token: str, *, now: datetime) -> Undone | None:
    """Take a departure back: a new, logged opt-in to exactly what was left (standards U12).

    It is written down too, so that a restore takes nobody off who came back; but nobody is told that they are back
    before the database says so.
    """
    stand = undo_stands(house, token, now)
    handle = house.tokens.read(Purpose.UNDO, token)
    if handle is None or stand is not Undone.OPEN:
        return stand
    # An offer is taken once, so that the act can be named by it: pressed twice it is one.
    what = Departure(handle, Act.UNDO, handle, now, Channel.UNDO)
    what = replace(what, seed=what.derived("undo"))
    write_down(house, what, now)
    with _database_needed():
        with writing(_PATIENCE):
            carry_out(house, what, now)
        offer = departure.offer_named(handle)
    # A sender may have been quicker than the page with this very act: the time says whose it was.
    return Undone.DONE if offer is not None and offer.used_at == now else undo_stands(house, token, now)


@contextmanager
def _database_needed() -> Iterator[None]:
    try:
        yield
    except AWAY as error:
        raise NotSafe("The database is away.") from error


def _stands(offer: Undo, now: datetime) -> Undone:
    if offer.used_at is not None:
        return Undone.ALREADY
    return Undone.OVER if offer.ends_at <= now else Undone.OPEN
