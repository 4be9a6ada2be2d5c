"""Deliveries and copies, made by set and in ranges, so that no write lasts long and a range can be done again."""

from collections.abc import Callable
from datetime import date

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q

from mailer.core.audience import AllowList, Rule
from mailer.core.delivery import OPEN, Outcome
from mailer.models.audience import candidates, decided
from mailer.models.copy import Copy, Delivery, arrived
from mailer.models.recheck import withdraw_empty

FIRST_LETTER = "first"


def make_deliveries(
    mailing_id: int, rule: Rule, today: date, allow_list: AllowList | None, *, after: int, most: int
) -> int | None:
    """Give the next `most` candidates with ids over `after` a delivery; the last id done, None when none is left."""
    ids = list(candidates(rule, today).filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:most])
    if not ids:
        return None
    rows = (
        decided(rule, today, allow_list)
        .filter(pk__gt=after, pk__lte=ids[-1])
        .values_list("pk", "stream", "outcome", "reason")
    )
    sql, params = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mailer_delivery (member_id, stream_id, outcome, reason, mailing_id)"  # noqa: S608
            f" SELECT decided.*, %s FROM ({sql}) AS decided WHERE true ON CONFLICT (mailing_id, member_id) DO NOTHING",
            (mailing_id, *params),
        )
    return int(ids[-1])


def attach_copies(mailing_id: int, draw_handle: Callable[[], int]) -> None:
    """Put every carried delivery on the copy that goes to its member's mailbox: one for a household and language."""
    waiting = Delivery.unscoped.filter(mailing=mailing_id, outcome=Outcome.CARRIED, copy=None)
    _join_existing(mailing_id)
    rows = waiting.annotate(seen=_has_had_a_letter()).values_list("member__mailbox", "member__language", "seen")
    wanted: dict[tuple[int, str], bool] = {}
    for mailbox, language, seen in rows:
        wanted[mailbox, language] = wanted.get((mailbox, language), False) or not seen
    copies = []
    for (mailbox, language), is_first in wanted.items():
        handle = draw_handle()
        copies.append(
            Copy(
                mailing_id=mailing_id,
                mailbox_id=mailbox,
                language=language,
                segments=FIRST_LETTER if is_first else "",
                handle=handle,
                # A random order serves regions and domains fairly; the sign bit goes, so that it sorts as it counts.
                position=handle & 0x7FFF_FFFF_FFFF_FFFF,
            )
        )
    Copy.unscoped.bulk_create(copies, batch_size=500)
    _join_existing(mailing_id)


def follow_moves(mailing_id: int, draw_handle: Callable[[], int], copy_ids: list[int] | None = None) -> None:
    """Put deliveries whose member has another mailbox now on a copy to that; of all copies, or of these.

    A copy on which nobody rides any more is withdrawn. Call it inside `writing()`.
    """
    moved = Delivery.unscoped.filter(
        ~Q(member__mailbox=F("copy__mailbox")),
        mailing=mailing_id,
        outcome=Outcome.CARRIED,
        copy__state__in=OPEN,
        member__mailbox__isnull=False,
    )
    if copy_ids is not None:
        moved = moved.filter(copy__in=copy_ids)
    rows = dict(moved.values_list("pk", "copy"))
    if not rows:
        return
    Delivery.unscoped.filter(pk__in=list(rows)).update(copy=None)
    attach_copies(mailing_id, draw_handle)
    withdraw_empty(rows.values())


def _join_existing(mailing_id: int) -> None:
    """Put waiting deliveries on the copy that already goes to their mailbox.

    Whatever became of that copy is then the outcome of this delivery too: nobody at the mailbox is written to twice.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE mailer_delivery SET copy_id = ("
            " SELECT c.id FROM mailer_copy c"
            " JOIN mailer_member m ON m.mailbox_id = c.mailbox_id AND m.language = c.language"
            " WHERE m.id = mailer_delivery.member_id AND c.mailing_id = mailer_delivery.mailing_id"
            " AND c.state NOT IN ('withdrawn', 'cancelled') ORDER BY c.id LIMIT 1)"
            " WHERE mailing_id = %s AND outcome = 'carried' AND copy_id IS NULL",
            [mailing_id],
        )


def _has_had_a_letter() -> Exists:
    return Exists(arrived().filter(member=OuterRef("member")).exclude(mailing=OuterRef("mailing")))
