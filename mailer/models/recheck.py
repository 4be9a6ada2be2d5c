"""The last moment: who among the carried may still be written to (design.md section 3; standards P8, L8)."""

from collections.abc import Iterable
from datetime import date

from django.db.models import Exists, OuterRef, QuerySet

from mailer.core.audience import AllowList, Rule
from mailer.core.delivery import OPEN, CopyState, Outcome
from mailer.models.audience import decided
from mailer.models.copy import Copy, Delivery
from mailer.models.outbox import move

#: Why a delivery is withdrawn whose member is no longer a candidate at all.
NOT_IN_REGION = "region"


def carried_of(mailing_id: int) -> QuerySet[Delivery]:
    """Deliveries of a mailing that ride on a copy which has not been handed over."""
    rows: QuerySet[Delivery] = Delivery.unscoped.filter(
        mailing=mailing_id, outcome=Outcome.CARRIED, copy__state__in=OPEN
    )
    return rows


def carried_by_claim(claim_number: int) -> QuerySet[Delivery]:
    """Deliveries that ride on the copies in a worker's hands."""
    rows: QuerySet[Delivery] = Delivery.unscoped.filter(
        outcome=Outcome.CARRIED, copy__claim=claim_number, copy__state=CopyState.CLAIMED
    )
    return rows


def next_range(mailing_id: int, after: int, most: int) -> tuple[int, QuerySet[Delivery]] | None:
    """The next `most` carried deliveries with ids over `after`, and the last of those ids; None if there are none."""
    rows = carried_of(mailing_id).filter(pk__gt=after)
    ids = list(rows.order_by("pk").values_list("pk", flat=True)[:most])
    return (ids[-1], rows.filter(pk__lte=ids[-1])) if ids else None


def withdraw_those_out(
    deliveries: QuerySet[Delivery], rule: Rule, today: date, allow_list: AllowList | None
) -> set[int]:
    """Withdraw every delivery whose member the rule no longer lets in, with the reason; the ids of copies touched.

    Who has no mailbox any more is listed for printing instead; a member who was erased is out. A copy that nobody
    rides on any more is withdrawn with the last of them. Call it inside `writing()`, with at most a few thousand.
    """
    rows = list(deliveries.values_list("pk", "member", "copy"))
    members = [member for _, member, _ in rows if member is not None]
    judged = decided(rule, today, allow_list).filter(pk__in=members).values_list("pk", "outcome", "reason")
    today_says = {member: (outcome, reason) for member, outcome, reason in judged}
    touched: set[int] = set()
    changes: dict[tuple[Outcome, str], list[int]] = {}
    for delivery, member, copy in rows:
        says, reason = today_says.get(member, (Outcome.EXCLUDED, NOT_IN_REGION))
        if says == Outcome.CARRIED:
            continue
        becomes = Outcome.UNMAILABLE if says == Outcome.UNMAILABLE else Outcome.WITHDRAWN
        changes.setdefault((becomes, reason), []).append(delivery)
        touched.add(copy)
    for (becomes, reason), ids in changes.items():
        Delivery.unscoped.filter(pk__in=ids).update(outcome=becomes, reason=reason)
    withdraw_empty(touched)
    return touched


def withdraw_empty(copies: Iterable[int]) -> int:
    """Withdraw those of the copies on which nobody rides any more."""
    riders = Delivery.unscoped.filter(copy=OuterRef("pk"), outcome=Outcome.CARRIED)
    return move(Copy.unscoped.filter(~Exists(riders), pk__in=list(copies)), CopyState.WITHDRAWN)
