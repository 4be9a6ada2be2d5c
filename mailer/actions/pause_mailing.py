"""A mailing stops by itself, says why, and waits for a person (design.md section 4)."""

from datetime import datetime

from mailer.access import THE_CLOCK
from mailer.core.alarm import discreet
from mailer.core.mailing import MailingState
from mailer.models import Mailing
from mailer.models.base import writing
from mailer.models.ledger import record_mailing
from mailer.models.site import Counter, bump
from mailer.models.steering import advance


def pause(mailing: Mailing, now: datetime, reason: str) -> None:
    """Pause it, unless somebody moved it meanwhile; every worker hears of it before its next letter."""
    # The audit log is never changed, so that no address may get into it, and servers quote them (P22).
    reason = discreet(reason)
    with writing():
        bump(Counter.CHANGES)
        if advance(mailing.pk, MailingState.PAUSED, reason):
            record_mailing(now, THE_CLOCK.reference, "paused", mailing, reason=reason)
