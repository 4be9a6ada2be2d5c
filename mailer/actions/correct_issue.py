"""A correction: another issue of the same list and region, which goes only to those who have the first letter.

Whom that is is asked when it is prepared and again at the last moment, of the copies (`core.delivery.GOT`); consent,
region and everything else are asked as ever. So a correction needs a letter that nobody is sending any more.
"""

from datetime import datetime

from mailer import access
from mailer.access import Actor
from mailer.actions.compose import DrawWord
from mailer.actions.write_issue import WrittenIssue, new_issue
from mailer.core.errors import MailerError
from mailer.core.mailing import MailingState
from mailer.house import House
from mailer.models import Issue, Mailing
from mailer.models.steering import mailing_of


class NothingToCorrect(MailerError, ValueError):
    """Nobody has the letter, or it is not settled yet who will."""


def correct(actor: Actor, house: House, number: int, text: str, *, now: datetime, draw_word: DrawWord) -> WrittenIssue:
    """Make the issue that corrects another; it is scheduled like any."""
    issue = access.issue(actor, number)
    mailing_to_correct(issue)
    return new_issue(
        actor,
        house,
        issue.mailing_list.slug,
        text,
        region=issue.region.slug if issue.region else None,
        now=now,
        draw_word=draw_word,
        corrects=issue.pk,
    )


def mailing_to_correct(issue: Issue) -> Mailing:
    """The sending of an issue whose readers are to get a correction."""
    mailing = mailing_of(issue)
    if mailing is None or mailing.started_at is None:
        raise NothingToCorrect(
            f"Nothing of issue {issue.pk} has left, so nobody needs a correction: `mailer issue cancel {issue.pk}`"
            " takes it back, and a new issue says it right."
        )
    if mailing.state == MailingState.SENDING:
        raise NothingToCorrect(
            f"Issue {issue.pk} is still going out: `mailer issue stop {issue.pk}` or `mailer issue cancel {issue.pk}`"
            " first, so that it is settled who has it."
        )
    return mailing
