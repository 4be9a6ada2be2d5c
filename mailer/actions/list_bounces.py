"""The bounce log as an actor may see it: what came back about the mailings they may see, newest first."""

from dataclasses import dataclass
from datetime import datetime

from mailer import access
from mailer.access import Actor
from mailer.models import Bounce
from mailer.models.bounce_log import newest_first


@dataclass(frozen=True, slots=True)
class LoggedBounce:
    """A refusal or a report, without its raw text; `matched` is the copy it was about."""

    number: int
    received_at: datetime
    source: str
    kind: str
    reason: str
    status: str
    reply_code: int | None
    diagnostic: str
    verdict: str
    matched: int | None
    issue: int | None


def bounce_log(actor: Actor, issue: int | None, most: int = 1000) -> tuple[LoggedBounce, ...]:
    """At most `most` lines. What nobody could match belongs to no region: only the whole organisation sees it."""
    if issue is not None:
        access.issue(actor, issue)
    rows = newest_first(access.mailings(actor), issue, unmatched=actor.scope.is_everything and issue is None)
    return tuple(map(_logged, rows[:most]))


def _logged(row: Bounce) -> LoggedBounce:
    return LoggedBounce(
        number=row.pk,
        received_at=row.received_at,
        source=row.source,
        kind=row.kind,
        reason=row.reason,
        status=row.status,
        reply_code=row.reply_code,
        diagnostic=row.diagnostic,
        verdict=row.verdict,
        matched=row.copy_id,
        issue=row.copy.mailing.issue_id if row.copy else None,
    )
