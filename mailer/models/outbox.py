"""The claim and what follows it: conditional updates, durable before the first MAIL FROM (design.md section 4).

A claim names its worker, a number of the `sends` sequence, and when it ends. Only who holds the claim may mark.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Case, Exists, F, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from mailer.core.audience import AllowList
from mailer.core.delivery import COPY, CopyState, Judged, Outcome
from mailer.core.mailing import MailingState
from mailer.core.reply import Reply
from mailer.models.audience import on_allow_list, suppressions
from mailer.models.base import first_row, looked_up
from mailer.models.consent import SuppressionKind
from mailer.models.copy import IS_SET_ASIDE, VOID, Copy, Notice, Outgoing
from mailer.models.member import Deliverability
from mailer.models.site import Counter, bump

_QUEUE = "SELECT id FROM mailer_copy WHERE mailing_id = %s AND state = 'queued' ORDER BY position LIMIT %s"
_PUT_OFF = (
    "SELECT 1 FROM mailer_copy WHERE mailing_id = %s"  # noqa: S608 - words of our own
    f" AND state IN ('{CopyState.DEFERRED}', '{CopyState.HELD}') AND {IS_SET_ASIDE} LIMIT 1"
)
#: Asked of each mailing: joined with the copies, PostgreSQL may compare each of these with each other.
_ORPHANED = (
    f"SELECT m.id FROM mailer_mailing m WHERE m.state IN ('{MailingState.CANCELLED}', '{MailingState.MISSED}')"  # noqa: S608
    f" AND COALESCE(({_QUEUE % ('m.id', 1)}), ({_PUT_OFF % 'm.id'})) IS NOT NULL"
)
_HOST_LOST = "The worker's host was lost."
_NO_JOURNAL = "The worker died, and its journal tells nothing: it is damaged, or the machine was started anew."
_UNSIGNED = 0xFFFF_FFFF_FFFF_FFFF


def unsigned(handle: int) -> int:
    """A handle as tokens hold it: databases keep signed 64-bit numbers."""
    return handle & _UNSIGNED


def signed(handle: int) -> int:
    """A handle as databases hold it."""
    return handle - (1 << 64) if handle >> 63 else handle


class Claimed(NamedTuple):
    """A copy in a worker's hands, with those it is for: `members` and their `names`."""

    copy: int
    handle: int
    mailbox: int
    address: str
    language: str
    segments: frozenset[str]
    members: tuple[int, ...]
    names: tuple[str, ...]
    attempts: int
    first_attempt_at: datetime


def claim(mailing_id: int, worker: str, *, now: datetime, lease: timedelta, most: int) -> tuple[int, list[int]]:
    """Take up to `most` queued copies, the first by position; (claim number, their ids).

    Call it inside `writing()`: on PostgreSQL rows that another worker is taking are skipped, on SQLite the one write
    lock keeps others out.
    """
    number = bump(Counter.SENDS)
    # PostgreSQL may ask a plain subquery again for each row, which then skips what is locked already and takes more.
    postgresql = connection.features.has_select_for_update_skip_locked
    chosen = f"= ANY(ARRAY({_QUEUE} FOR UPDATE SKIP LOCKED))" if postgresql else f"IN ({_QUEUE})"
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE mailer_copy SET state = 'claimed', claimed_by = %s, claim = %s, claimed_until = %s,"  # noqa: S608
            " attempts = attempts + 1, first_attempt_at = COALESCE(first_attempt_at, %s), next_attempt_at = NULL"
            f" WHERE id {chosen} RETURNING id",
            [worker, number, _moment(now + lease), _moment(now), mailing_id, most],
        )
        ids = [row[0] for row in cursor.fetchall()]
    return (number, ids) if ids else (0, [])


def _moment(moment: datetime) -> Any:
    """A time as this database takes it in plain SQL."""
    return connection.ops.adapt_datetimefield_value(moment)


def has_notices() -> bool:
    """Whether a one-off letter waits."""
    return first_row("SELECT 1 FROM mailer_notice WHERE state = 'queued' LIMIT 1") is not None


