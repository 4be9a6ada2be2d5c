"""Deliveries and copies, made by set and in ranges, so that no write lasts long and a range can be done again.

A range is judged, and its copies are drawn up, in tables of the session's own, while everybody else may write. Then,
under the lock, the copies are inserted, one for a mailbox and language, and the deliveries, each with its copy. All
statements are conditional: done twice, they change nothing.
"""

import hashlib
import struct
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from django.db import connection

from mailer.core.audience import AllowList, Rule
from mailer.core.delivery import OPEN, CopyState, Outcome
from mailer.core.mailing import MailingState
from mailer.models.audience import decided, within
from mailer.models.base import first_row, quoted
from mailer.models.copy import ARRIVED, THEIR_COPIES, Copy, Delivery
from mailer.models.member import Member
from mailer.models.recheck import withdraw_empty

FIRST_LETTER = "first"
#: Gives random 64-bit numbers.
Draw = Callable[[], int]

_ALL_BITS, _OWN_BITS = (1 << 64) - 1, (1 << 52) - 1
#: So many copies that were made together stand together in the queue: who claims them touches few pages.
_BLOCK_BITS = 6
_PLACE_BITS = 40
#: Successive multiples of the golden ratio, within the circle of all places, fall evenly between those before.
_STRIDE = round((1 << _PLACE_BITS) * 0.618_033_988_749_895) | 1
#: What is worked out before anything is locked: the members of a range as judged, and the copies that they need.
_TABLES = (
    """CREATE TEMPORARY TABLE IF NOT EXISTS mailer_rider (member_id bigint, mailbox_id bigint, language varchar(16),
        outcome varchar(16), reason varchar(32), stream_id bigint)""",
    """CREATE TEMPORARY TABLE IF NOT EXISTS mailer_draft (mailbox_id bigint, language varchar(16),
        segments varchar(200), handle bigint, position bigint)""",
)
_RIDERS = """INSERT INTO mailer_rider (member_id, mailbox_id, language, outcome, reason, stream_id)
    SELECT * FROM ({decided}) AS decided WHERE NOT EXISTS (
        SELECT 1 FROM mailer_delivery d WHERE d.mailing_id = %s AND d.member_id > %s AND d.member_id <= %s
            AND d.member_id = decided.member_id)"""
# No EXISTS: PostgreSQL may read all letters there ever were instead, for every range anew.
_ARRIVED = f"""SELECT 1 FROM mailer_delivery d {THEIR_COPIES} WHERE d.member_id = r.member_id AND d.mailing_id <> %s
    AND d.outcome = '{Outcome.CARRIED}' AND c.state IN ({quoted(ARRIVED)}) LIMIT 1"""  # noqa: S608 - words of our own
_DRAFTS = f"""INSERT INTO mailer_draft (mailbox_id, language, segments, handle, position)
    WITH riding AS (
        SELECT r.mailbox_id, r.language, CASE WHEN ({_ARRIVED}) = 1 THEN '' ELSE '{FIRST_LETTER}' END AS segments
        FROM mailer_rider r WHERE r.outcome = '{Outcome.CARRIED}'
    ), household AS (
        SELECT mailbox_id, language, MAX(segments) AS segments, ROW_NUMBER() OVER () - 1 AS place
        FROM riding GROUP BY mailbox_id, language
    ) SELECT mailbox_id, language, segments, {{handle}},
        (((CAST(%s AS bigint) + (place >> {_BLOCK_BITS}) * {_STRIDE}) & {(1 << _PLACE_BITS) - 1}) << {_BLOCK_BITS})
            + (place & {(1 << _BLOCK_BITS) - 1})
    FROM household"""  # noqa: S608
_COPIES = f"""INSERT INTO mailer_copy (mailing_id, mailbox_id, language, segments, handle, position, void,
        state, claimed_by, attempts, reply_status, reply_text)
    SELECT CAST(%s AS bigint), mailbox_id, language, segments, handle, position, 0, '{CopyState.QUEUED}', '', 0, '', ''
    FROM mailer_draft WHERE true
    ON CONFLICT (mailing_id, mailbox_id, language, void)
    DO UPDATE SET segments = excluded.segments
    WHERE mailer_copy.state = '{CopyState.QUEUED}' AND mailer_copy.segments < excluded.segments"""  # noqa: S608
# Asked for each rider on its own: of a mailing that it has not met yet PostgreSQL believes that it has one copy, and
# would read them all for every range.
_COPY_OF = """(SELECT c.id FROM mailer_copy c WHERE c.mailing_id = %s AND c.mailbox_id = r.mailbox_id
        AND c.language = r.language AND c.void = 0)"""
_DELIVERIES = f"""INSERT INTO mailer_delivery (mailing_id, member_id, stream_id, outcome, reason, copy_id)
    SELECT CAST(%s AS bigint), r.member_id, r.stream_id, r.outcome, r.reason,
        CASE WHEN r.outcome = '{Outcome.CARRIED}' THEN {_COPY_OF} END
    FROM mailer_rider r WHERE true ON CONFLICT (mailing_id, member_id) DO NOTHING"""  # noqa: S608
_CHANGED_COPIES = f"""UPDATE mailer_delivery SET copy_id = (
        SELECT {_COPY_OF} FROM mailer_rider r WHERE r.member_id = mailer_delivery.member_id)
    WHERE id IN ({{ids}})"""  # noqa: S608
