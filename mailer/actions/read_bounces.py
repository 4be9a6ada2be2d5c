"""Reading what came back: match by our own signatures, act once, keep what was not understood (B3, B9, B11, B13, B14).

Nothing is deleted. A report without one of our tokens changes nothing and is kept for a person; so is one of a kind
that no detector knows. What people write waits for a person too: only an address that we signed for leaving acts by
itself (L10). Nothing is ever answered (standards T22).
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from mailer.actions.act_on_report import act_on_report, named_by, put_on_desk
from mailer.actions.leave import Draw, Extent, leave
from mailer.actions.pass_on import Way, hear_of_answer, pass_on, way_of
from mailer.actions.pause_when_too_much import pause_if_too_much_comes_back
from mailer.core.behind import Behind, behind
from mailer.core.bounce import Finding, Report, match, read
from mailer.core.bounce.fate import Fate
from mailer.core.consent import Channel
from mailer.core.incoming import Incoming, fate, incoming
from mailer.core.leave_address import read_leave_address
from mailer.core.matter import OF_A_WISH, MatterKind, Wish
from mailer.core.peopleletter import PeopleLetter, read_letter
from mailer.core.returning import answered
from mailer.core.token import Purpose, read_message_id, read_return_path
from mailer.house import House
from mailer.models import BounceSource, Copy, desk, passing_on, returns
from mailer.models.base import writing
from mailer.transport.maildir import GoneError

_MOST_OCTETS = 2 * 1024 * 1024
#: What was done, for the log: somebody left, whoever answers for the list is told, or a person is asked.
_LEFT, _PASSED_ON, _ASKED = "left", "passed_on", "desk"


class Source(Protocol):
    """A report that waits to be read, and can be put out of the way afterwards."""

    @property
    def name(self) -> str: ...

    def read(self) -> bytes: ...

    def done(self, fate: Fate) -> object: ...


@dataclass(frozen=True, slots=True)
class FileSource:
    """A report in a file of its own, which stays where it is."""

    path: Path

    @property
    def name(self) -> str:
        """The file."""
        return str(self.path)

    def read(self) -> bytes:
        """All of it, as far as a reader looks."""
        with self.path.open("rb") as file:
            return file.read(_MOST_OCTETS)

    def done(self, fate: Fate) -> None:
        """Nothing: it is somebody's file."""


@dataclass(frozen=True, slots=True)
class ReadReport:
    """One message, what was read in it, whose copy it was about, what was done, and what becomes of it."""

    file: str
    kind: str
    findings: tuple[Finding, ...]
    matched: int | None
    verdict: str
    repeated: bool
    fate: Fate

    def to_json(self) -> dict[str, object]:
        """The documented shape of a line of `mailer bounces read --json`."""
        keys = ("recipient", "status", "reply_code", "kind", "reason", "detector")
        found = [{key: value for key, value in asdict(f).items() if key in keys} for f in self.findings]
        return {"file": self.file, "kind": self.kind, "findings": found, "matched": self.matched}


def read_reports(
    house: House, sources: Iterable[Source], now: datetime, draw: Draw, source: BounceSource = BounceSource.FILE
) -> Iterator[ReadReport]:
    """Read each message, act on it once, and put it out of the way when that is durable."""
    for waits in sources:
        try:
            raw = waits.read()
        except GoneError:
            continue
        done = _Message.opened(house, raw, now, draw).dealt_with(waits.name, source)
        waits.done(done.fate)
        yield done