def claim_notices(
    worker: str, *, now: datetime, lease: timedelta, most: int, allow_list: AllowList | None
) -> list[Notice]:
    """Take up to `most` one-off letters, oldest first; call it inside `writing()`.

    One to a mailbox that nobody may write to any more is withdrawn instead.
    """
    queue = Notice.unscoped.filter(state=CopyState.QUEUED).order_by("pk")
    if connection.features.has_select_for_update_skip_locked:
        queue = queue.select_for_update(skip_locked=True)
    ids = list(queue.values_list("pk", flat=True)[:most])
    if not ids:
        return []
    unwelcome = (
        ~on_allow_list(allow_list)
        | Q(mailbox__deliverability=Deliverability.UNDELIVERABLE)
        | Exists(suppressions(SuppressionKind.MAILBOX, "mailbox__hash"))
    )
    unwanted = list(Notice.unscoped.filter(unwelcome, pk__in=ids).values_list("pk", flat=True))
    move(Notice.unscoped.filter(pk__in=unwanted), CopyState.WITHDRAWN, decided_at=now)
    wanted = [each for each in ids if each not in unwanted]
    _take(Notice, wanted, worker, now, lease)
    return list(Notice.unscoped.filter(pk__in=wanted).select_related("mailbox").order_by("pk"))


def _take(table: type[Outgoing], ids: Sequence[int], worker: str, now: datetime, lease: timedelta) -> int:
    number = bump(Counter.SENDS)
    table.unscoped.filter(pk__in=ids).update(
        state=CopyState.CLAIMED,
        claimed_by=worker,
        claim=number,
        claimed_until=now + lease,
        attempts=F("attempts") + 1,
        first_attempt_at=Coalesce(F("first_attempt_at"), now),
        next_attempt_at=None,
    )
    return number


def held_by(claim_number: int) -> list[Claimed]:
    """The copies of a claim with their addresses and the names of those still carried, in the order of position."""
    with connection.cursor() as cursor:
        # COALESCE: the bare column would be read as a time by Django, row by row, and is looked up by `_aware` instead.
        cursor.execute(
            "SELECT c.id, c.handle, b.id, b.address, c.language, c.segments, c.attempts,"  # noqa: S608
            " COALESCE(c.first_attempt_at, NULL),"
            f" m.id, m.name FROM mailer_copy c {looked_up('mailer_mailbox', 'b', 'b.id = c.mailbox_id')}"
            f" {looked_up('mailer_delivery', 'd', 'd.copy_id = c.id')}"
            f" {looked_up('mailer_member', 'm', 'm.id = d.member_id')}"
            f" WHERE c.claim = %s AND c.state = 'claimed' AND d.outcome = '{Outcome.CARRIED}'"
            " ORDER BY c.position, c.id, d.member_id",
            [claim_number],
        )
        rows = cursor.fetchall()
    held: list[Claimed] = []
    for copy, handle, mailbox, address, language, segments, attempts, first, member, name in rows:
        if held and held[-1].copy == copy:
            before = held[-1]
            held[-1] = before._replace(members=(*before.members, member), names=(*before.names, name))
            continue
        chosen, since = _segments(segments), _aware(first)
        held.append(
            Claimed(copy, unsigned(handle), mailbox, address, language, chosen, (member,), (name,), attempts, since)
        )
    return held


@lru_cache(maxsize=1024)
def _segments(text: str) -> frozenset[str]:
    return frozenset(text.split())


@lru_cache(maxsize=16)
def _aware(first: Any) -> datetime:
    """A time as plain SQL gives it: text on SQLite, in UTC."""
    moment = datetime.fromisoformat(first) if isinstance(first, str) else first
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


# The next attempt is none since the claim; to say it again would have an index asked.
_MARK = """UPDATE mailer_copy SET state = 'accepted', claimed_by = '', claimed_until = NULL, decided_at = v.at,
        reply_code = v.code, reply_status = v.status, reply_text = v.words
    FROM {rows} WHERE mailer_copy.id = v.copy {by_id}
        AND mailer_copy.claimed_by = %s AND mailer_copy.state || '' = 'claimed'"""
