"""Deliveries and copies, made by set and in ranges, so that no write lasts long and a range can be done again.

A range is judged into a table of the session's own, the riders. Their copies are made first, one for a mailbox and
language, then their deliveries, each with its copy. All statements are conditional: done twice, they change nothing.
"""

import hashlib
import json
import struct
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import RawSQL

from mailer.core.audience import AllowList, Rule
from mailer.core.delivery import OPEN, CopyState, Outcome
from mailer.models.audience import decided, within
from mailer.models.copy import Delivery, arrived
from mailer.models.recheck import withdraw_empty

FIRST_LETTER = "first"
#: Gives random 64-bit numbers.
Draw = Callable[[], int]

#: So many copies that were made together stand together in the queue: who claims them touches few pages.
_BLOCK_BITS = 6
_PLACE_BITS = 40
#: Successive multiples of the golden ratio, within the circle of all places, fall evenly between those before.
_STRIDE = round((1 << _PLACE_BITS) * 0.618_033_988_749_895) | 1
_LIVE = f"NOT ({{copy}}state IN ('{CopyState.WITHDRAWN}', '{CopyState.CANCELLED}'))"
_RIDERS = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS mailer_rider (member_id bigint, mailbox_id bigint, language varchar(16),"
    " outcome varchar(16), reason varchar(32), stream_id bigint)"
)
_JUDGED = """INSERT INTO mailer_rider (member_id, mailbox_id, language, outcome, reason, stream_id)
    SELECT * FROM ({decided}) AS decided WHERE NOT EXISTS (
        SELECT 1 FROM mailer_delivery d WHERE d.mailing_id = %s AND d.member_id = decided.member_id)"""
_COPIES = f"""INSERT INTO mailer_copy (mailing_id, mailbox_id, language, segments, handle, position,
        state, claimed_by, attempts, reply_status, reply_text)
    WITH drawn (number, handle) AS MATERIALIZED ({{drawn}}), riding AS (
        SELECT r.mailbox_id, r.language, CASE WHEN EXISTS ({{arrived}}) THEN '' ELSE '{FIRST_LETTER}' END AS segments
        FROM mailer_rider r WHERE r.outcome = '{Outcome.CARRIED}'
    ), household AS (
        SELECT mailbox_id, language, MAX(segments) AS segments, ROW_NUMBER() OVER () - 1 AS number
        FROM riding GROUP BY mailbox_id, language
    ), placed AS (
        SELECT mailbox_id, language, segments, handle, ROW_NUMBER() OVER (ORDER BY handle) - 1 AS place
        FROM household h JOIN drawn d ON d.number = h.number
    ) SELECT CAST(%s AS bigint), mailbox_id, language, segments, handle,
        (((CAST(%s AS bigint) + (place >> {_BLOCK_BITS}) * {_STRIDE}) & {(1 << _PLACE_BITS) - 1}) << {_BLOCK_BITS})
            + (place & {(1 << _BLOCK_BITS) - 1}),
        '{CopyState.QUEUED}', '', 0, '', ''
    FROM placed WHERE true ORDER BY place
    ON CONFLICT (mailing_id, mailbox_id, language) WHERE {_LIVE.format(copy="")}
    DO UPDATE SET segments = excluded.segments
    WHERE mailer_copy.state = '{CopyState.QUEUED}' AND mailer_copy.segments < excluded.segments"""  # noqa: S608
_COPY_OF = f"""c.mailing_id = %s AND c.mailbox_id = r.mailbox_id AND c.language = r.language
    AND {_LIVE.format(copy="c.")}"""
_DELIVERIES = f"""INSERT INTO mailer_delivery (mailing_id, member_id, stream_id, outcome, reason, copy_id)
    SELECT CAST(%s AS bigint), r.member_id, r.stream_id, r.outcome, r.reason, c.id
    FROM mailer_rider r LEFT JOIN mailer_copy c ON r.outcome = '{Outcome.CARRIED}' AND {_COPY_OF}
    WHERE true ON CONFLICT (mailing_id, member_id) DO NOTHING"""  # noqa: S608
