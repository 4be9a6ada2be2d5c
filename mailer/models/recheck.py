"""The last moment: who among the carried may still be written to (design.md section 3; standards P8, L8)."""

from collections.abc import Iterable
from datetime import date

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from mailer.core.audience import AllowList, Rule
from mailer.core.delivery import OPEN, CopyState, Outcome
from mailer.models.audience import among, decided, within
from mailer.models.base import looked_up
from mailer.models.copy import Copy, Delivery
from mailer.models.outbox import move

#: Why a delivery is withdrawn whose member is no longer a candidate at all.
NOT_IN_REGION = "region"
_DOUBTFUL = f"""SELECT d.id FROM mailer_delivery d {{copies}}
    WHERE d.mailing_id = %s AND d.member_id > %s AND d.member_id <= %s AND d.outcome = '{Outcome.CARRIED}'
        AND c.state IN ({", ".join(f"'{state}'" for state in OPEN)})
        AND (c.mailbox_id IS NULL OR (d.member_id, c.mailbox_id) NOT IN (
            SELECT member_id, mailbox_id FROM ({{decided}}) AS decided
            WHERE outcome = '{Outcome.CARRIED}'))"""  # noqa: S608 - words of our own


def carried_of(mailing_id: int) -> QuerySet[Delivery]:
    """Deliveries of a mailing that ride on a copy which has not been handed over."""
    rows: QuerySet[Delivery] = Delivery.unscoped.filter(
        mailing=mailing_id, outcome=Outcome.CARRIED, copy__state__in=OPEN
    )
    return rows


def carried_by_claim(claim_number: int, copy_ids: Iterable[int]) -> QuerySet[Delivery]:
    """Deliveries that ride on those of these copies which a worker has in its hands by this claim.

    Asked table by table, and by ids: what PostgreSQL counted last may have it read all deliveries of the mailing.
    """
    copies = Copy.unscoped.filter(pk__in=list(copy_ids)).values_list("pk", "claim", "state")
    held = [pk for pk, claim, state in copies if claim == claim_number and state == CopyState.CLAIMED]
    rows: QuerySet[Delivery] = Delivery.unscoped.filter(outcome=Outcome.CARRIED, copy__in=held)
    return rows


def of_the_erased(mailing_id: int) -> list[int]:
    """The carried deliveries of a mailing whose member was erased."""
    return list(carried_of(mailing_id).filter(member=None).values_list("pk", flat=True))


def doubtful(
    mailing_id: int, rule: Rule, today: date, allow_list: AllowList | None, after: int, until: int
) -> list[int]:
    """Of the members with ids over `after`, up to `until`: the carried deliveries that may not leave as they are.

    The member is out, or has another mailbox than the copy goes to. It reads only, so it keeps nobody waiting.
    """
    judged = decided(rule, today, allow_list, within(after, until))
    with connection.cursor() as cursor:
        copies = looked_up("mailer_copy", "c", "c.id = d.copy_id")
        cursor.execute(_DOUBTFUL.format(copies=copies, decided=judged.sql), (mailing_id, after, until, *judged.params))
        return [row[0] for row in cursor.fetchall()]


def withdraw_those_out(
    deliveries: QuerySet[Delivery], rule: Rule, today: date, allow_list: AllowList | None
) -> set[int]:
    """Withdraw every delivery whose member the rule no longer lets in, with the reason; the ids of copies touched.

    Who has no mailbox any more is listed for printing instead; a member who was erased is out. A copy that nobody
    rides on any more is withdrawn with the last of them. Call it inside `writing()`, with at most a thousand.
    """
    rows = list(deliveries.values_list("pk", "member", "copy"))
    judged = decided(rule, today, allow_list, among({member for _, member, _ in rows if member is not None}))
    today_says = {says.member_id: (says.outcome, says.reason) for says in judged.rows()}
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
    """Withdraw those of the copies on which nobody rides any more; call it inside `writing()`."""
    ids = list(copies)
    if connection.features.has_select_for_update:
        # Whoever lets somebody join a copy holds it; only a statement begun after that sees who joined.
        list(Copy.unscoped.select_for_update().filter(pk__in=ids).order_by("pk").values_list("pk"))
    riders = Delivery.unscoped.filter(copy=OuterRef("pk"), outcome=Outcome.CARRIED)
    return move(Copy.unscoped.filter(~Exists(riders), pk__in=ids), CopyState.WITHDRAWN)
