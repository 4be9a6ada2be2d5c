"""Looking for reports in the places where they come back to, one process at a time in each (B9, B11, T20).

A place that cannot be read is told of, and the next one is read all the same. Of a mailbox we remember how far it was
read, so that other people's letters in it are fetched once and never touched. A server that turns us away is left
alone for longer each time, since many lock an account that knocks with a wrong password.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from django.db import DatabaseError

from mailer.actions.leave import Draw
from mailer.actions.read_bounces import ReadReport, Source, read_reports
from mailer.actions.use_mailbox import account_of
from mailer.config import Config
from mailer.house import House
from mailer.models import BounceSource, report_source
from mailer.models.base import writing
from mailer.models.report_source import Mark
from mailer.transport.imap import Inbox, Waiting, opened
from mailer.transport.imap_session import Account, MailboxFault
from mailer.transport.maildir import NotAMaildirError, waiting

#: So many messages of a mailbox in one look; the rest in the next, which comes at once.
MOST = 500
_LONGEST_REST = timedelta(hours=1)

Take = Callable[[Iterable[Source]], None]


@dataclass(frozen=True, slots=True)
class Vigil:
    """How long to wait for news, and who may end it; a mailbox whose server cannot tell of news is not waited for."""

    seconds: int
    stopping: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Look:
    """What one look into one place brought. `trouble`: why it was not read to its end; `more`: look again at once."""

    place: str
    reports: tuple[ReadReport, ...]
    trouble: str = ""
    more: bool = False


class Place(Protocol):
    """Where reports come back to."""

    @property
    def name(self) -> str: ...

    @property
    def source(self) -> BounceSource: ...

    def read(self, mark: Mark, take: Take, vigil: Vigil | None) -> bool:
        """Let what waits be taken; whether another look is worth it at once."""


@dataclass(frozen=True, slots=True)
class _Maildir:
    path: Path
    source: BounceSource = BounceSource.MAILDIR

    @property
    def name(self) -> str:
        return f"the Maildir {self.path}"

    def read(self, mark: Mark, take: Take, vigil: Vigil | None) -> bool:  # noqa: ARG002 - what was read is moved: there is no mark
        take(waiting(self.path))
        return False


@dataclass(frozen=True, slots=True)
class _Mailbox:
    account: Account
    source: BounceSource = BounceSource.IMAP

    @property
    def name(self) -> str:
        return f"the mailbox of {self.account}"

    def read(self, mark: Mark, take: Take, vigil: Vigil | None) -> bool:
        with opened(self.account) as inbox:
            found = inbox.after(mark.uid if mark.validity == inbox.validity else 0)
            take(self._remembered(inbox, found[:MOST]))
            if len(found) > MOST:
                return True
            return vigil is not None and inbox.wait(vigil.seconds, vigil.stopping)

    def _remembered(self, inbox: Inbox, messages: list[Waiting]) -> Iterator[Source]:
        for message in messages:
            yield message
            # Whoever asks for the next one has dealt with this one.
            with writing():
                report_source.read_up_to(self.name, inbox.validity, message.uid)


def places(config: Config) -> list[Place]:
    """Every place that is configured."""
    maildir, account = config.bounces.maildir, account_of(config)
    return [*([_Maildir(maildir)] if maildir else []), *([_Mailbox(account)] if account else [])]


def poll(
    house: House, now: datetime, draw: Draw, *, vigil: Vigil | None = None, by_hand: bool = False
) -> Iterator[Look]:
    """Look into every place that nobody else looks into now; `by_hand`, into one that is left alone for a while too."""
    for place in places(house.config):
        with writing():
            mark = report_source.claim(place.name, now, resting=by_hand)
        if mark is not None:
            yield _look(house, place, mark, now, draw, vigil)


def _look(house: House, place: Place, mark: Mark, now: datetime, draw: Draw, vigil: Vigil | None) -> Look:
    reports: list[ReadReport] = []

    def take(sources: Iterable[Source]) -> None:
        for report in read_reports(house, sources, now, draw, place.source):
            reports.append(report)  # noqa: PERF402 - one by one: what came before a fault is told too

    try:
        more = place.read(mark, take, vigil)
    except (MailboxFault, NotAMaildirError, OSError) as fault:
        _release_in_trouble(place, mark, fault, now)
        return Look(place.name, tuple(reports), str(fault))
    except Exception as fault:
        # Nobody else may look there while it is claimed; what went wrong is for whoever rang.
        with contextlib.suppress(DatabaseError):
            _release_in_trouble(place, mark, fault, now)
        raise
    with writing():
        report_source.release(place.name, now)
    return Look(place.name, tuple(reports), more=more)


def _release_in_trouble(place: Place, mark: Mark, fault: Exception, now: datetime) -> None:
    refusals = mark.refusals + 1 if isinstance(fault, MailboxFault) and fault.refused else 0
    rest = min(timedelta(minutes=2 ** min(refusals, 10)), _LONGEST_REST) if refusals else None
    with writing():
        report_source.release_in_trouble(
            place.name, str(fault), refusals=refusals, rests_until=now + rest if rest else None
        )