_PROGRESS = f"""SELECT COALESCE(prepared_to, 0) FROM mailer_mailing
    WHERE id = %s AND state = '{MailingState.PREPARING}' AND prepared_at IS NULL"""  # noqa: S608 - words of our own


def write_seconds() -> float:
    """How long a write should take: on SQLite everybody else waits for it, on PostgreSQL only who stops the mailing."""
    return 0.2 if connection.vendor == "postgresql" else 0.02


def progress(mailing_id: int, *, hold: bool = False) -> int | None:
    """Up to which member id the deliveries of a mailing are made; None if it is not, or no longer, being prepared.

    With `hold`, inside `writing()`, it stays so until that ends: two clocks do not make the same range.
    """
    locking = " FOR UPDATE" if hold and connection.features.has_select_for_update else ""
    row = first_row(_PROGRESS + locking, (mailing_id,))
    return None if row is None else int(row[0])


def draft(
    mailing_id: int, rule: Rule, today: date, allow_list: AllowList | None, draw: Draw, after: int, until: int
) -> None:
    """Work out the deliveries of the candidates with ids over `after`, up to `until`, and the copies they need.

    It reads, and writes to tables of this session alone, so it keeps nobody waiting.
    """
    judged = decided(rule, today, allow_list, within(after, until))
    _work_out(mailing_id, _RIDERS.format(decided=judged.sql), (*judged.params, mailing_id, after, until), draw)


def make_deliveries(mailing_id: int) -> None:
    """Make what was drafted last; call it inside `writing()`.

    One copy goes to a household and language. Whatever became of the copy that is there already is the outcome of
    who joins it, and while it waits it becomes a first letter if one of them never had one.
    """
    _execute(_COPIES, (mailing_id,))
    _execute(_DELIVERIES, (mailing_id, mailing_id))


def follow_moves(mailing_id: int, draw: Draw, copy_ids: Iterable[int]) -> None:
    """Put the deliveries on these copies of a mailing whose member has another mailbox now on a copy to that.

    A copy on which nobody rides any more is withdrawn. Call it inside `writing()`.
    """
    left = _moved(mailing_id, list(copy_ids))
    if not left:
        return
    moved = Delivery.unscoped.filter(pk__in=list(left), member__mailbox__isnull=False)
    riders = moved.values_list("member", "member__mailbox", "member__language", "outcome", "reason", "stream")
    sql, params = riders.query.sql_with_params()
    _work_out(mailing_id, f"INSERT INTO mailer_rider {sql}", params, draw)
    _execute(_COPIES, (mailing_id,))
    _execute(_CHANGED_COPIES.format(ids=", ".join(["%s"] * len(left))), (mailing_id, *left))
    withdraw_empty(left.values())


def _moved(mailing_id: int, copy_ids: list[int]) -> dict[int, int]:
    """The deliveries on these copies of a mailing whose member has another mailbox now, each with its copy.

    Asked table by table, and by ids alone: SQLite would look through all of the mailing, and PostgreSQL, if
    it counted the tables when they were small, through all there are.
    """
    copies = Copy.unscoped.filter(pk__in=copy_ids).values_list("pk", "mailing", "mailbox", "state")
    went_to = {pk: mailbox for pk, mailing, mailbox, state in copies if mailing == mailing_id and state in OPEN}
    riding = Delivery.unscoped.filter(copy__in=list(went_to), outcome=Outcome.CARRIED)
    riders = list(riding.values_list("pk", "copy", "member"))
    living = Member.unscoped.filter(pk__in={member for _, _, member in riders}, mailbox__isnull=False)
    lives_at = dict(living.values_list("pk", "mailbox"))
    return {pk: copy for pk, copy, member in riders if lives_at.get(member, went_to[copy]) != went_to[copy]}


def _work_out(mailing_id: int, riders: str, params: tuple[Any, ...], draw: Draw) -> None:
    """Gather the riders by this statement, and draft the copies that they need."""
    # On PostgreSQL nobody sweeps a session's own tables: emptied by DELETE, they would grow with every range.
    empty = "TRUNCATE" if connection.vendor == "postgresql" else "DELETE FROM"
    for statement in (*_TABLES, f"{empty} mailer_rider", f"{empty} mailer_draft"):
        _execute(statement)
    count = _execute(riders, params)
    handle, params = _by_place(_handles(draw, count))
    start = draw() & ((1 << _PLACE_BITS) - 1)
    _execute(_DRAFTS.format(handle=handle), (mailing_id, *params, start))


def _handles(draw: Draw, count: int) -> list[int]:
    """So many handles that nobody can guess, as databases hold them, from 256 random bits.

    What is made together shares the first bits, which are random too: else every handle would go to a page of its own
    in its index, and a range write as many pages as it has members. Each has 52 bits to itself, and a token its MAC.
    """
    seed = b"".join((draw() & _ALL_BITS).to_bytes(8) for _ in range(4))
    first, *drawn = struct.unpack(f">{count + 1}q", hashlib.shake_256(seed).digest(8 * (count + 1)))
    return [first & ~_OWN_BITS | handle & _OWN_BITS for handle in drawn]


def _by_place(handles: list[int]) -> tuple[str, tuple[Any, ...]]:
    """What stands for the handle of a place in SQL, and its parameters; to join them costs three times that."""
    if connection.vendor == "postgresql":
        return "(%s::bigint[])[place + 1]", (handles,)
    connection.connection.create_function("mailer_handle", 1, handles.__getitem__)
    return "mailer_handle(place)", ()


def _execute(sql: str, params: Iterable[Any] = ()) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, tuple(params))
        return int(cursor.rowcount)