#: Answers in one statement on SQLite, which makes a statement of this length ready once; those left over go one by one.
_TOGETHER = 50
_FROM_VALUES = (
    "(SELECT column1 AS copy, column2 AS at, column3 AS code, column4 AS status, column5 AS words"
    " FROM (VALUES {})) AS v"
)
_MARK_TOGETHER, _MARK_ONE = (
    _MARK.format(rows=_FROM_VALUES.format(", ".join(["(%s, %s, %s, %s, %s)"] * count)), by_id="")
    for count in (_TOGETHER, 1)
)
#: Of an array that a query gives PostgreSQL expects ten; told of a thousand it reads the whole table instead. Nor is
#: the state asked for in the words of `copy_by_claim`: there it reads all that was claimed and no longer is.
_MARK_ARRAYS = _MARK.format(
    rows="unnest(%s::bigint[], %s::timestamptz[], %s::int[], %s::text[], %s::text[])"
    " AS v(copy, at, code, status, words)",
    by_id="AND mailer_copy.id = ANY(ARRAY(SELECT unnest(%s::bigint[])))",
)


def mark_accepted(rows: Sequence[tuple[int, datetime, Reply]], worker: str) -> None:
    """Write down the copies that the server took, when, and with what reply; inside `writing()`.

    Only what this worker still holds: of a claim that was called lost meanwhile nothing is written.
    """
    if not rows:
        return
    values = [
        (copy, moment, reply.code, reply.status or "", reply.text[:500])
        for at, together in groupby(rows, key=itemgetter(1))
        for moment in (_moment(at),)
        for copy, _, reply in together
    ]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            columns = [list(column) for column in zip(*values, strict=True)]
            cursor.execute(_MARK_ARRAYS, [*columns, columns[0], worker])
            return
        whole = len(values) - len(values) % _TOGETHER
        chunks = (values[start : start + _TOGETHER] for start in range(0, whole, _TOGETHER))
        cursor.executemany(_MARK_TOGETHER, [(*chain.from_iterable(chunk), worker) for chunk in chunks])
        cursor.executemany(_MARK_ONE, [(*row, worker) for row in values[whole:]])


def mark(
    table: type[Outgoing],
    row: int,
    claim_number: int,
    judged: Judged,
    *,
    now: datetime,
    retry_at: datetime | None,
) -> bool:
    """Write down what became of a claimed row; False if the claim is no longer this worker's."""
    reply = judged.reply
    changed = table.unscoped.filter(pk=row, claim=claim_number, state=CopyState.CLAIMED).update(
        state=judged.state,
        claimed_by="",
        claimed_until=None,
        decided_at=now,
        next_attempt_at=retry_at,
        reply_code=reply.code if reply else None,
        reply_status=(reply.status or "") if reply else "",
        reply_text=reply.text[:500] if reply else "",
    )
    return changed == 1


def tries(table: type[Outgoing], row: int, claim_number: int) -> tuple[int, datetime] | None:
    """How often a row was tried, this time too, and when first; None if the claim is no longer this worker's."""
    held = table.unscoped.filter(pk=row, claim=claim_number, state=CopyState.CLAIMED)
    return held.values_list("attempts", "first_attempt_at").first()


def give_back(table: type[Outgoing], rows: Collection[int], claim_number: int) -> int:
    """Return untouched rows to the queue: this attempt did not take place."""
    if not rows:
        return 0
    held = table.unscoped.filter(pk__in=list(rows), claim=claim_number, state=CopyState.CLAIMED)
    return _untouched(held, CopyState.QUEUED)


def put_off(table: type[Outgoing], rows: Iterable[int], claim_number: int, until: datetime) -> int:
    """Let untouched rows rest: their destination takes nothing before this (T26)."""
    held = table.unscoped.filter(pk__in=list(rows), claim=claim_number, state=CopyState.CLAIMED)
    return _untouched(held, CopyState.DEFERRED, next_attempt_at=until)


def _untouched(held: QuerySet[Any], target: CopyState, **values: object) -> int:
    return held.update(
        state=target,
        claimed_by="",
        claimed_until=None,
        # What was never tried has no first attempt from which a time for trying could run.
        first_attempt_at=Case(When(attempts__lte=1, then=Value(None)), default=F("first_attempt_at")),
        attempts=F("attempts") - 1,
        **values,
    )


