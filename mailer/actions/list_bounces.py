"""The bounce log as an actor may see it: what came back about letters to members of theirs, newest first."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from mailer import access
from mailer.access import Actor, NotFound
from mailer.core.listfile import Office as Role
from mailer.core.sought import Sought
from mailer.core.specimen import specimen
from mailer.house import House
from mailer.models import Bounce
from mailer.models.bounce_log import names_behind, newest_first


class Forgotten(NotFound):
    """The octets are no longer there."""


@dataclass(frozen=True, slots=True)
class LoggedBounce:
    """A refusal, a report or a letter, without its raw text; `matched` is the copy it was about."""

    number: int
    received_at: datetime
    source: str
    kind: str
    reason: str
    klass: str
    status: str
    reply_code: int | None
    diagnostic: str
    behind: str
    verdict: str
    matched_by: str
    matched: int | None
    mailing: int | None
    issue: int | None
    domain: str
    findings: Sequence[Mapping[str, object]]

    def to_json(self) -> dict[str, object]:
        """The documented shape of a line of `mailer bounces log --json`; whose fault it was is called `class` there."""
        fields = asdict(self)
        return {"class" if name == "klass" else name: value for name, value in fields.items()}


def bounce_log(
    actor: Actor, house: House, sought: Sought, now: datetime, *, region: str | None = None, most: int = 1000
) -> tuple[LoggedBounce, ...]:
    """At most `most` lines. What nobody could match belongs to no region: only the whole organisation sees it."""
    if sought.issue is not None:
        access.issue(actor, sought.issue)
    today, everything = house.today(now), actor.scope.is_everything
    theirs = None if everything else access.members(actor, today)
    within = access.regions().subtree(region) if region else None
    rows = newest_first(sought, theirs, within, today)
    return tuple(map(_logged, rows[:most]))


def as_specimen(actor: Actor, house: House, number: int, now: datetime) -> bytes:
    """What came back under this number, scrubbed of everything that leads to a person."""
    actor.needs(Role.SECRETARY)
    theirs = None if actor.scope.is_everything else access.members(actor, house.today(now))
    row = newest_first(Sought(number=number), theirs, None, house.today(now), raw=True).first()
    if row is None:
        raise NotFound(f"Nothing that came back has the number {number}.")
    if row.raw is None:
        raise Forgotten(f"The octets of {number} are no longer kept: only the line in the log is.")
    organisation = house.config.organisation
    secrets = (*names_behind(row), organisation.name, organisation.sender_name, organisation.sender_address)
    return specimen(bytes(row.raw), secrets)


def _logged(row: Bounce) -> LoggedBounce:
    return LoggedBounce(
        number=row.pk,
        received_at=row.received_at,
        source=row.source,
        kind=row.kind,
        reason=row.reason,
        klass=row.klass,
        status=row.status,
        reply_code=row.reply_code,
        diagnostic=row.diagnostic,
        behind=row.behind,
        verdict=row.verdict,
        matched_by=row.matched_by,
        matched=row.copy_id,
        mailing=row.mailing_id,
        issue=row.mailing.issue_id if row.mailing else None,
        domain=row.copy.mailbox.domain if row.copy and row.copy.mailbox else "",
        findings=row.findings,
    )
