"""The consent ledger: what a line of it must say, what follows from its lines, and the chain that proves them.

Law: Article 7 and 9 UK GDPR, PECR regulation 22 (standards P1, P2, P7, P9). There is no "soft opt-in": it does not
cover a political organisation's aims.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum

from mailer.core.audience import SubscriptionState
from mailer.core.errors import MailerError


class Kind(StrEnum):
    """What a line records."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"
    #: A departure undone by the person within the short time of its undo link: a new, logged opt-in (standards U12).
    RESTORED = "restored"


class Channel(StrEnum):
    """How it reached us."""

    PAPER_FORM = "paper_form"
    WEB_FORM = "web_form"
    EVENT = "event"
    EMAIL = "email"
    TELEPHONE = "telephone"
    POST = "post"
    ONE_CLICK = "one_click"
    PAGE = "page"
    MAILTO = "mailto"
    STAFF = "staff"
    COMPLAINT = "complaint"
    UNDO = "undo"


class Article9(StrEnum):
    """The condition under which special-category data is used (standards P1)."""

    NOT_FOR_PROFIT_BODY = "9(2)(d)"
    EXPLICIT_CONSENT = "9(2)(a)"


class PecrBasis(StrEnum):
    """Why a letter may be sent at all."""

    CONSENT = "consent"


class ConsentError(MailerError, ValueError):
    """A line that would prove nothing."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger. `subject` is a random reference that only the member's row can resolve.

    `commitment` binds the evidence without showing it: HMAC-SHA-256 of the evidence under the line's own salt.
    `actor` is a reference to who entered it ("user:7", "clock", "self"), `wording` the row id of the exact words shown
    (None only where nothing was shown: a withdrawal), `mailing` and `token_hash` name the letter that was left through.
    """

    subject: str
    stream: int
    kind: Kind
    at: datetime
    recorded_at: datetime
    channel: Channel
    actor: str
    article9: Article9
    pecr: PecrBasis
    wording: int | None = None
    commitment: str = ""
    mailing: int | None = None
    token_hash: str = ""

    def __post_init__(self) -> None:
        if self.kind is Kind.WITHDRAWN:
            return
        if self.wording is None:
            raise ConsentError("A consent needs the wording that was shown: name its version.")
        if not self.commitment:
            raise ConsentError("A consent needs evidence: say where it can be seen (the form, the event, the page).")

    def canonical(self) -> bytes:
        """The octets that the chain covers: compact JSON, sorted keys, times in UTC with microseconds."""
        values = asdict(self)
        for key in ("at", "recorded_at"):
            values[key] = values[key].astimezone(UTC).isoformat(timespec="microseconds")
        return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def commitment(salt: bytes, evidence: str) -> str:
    """HMAC-SHA-256 of the evidence under the line's salt, in hex; empty evidence commits to nothing."""
    return hmac.new(salt, evidence.encode(), hashlib.sha256).hexdigest() if evidence else ""


def proves(entry: Entry, salt: bytes, evidence: str) -> bool:
    """Whether salt and evidence are those that the line committed to."""
    return hmac.compare_digest(entry.commitment, commitment(salt, evidence))


def state_after(entries: Iterable[Entry]) -> SubscriptionState | None:
    """What the lines of one member and one stream say now, None if there are none.

    The latest act counts; of two at the same moment a withdrawal, since in doubt nobody is written to.
    """
    latest = max(entries, key=lambda entry: (entry.at, entry.kind is Kind.WITHDRAWN), default=None)
    if latest is None:
        return None
    return SubscriptionState.LEFT if latest.kind is Kind.WITHDRAWN else SubscriptionState.ACTIVE


#: The head of a chain before its first batch.
GENESIS = "0" * 64


def seal(previous: str, rows: Sequence[bytes]) -> str:
    """The head of the chain after a batch of rows, in hex: SHA-256 over the previous head and each row's digest."""
    digest = hashlib.sha256(bytes.fromhex(previous))
    for row in rows:
        digest.update(hashlib.sha256(row).digest())
    return digest.hexdigest()
