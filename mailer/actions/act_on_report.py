"""What a report about a letter of ours does: to its copy, its mailbox, the desk (standards 3.2, 3.3, B8, B11, B13).

Each report adds what the earlier ones about the copy did not say, so that their order does not matter.
"""

from datetime import datetime

from mailer.access import THE_CLOCK
from mailer.actions.settle import judge_mailbox_of
from mailer.core.behind import Behind
from mailer.core.bounce import Finding, Kind, Report
from mailer.core.delivery import CopyState
from mailer.core.matter import MatterKind
from mailer.core.returning import adds_something
from mailer.core.verdict import Class, Effect, Reason
from mailer.house import House
from mailer.models import Copy, desk, outbox, returns
from mailer.models.ledger import record

#: What a report of this kind makes of the copy.
_BECOMES = {
    Kind.HARD: CopyState.BOUNCED,
    Kind.SOFT: CopyState.BOUNCED,
    Kind.COMPLAINT: CopyState.COMPLAINED,
}


def named_by(report: Report) -> Finding | None:
    """The finding that gives the report its kind."""
    return next((finding for finding in report.findings if finding.kind is report.kind), None)


def is_of_others(report: Report, behind: Behind | None) -> bool:
    """Whether it says that an address is gone to which a group handed our letter on: the group lives."""
    return behind is Behind.GROUP and report.kind is Kind.HARD


def becomes(report: Report, behind: Behind | None) -> CopyState | None:
    """What the report makes of the letter that it is about; None: nothing."""
    said = named_by(report)
    # A delay is only news: the letter may still arrive (B2).
    if said is None or said.klass is Class.INFORMATIONAL or is_of_others(report, behind):
        return None
    return _BECOMES.get(report.kind)


def act_on_report(house: House, copy: Copy, report: Report, behind: Behind | None, now: datetime) -> Effect:
    """Move the copy and judge its mailbox; what was done. Call it before the report is kept."""
    target, said = becomes(report, behind), named_by(report)
    if target is None or said is None:
        return Effect.NOTHING
    if outbox.move_one(copy.pk, target):
        record(now, THE_CLOCK.reference, f"copy {target}", about="copy", number=copy.pk, reason=said.reason)
    if copy.mailbox is None or said.klass is None or not adds_something(said.klass, returns.classes_of(copy.pk)):
        return Effect.NOTHING
    # A person who restored an address knew more than a report about an earlier letter.
    if said.klass is not Class.COMPLAINT and desk.restored_since(copy.mailbox.pk, copy.decided_at or now):
        return Effect.NOTHING
    return judge_mailbox_of(house, copy.mailbox.pk, copy.pk, said.klass, why=said.diagnostic, now=now)


def put_on_desk(bounce_id: int, copy: Copy, report: Report, behind: Behind | None, now: datetime) -> None:
    """Ask a person about what a report leaves open: nobody could read why, or somebody is said to have gone (B6)."""
    said = named_by(report)
    if said is None:
        return
    if said.klass is Class.UNCLASSIFIED_PERMANENT or is_of_others(report, behind):
        returns.ask_to_judge(bounce_id, copy, said.diagnostic, now)
    if said.reason is Reason.SAYS_GONE:
        desk.open_matter(
            MatterKind.SAYS_GONE,
            now=now,
            mailbox_id=copy.mailbox_id,
            copy_id=copy.pk,
            bounce_id=bounce_id,
            said=said.diagnostic,
        )
