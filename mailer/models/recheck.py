"""The last moment: who among the carried may still be written to (design.md section 3; standards P8, L8)."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import NamedTuple

from django.db import connection
from django.db.models import QuerySet

from mailer.core.audience import AllowList, Rule
from mailer.core.delivery import OPEN, CopyState, Outcome
from mailer.models.audience import among, decided, within
from mailer.models.base import quoted
from mailer.models.copy import THEIR_COPIES, Copy, Delivery
from mailer.models.outbox import move

#: Why a delivery is withdrawn whose member is no longer a candidate at all.
NOT_IN_REGION = "region"
_OUT = (Outcome.EXCLUDED, NOT_IN_REGION)
_CARRIED = f"""SELECT d.id FROM mailer_delivery d {THEIR_COPIES}
    WHERE d.mailing_id = %s AND d.outcome = '{Outcome.CARRIED}' AND c.state IN ({quoted(OPEN)})"""  # noqa: S608 - our own
_ERASED = f"{_CARRIED} AND d.member_id IS NULL"
_DOUBTFUL = f"""{_CARRIED} AND d.member_id > %s AND d.member_id <= %s
        AND (c.mailbox_id IS NULL OR (d.member_id, c.mailbox_id) NOT IN (
            SELECT member_id, mailbox_id FROM ({{decided}}) AS decided
            WHERE outcome = '{Outcome.CARRIED}'))"""  # noqa: S608 - words of our own


class Rider(NamedTuple):
    """A delivery that rides on a copy, and its member, None if erased."""

    delivery: int
    member: int | None
    copy: int


def carried_of(mailing_id: int, delivery_ids: Iterable[int]) -> list[Rider]:
    """Those of these deliveries of a mailing that ride on a copy which has not been handed over.

    This and what follows are asked table by table, and by ids: what PostgreSQL counted last may have it read all
    deliveries, or compare them with each other.
    """
    rows = Delivery.unscoped.filter(pk__in=list(delivery_ids))
    riding = rows.values_list("pk", "member", "copy", "mailing", "outcome")
    carried = [
        Rider(*each) for *each, mailing, outcome in riding if (mailing, outcome) == (mailing_id, Outcome.CARRIED)
    ]
    copies = Copy.unscoped.filter(pk__in={rider.copy for rider in carried}).values_list("pk", "state")
    waiting = {pk for pk, state in copies if state in OPEN}
    return [rider for rider in carried if rider.copy in waiting]


def carried_by_claim(claim_number: int, copy_ids: Iterable[int]) -> list[Rider]:
    """Deliveries that ride on those of these copies which a worker has in its hands by this claim."""
    copies = Copy.unscoped.filter(pk__in=list(copy_ids)).values_list("pk", "claim", "state")
    held = [pk for pk, claim, state in copies if claim == claim_number and state == CopyState.CLAIMED]
    return [Rider(*each) for each in _riding_on(held).values_list("pk", "member", "copy")]


def _riding_on(copies: Collection[int]) -> QuerySet[Delivery]:
    rows: QuerySet[Delivery] = Delivery.unscoped.filter(copy__in=copies, outcome=Outcome.CARRIED)
    return rows


def of_the_erased(mailing_id: int) -> list[int]:
    """The carried deliveries of a mailing whose member was erased."""
    with connection.cursor() as cursor:
        cursor.execute(_ERASED, (mailing_id,))
        return [row[0] for row in cursor.fetchall()]


def doubtful(
    mailing_id: int, rule: Rule, today: date, allow_list: AllowList | None, after: int, until: int
) -> list[int]:
    """Of the members with ids over `after`, up to `until`: the carried deliveries that may not leave as they are.

    The member is out, or has another mailbox than the copy goes to. It reads only, so it keeps nobody waiting.
    """
    judged = decided(rule, today, allow_list, within(after, until))
    with connection.cursor() as cursor:
        cursor.execute(_DOUBTFUL.format(decided=judged.sql), (mailing_id, after, until, *judged.params))
        return [row[0] for row in cursor.fetchall()]


def withdraw_those_out(riders: Sequence[Rider], rule: Rule, today: date, allow_list: AllowList | None) -> set[int]:
    """Withdraw every delivery whose member the rule no longer lets in, with the reason; the ids of copies touched.

    Who has no mailbox any more is listed for printing instead; a member who was erased is out. A copy that nobody
    rides on any more is withdrawn with the last of them. Call it inside `writing()`, with at most a thousand.
    """
    judged = decided(rule, today, allow_list, among({each.member for each in riders if each.member is not None}))
    today_says = {says.member_id: (says.outcome, says.reason) for says in judged.rows()}
    touched: set[int] = set()
    changes: dict[tuple[Outcome, str], list[int]] = {}
    for delivery, member, copy in riders:
        says, reason = today_says.get(member, _OUT) if member is not None else _OUT
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
    ids = set(copies)
    if connection.features.has_select_for_update:
        # Whoever lets somebody join a copy holds it; only a statement begun after that sees who joined.
        list(Copy.unscoped.select_for_update().filter(pk__in=ids).order_by("pk").values_list("pk"))
    empty = ids.difference(_riding_on(ids).values_list("copy", flat=True))
    return move(Copy.unscoped.filter(pk__in=empty), CopyState.WITHDRAWN)
