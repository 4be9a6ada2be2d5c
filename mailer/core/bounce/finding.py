"""What we read in a mail that came back: findings, and what tells whose letter it is about."""

from dataclasses import dataclass
from enum import StrEnum

from mailer.core.verdict import Class, Reason

MAX_DIAGNOSTIC = 500  # standards B14


class Kind(StrEnum):
    """Hard: the address is gone. Soft: it failed, and that says nothing final about the address."""

    HARD = "hard"
    SOFT = "soft"
    COMPLAINT = "complaint"
    AUTOREPLY = "autoreply"
    CHALLENGE = "challenge"
    DELIVERED = "delivered"
    NONE = "none"


# The class of standards 3.2 says whose fault it is; the kind, whether the address is gone. Others are soft.
KINDS: dict[Class, Kind] = {
    Class.HARD: Kind.HARD,
    # Not delivered so far: a soft finding, as peers count it, which never counts against anybody (B2).
    Class.INFORMATIONAL: Kind.SOFT,
    Class.SUCCESS: Kind.DELIVERED,
    Class.COMPLAINT: Kind.COMPLAINT,
}

# Of several findings in one report, the one that asks for the most names the report.
_WEIGHT = (
    Kind.COMPLAINT,
    Kind.HARD,
    Kind.SOFT,
    Kind.CHALLENGE,
    Kind.AUTOREPLY,
    Kind.DELIVERED,
    Kind.NONE,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing said about one recipient; `recipient` is None where only the return path tells who it was.

    It is foreign text throughout: shown only escaped, and never what decides which member is meant (B3).
    `klass` is what `verdict.judge_mailbox` asks for; None where nothing is judged.
    """

    recipient: str | None
    status: str | None
    reply_code: int | None
    kind: Kind
    reason: Reason
    diagnostic: str
    detector: str
    klass: Class | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A mail that came back. Everything but `findings` is there for matching and for telling duplicates."""

    findings: tuple[Finding, ...]
    delivered_to: tuple[str, ...] = ()
    envelope_ids: tuple[str, ...] = ()
    return_paths: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    report_id: str | None = None
    null_sender: bool | None = None

    @property
    def kind(self) -> Kind:
        kinds = {finding.kind for finding in self.findings}
        return next((kind for kind in _WEIGHT if kind in kinds), Kind.NONE)