_CHANGED_COPIES = f"""UPDATE mailer_delivery SET copy_id = (
        SELECT c.id FROM mailer_rider r JOIN mailer_copy c ON {_COPY_OF} WHERE r.member_id = mailer_delivery.member_id)
    WHERE mailing_id = %s AND member_id IN (SELECT member_id FROM mailer_rider)"""  # noqa: S608


def make_deliveries(
    mailing_id: int, rule: Rule, today: date, allow_list: AllowList | None, draw: Draw, *, after: int, until: int
) -> None:
    """Give the candidates with ids over `after`, up to `until`, a delivery, and who is carried a copy.

    One copy goes to a household and language; whatever became of the copy that is there already is the outcome of
    who joins it. Call it inside `writing()`.
    """
    judged = decided(rule, today, allow_list, within(after, until))
    count = _gather(_JUDGED.format(decided=judged.sql), (*judged.params, mailing_id))
    if not count:
        return
    _make_copies(mailing_id, count, draw)
    _execute(_DELIVERIES, (mailing_id, mailing_id))


def follow_moves(mailing_id: int, draw: Draw, copy_ids: Iterable[int]) -> None:
    """Put the deliveries on these copies whose member has another mailbox now on a copy to that.

    A copy on which nobody rides any more is withdrawn. Call it inside `writing()`.
    """
    moved = _moved(mailing_id).filter(copy__in=list(copy_ids))
    left = list(moved.values_list("copy", flat=True))
    if not left:
        return
    riders = moved.values_list("member", "member__mailbox", "member__language", "outcome", "reason", "stream")
    sql, params = riders.query.sql_with_params()
    count = _gather(f"INSERT INTO mailer_rider {sql}", params)
    _make_copies(mailing_id, count, draw)
    _execute(_CHANGED_COPIES, (mailing_id, mailing_id))
    withdraw_empty(left)


def _moved(mailing_id: int) -> QuerySet[Delivery]:
    rows: QuerySet[Delivery] = Delivery.unscoped.filter(
        ~Q(member__mailbox=F("copy__mailbox")),
        mailing=mailing_id,
        outcome=Outcome.CARRIED,
        copy__state__in=OPEN,
        member__mailbox__isnull=False,
    )
    return rows


def _gather(sql: str, params: tuple[Any, ...]) -> int:
    """Fill the table of riders; how many they are."""
    _execute(_RIDERS)
    _execute("DELETE FROM mailer_rider")
    return _execute(sql, params)


def _make_copies(mailing_id: int, most: int, draw: Draw) -> None:
    """Make the copies that the riders need and that are not there."""
    numbers, handles = _numbered(_handles(draw, most))
    had_a_letter = arrived().filter(member=RawSQL("r.member_id", ())).exclude(mailing=mailing_id).values("pk")
    arrived_sql, arrived_params = had_a_letter.query.sql_with_params()
    _execute(
        _COPIES.format(drawn=numbers, arrived=arrived_sql),
        (handles, *arrived_params, mailing_id, draw() & ((1 << _PLACE_BITS) - 1)),
    )


def _handles(draw: Draw, count: int) -> list[int]:
    """So many handles that nobody can guess, as databases hold them, from 256 random bits."""
    seed = b"".join((draw() & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8) for _ in range(4))
    return list(struct.unpack(f">{count}q", hashlib.shake_256(seed).digest(8 * count)))


def _numbered(handles: list[int]) -> tuple[str, Any]:
    """A query for the handles, numbered from 0, and its parameter."""
    if connection.vendor == "postgresql":
        return "SELECT number - 1, handle FROM unnest(%s::bigint[]) WITH ORDINALITY AS u (handle, number)", handles
    return "SELECT key, value FROM json_each(%s)", json.dumps(handles)


def _execute(sql: str, params: Iterable[Any] = ()) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, tuple(params))
        return int(cursor.rowcount)
