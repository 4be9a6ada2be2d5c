"""Reading what came back: match by our own signatures, act once, keep what was not understood (B3, B9, B11, B13, B14).

Nothing is deleted. A report without one of our tokens changes nothing and is kept for a person; so is one of a kind
that no detector knows. Nothing is ever answered (standards T22).
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from mailer.access import THE_CLOCK
from mailer.actions.leave import Draw
from mailer.actions.settle import judge_mailbox_of
from mailer.core.bounce import Finding, Kind, Match, Report, match, read
from mailer.core.bounce.fate import Fate
from mailer.core.delivery import CopyState
from mailer.core.token import read_message_id, read_return_path
from mailer.core.verdict import Effect
from mailer.house import House
from mailer.models import BounceSource, Copy, outbox, returns
from mailer.models.base import writing
from mailer.models.ledger import record
from mailer.transport.maildir import GoneError

#: What a report of this kind makes of the copy.
_BECOMES = {
    Kind.HARD: CopyState.BOUNCED,
    Kind.SOFT: CopyState.BOUNCED,
    Kind.COMPLAINT: CopyState.COMPLAINED,
}


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
            return file.read(2 * 1024 * 1024)

    def done(self, fate: Fate) -> None:
        """Nothing: it is somebody's file."""


@dataclass(frozen=True, slots=True)
class ReadReport:
    """One report, what was read in it, whose copy it was about, and what was done."""

    file: str
    kind: str
    findings: tuple[Finding, ...]
    matched: int | None
    verdict: str
    repeated: bool

    def to_json(self) -> dict[str, object]:
        """The documented shape of a line of `mailer bounces read --json`."""
        keys = ("recipient", "status", "reply_code", "kind", "reason", "detector")
        found = [{key: value for key, value in asdict(f).items() if key in keys} for f in self.findings]
        return {"file": self.file, "kind": self.kind, "findings": found, "matched": self.matched}


def read_reports(
    house: House, sources: Iterable[Source], now: datetime, draw: Draw, source: BounceSource = BounceSource.FILE
) -> Iterator[ReadReport]:
    """Read each report, act on it once, and put it out of the way when that is durable."""
    for waits in sources:
        try:
            raw = waits.read()
        except GoneError:
            continue
        with writing():
            done = _read_one(house, waits.name, raw, source, now)
        waits.done(Fate.KEPT if done.matched is None and not done.repeated else Fate.UNDERSTOOD)
        yield done


def _read_one(house: House, name: str, raw: bytes, source: BounceSource, now: datetime) -> ReadReport:
    report = read(raw)
    found = match(
        report,
        lambda address: read_return_path(house.tokens, address, house.config.bounces.domain),
        lambda value: read_message_id(house.tokens, value, house.mail_domain),
    )
    copy = returns.copy_of(found.handle) if found else None
    digest = hashlib.sha256(raw).hexdigest()
    number = copy.pk if copy else None
    if returns.known_report(digest, copy, report.report_id):
        return ReadReport(name, report.kind, report.findings, number, "", repeated=True)
    effect = _act(house, copy, report, now) if copy else None
    returns.keep(_row(report, found if copy else None, copy, effect, source, raw, digest, now))
    return ReadReport(name, report.kind, report.findings, number, effect or "", repeated=False)


def _act(house: House, copy: Copy, report: Report, now: datetime) -> Effect:
    target = _BECOMES.get(report.kind)
    if target is None:
        return Effect.NOTHING
    moved = outbox.move_one(copy.pk, target)
    finding = next(f for f in report.findings if f.kind is report.kind)
    record(now, THE_CLOCK.reference, f"copy {target}", about="copy", number=copy.pk, moved=moved, reason=finding.reason)
    if copy.mailbox is None or finding.klass is None:
        return Effect.NOTHING
    return judge_mailbox_of(house, copy.mailbox.pk, copy.pk, finding.klass, why=finding.diagnostic, now=now)


def _row(
    report: Report,
    found: Match | None,
    copy: Copy | None,
    effect: Effect | None,
    source: BounceSource,
    raw: bytes,
    digest: str,
    now: datetime,
) -> dict[str, object]:
    said = next((f for f in report.findings if f.kind is report.kind), None)
    return {
        "copy": copy,
        "source": source,
        "kind": report.kind,
        "reason": said.reason if said else "",
        "reply_code": said.reply_code if said else None,
        "status": (said.status or "") if said else "",
        "diagnostic": said.diagnostic[:500] if said else "",
        "matched_by": found.how if found else "",
        "findings": [asdict(finding) for finding in report.findings],
        "verdict": effect or "",
        "report_id": report.report_id[:500] if report.report_id and copy else None,
        "digest": digest,
        "raw": raw,
        "received_at": now,
    }