@dataclass(frozen=True, slots=True)
class _Message:
    """A message, what it is to us, and the copy it is about; `by` is what that rests on."""

    house: House
    raw: bytes
    now: datetime
    draw: Draw
    report: Report
    letter: PeopleLetter
    what: Incoming
    to_us: bool
    copy: Copy | None
    by: str
    leaves: int | None
    """The handle that its address was signed for, if that was an address to leave by."""
    answer: int | None
    """The one-off letter that it is about, if that passed an answer on."""

    @classmethod
    def opened(cls, house: House, raw: bytes, now: datetime, draw: Draw) -> "_Message":
        report, letter = read(raw), read_letter(raw)
        domain = house.config.bounces.domain.lower()
        to_us = any(address.rpartition("@")[2].lower() == domain for address in report.delivered_to)
        leaves = _first(read_leave_address(house.tokens, each, domain) for each in report.delivered_to)
        handle, by = _whose(house, report, letter) if leaves is None else (leaves, "mailto")
        copy = None if handle is None else returns.copy_of(handle)
        answer = passing_on.answer_of(handle) if copy is None and handle is not None else None
        what = incoming(report, letter, to_us=to_us, about_ours=copy is not None)
        return cls(house, raw, now, draw, report, letter, what, to_us, copy, by if copy else "", leaves, answer)

    def dealt_with(self, name: str, source: BounceSource) -> ReadReport:
        repeated, verdict = False, ""
        if self.what is not Incoming.NOT_OURS:
            digest = hashlib.sha256(self.raw).hexdigest()
            repeated = returns.known_report(digest, self.copy, self.report.report_id)
            verdict = "" if repeated else self._acted(source, digest)
        matched = self.copy.pk if self.copy else None
        becomes = fate(self.what, to_us=self.to_us, about_ours=self.copy is not None)
        return ReadReport(name, self._kind, self.report.findings, matched, verdict, repeated, becomes)

    @property
    def _kind(self) -> str:
        return returns.LETTER if self.what is Incoming.LETTER else self.report.kind

    @property
    def _behind(self) -> Behind | None:
        ours = self.copy.mailbox.normal if self.copy and self.copy.mailbox else None
        return behind(self.raw, (f.recipient for f in self.report.findings if f.recipient), ours)

    def _acted(self, source: BounceSource, digest: str) -> str:
        if self.what is Incoming.LETTER and self.copy and self.leaves is not None:
            # Outside the transaction: leaving is durable by itself, and doing it twice changes nothing.
            token = self.house.tokens.sign(Purpose.LEAVE, self.leaves)
            leave(self.house, token, Extent.THIS, Channel.MAILTO, now=self.now, draw=self.draw)
            verdict = _LEFT
        else:
            verdict = _ASKED if self.what is not Incoming.REPORT else ""
        with writing():
            stands_behind = self._behind
            way = self._way() if verdict == _ASKED else None
            if way:
                verdict = _PASSED_ON
            if self.copy and self.what is Incoming.REPORT:
                verdict = act_on_report(self.house, self.copy, self.report, stands_behind, self.now)
            number = returns.keep(self._row(source, digest, stands_behind, verdict))
            if self.copy and way:
                pass_on(self.house, way, self.copy, number, self.raw, now=self.now, draw=self.draw)
            else:
                self._follow_up(number, stands_behind, verdict)
        return verdict

    def _way(self) -> Way | None:
        """Where it is passed on to, if it is a plain answer."""
        plain = self.what is Incoming.LETTER and self.letter.wish is Wish.REPLY
        return way_of(self.house, self.copy, self.raw, self.now) if plain and self.copy else None

    def _follow_up(self, number: int, stands_behind: Behind | None, verdict: str) -> None:
        """What must come after the row is kept: the desk, and a look at the mailing."""
        if self.what is Incoming.REPORT and self.copy:
            put_on_desk(number, self.copy, self.report, stands_behind, self.now)
            said, box = named_by(self.report), self.copy.mailbox
            answers = [answered(box.normal, said.status)] if said and said.klass and box else []
            pause_if_too_much_comes_back(self.house, self.copy.mailing, self.now, answers, by_report=True)
        elif self.what is Incoming.REPORT and self.answer is not None:
            hear_of_answer(self.answer, self.report, stands_behind)
        elif verdict != _LEFT:
            desk.open_matter(
                OF_A_WISH[self.letter.wish] if self.what is Incoming.LETTER else MatterKind.UNREAD,
                now=self.now,
                mailbox_id=self.copy.mailbox_id if self.copy else None,
                copy_id=self.copy.pk if self.copy else None,
                bounce_id=number,
                said=self.letter.sentence or self._said,
                sender=self.letter.sender,
            )

    @property
    def _said(self) -> str:
        said = named_by(self.report)
        return said.diagnostic if said else ""

    def _row(self, source: BounceSource, digest: str, stands_behind: Behind | None, verdict: str) -> dict[str, object]:
        letter, said = self.what is Incoming.LETTER, named_by(self.report)
        return {
            "copy": self.copy,
            "mailing": self.copy.mailing if self.copy else None,
            "source": source,
            "kind": self._kind,
            "klass": (said.klass or "") if said and not letter else "",
            "behind": stands_behind or "",
            "reason": self.letter.wish if letter else said.reason if said else "",
            "reply_code": said.reply_code if said else None,
            "status": (said.status or "") if said else "",
            "diagnostic": (self.letter.sentence if letter else self._said)[:500],
            "matched_by": self.by,
            "findings": [asdict(finding) for finding in self.report.findings],
            "verdict": verdict,
            "report_id": self.report.report_id[:500] if self.report.report_id and self.copy else None,
            "digest": digest,
            "raw": self.raw,
            "received_at": self.now,
        }


def _whose(house: House, report: Report, letter: PeopleLetter) -> tuple[int | None, str]:
    """The handle of the copy, by one of our own signatures, and which; a letter may name it by what it answers."""
    found = match(
        report,
        lambda address: read_return_path(house.tokens, address, house.config.bounces.domain),
        lambda value: read_message_id(house.tokens, value, house.mail_domain),
    )
    if found:
        return found.handle, found.how
    return _first(read_message_id(house.tokens, each, house.mail_domain) for each in letter.answers), "answer"


def _first(handles: Iterable[int | None]) -> int | None:
    return next((handle for handle in handles if handle is not None), None)