def give_back_claims(table: type[Outgoing], worker: str, *, but: Iterable[int]) -> int:
    """Return to the queue what a dead worker had claimed, other than the rows of which its journal speaks."""
    rows = table.unscoped.filter(claimed_by=worker, state=CopyState.CLAIMED)
    return _untouched(rows.exclude(pk__in=list(but)), CopyState.QUEUED)


def doubt_claims(worker: str, now: datetime) -> int:
    """Everything in a dead worker's hands of which its journal tells nothing is in doubt."""
    held = (table.unscoped.filter(claimed_by=worker, state=CopyState.CLAIMED) for table in (Copy, Notice))
    return sum(move(rows, CopyState.UNCERTAIN, decided_at=now, reply_text=_NO_JOURNAL) for rows in held)


def lose_lapsed(now: datetime) -> list[int]:
    """Claims whose worker has not renewed them: its host is lost. Their copies are uncertain; the mailings touched.

    Call it inside `writing()`.
    """
    _walk_the_index()
    lapsed = Copy.unscoped.filter(state=CopyState.CLAIMED, claimed_until__lt=now)
    # Told apart here: to tell them apart itself, SQLite reads every copy there ever was.
    mailings = sorted(set(lapsed.values_list("mailing", flat=True)))
    if mailings:
        move(lapsed, CopyState.UNCERTAIN, decided_at=now, reply_text=_HOST_LOST)
    notices = Notice.unscoped.filter(state=CopyState.CLAIMED, claimed_until__lt=now)
    move(notices, CopyState.UNCERTAIN, decided_at=now, reply_text=_HOST_LOST)
    return mailings


def _walk_the_index() -> None:
    """Have PostgreSQL read indexes entry by entry until the transaction ends: only so does it forget those of old rows.

    All at once it would read what was claimed since the last vacuum, and without an index, which it prefers if it
    counted when much was claimed, all copies: of a million letters, each second a million.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off")


def requeue_one_uncertain(copy_id: int) -> None:
    """Send a copy again, once, whose outcome is not known, with the same Message-ID."""
    first = Copy.unscoped.filter(pk=copy_id, state=CopyState.UNCERTAIN, attempts=1)
    move(first, CopyState.QUEUED, decided_at=None)


def orphaned() -> list[int]:
    """Mailings that were cancelled, or missed, while copies of theirs were in a worker's hands, and wait again now."""
    with connection.cursor() as cursor:
        cursor.execute(_ORPHANED)
        return [row[0] for row in cursor.fetchall()]


def renew(table: type[Outgoing], claim_number: int, until: datetime) -> int:
    """Keep a claim for longer; how many rows are still in it."""
    held = table.unscoped.filter(claim=claim_number, state=CopyState.CLAIMED)
    return int(held.update(claimed_until=until))


def move(rows: QuerySet[Any], target: CopyState, **values: object) -> int:
    """Move every copy of a set from which the table has an arrow to `target`; how many moved."""
    if rows.model is Copy and target in VOID:
        values["void"] = F("handle")
    return rows.filter(state__in=COPY.sources(target)).update(state=target, claimed_by="", claimed_until=None, **values)


def move_one(copy_id: int, target: CopyState) -> bool:
    """Move one copy, if the table has the arrow."""
    return move(Copy.unscoped.filter(pk=copy_id), target) == 1


def requeue_due(now: datetime) -> int:
    """Put what was deferred or held, and whose time has come, back into the queue."""
    due = Q(state__in=(CopyState.DEFERRED, CopyState.HELD), next_attempt_at__lte=now)
    return sum(move(table.unscoped.filter(due), CopyState.QUEUED, next_attempt_at=None) for table in (Copy, Notice))


def is_finished(mailing_id: int) -> bool:
    """Whether no copy of the mailing is waiting, held, or being handed over."""
    # One question for each index, put so that SQLite takes it: else every copy of the mailing is read, each second.
    return not (
        first_row(_QUEUE, [mailing_id, 1])
        or first_row(_PUT_OFF, [mailing_id])
        or mailing_id in Copy.unscoped.filter(state=CopyState.CLAIMED).values_list("mailing", flat=True)
    )
