"""Counting by set: what became of everyone in a mailing, and of every copy."""

from collections.abc import Iterator

from django.db.models import Case, CharField, Count, F, When

from mailer.core.delivery import Outcome
from mailer.models.bounce import Bounce
from mailer.models.copy import Copy, Delivery
from mailer.models.issue import Revision
from mailer.models.mailing import Mailing


def outcomes(mailing_id: int) -> dict[str, int]:
    """Deliveries by outcome; those carried by a copy count under its state. The sum is the candidates."""
    outcome = Case(When(outcome=Outcome.CARRIED, then=F("copy__state")), default=F("outcome"), output_field=CharField())
    rows = Delivery.unscoped.filter(mailing=mailing_id).annotate(final=outcome).values("final")
    return dict(rows.annotate(count=Count("pk")).order_by("final").values_list("final", "count"))


def reasons(mailing_id: int, outcome: Outcome) -> dict[str, int]:
    """Deliveries of one outcome by reason."""
    rows = Delivery.unscoped.filter(mailing=mailing_id, outcome=outcome).values("reason")
    return dict(rows.annotate(count=Count("pk")).order_by("reason").values_list("reason", "count"))


def copies(mailing_id: int) -> dict[str, int]:
    """Copies by state."""
    rows = Copy.unscoped.filter(mailing=mailing_id).values("state")
    return dict(rows.annotate(count=Count("pk")).order_by("state").values_list("state", "count"))


def bounces(mailing_id: int) -> dict[str, int]:
    """What came back, by kind."""
    rows = Bounce.unscoped.filter(copy__mailing=mailing_id).values("kind")
    return dict(rows.annotate(count=Count("pk")).order_by("kind").values_list("kind", "count"))


def who_got_none(mailing_id: int) -> Iterator[tuple[str, str, str]]:
    """(name, outcome, reason or last reply) of everyone to whom no letter was accepted, by name."""
    rows = Delivery.unscoped.filter(mailing=mailing_id).exclude(
        outcome=Outcome.CARRIED, copy__state__in=("accepted", "complained")
    )
    named = rows.select_related("member", "copy").order_by("member__name", "pk")
    for row in named.iterator(chunk_size=2000):
        name = row.member.name if row.member else "somebody erased since"
        if row.outcome == Outcome.CARRIED and row.copy:
            yield name, row.copy.state, row.copy.reply_text
        else:
            yield name, row.outcome, row.reason


def subject_of(issue_id: int) -> str:
    """The subject of an issue's last save."""
    subject: str = Revision.unscoped.filter(issue=issue_id).latest("number").subject
    return subject


def mailings_of_issue(issue_id: int) -> list[Mailing]:
    """Every sending of an issue, in the order they were scheduled."""
    rows = Mailing.unscoped.filter(issue=issue_id).select_related("issue__mailing_list", "region", "revision")
    return list(rows.order_by("pk"))
