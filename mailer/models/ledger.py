"""Writing the ledger: every line bumps `changes`, so writers stand in one order and the sender hears of it."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.db import connection
from django.db.models import QuerySet

from mailer.core.audience import SubscriptionState
from mailer.core.consent import GENESIS, Article9, Channel, Entry, Kind, PecrBasis, seal, state_after
from mailer.models.base import insert, writing
from mailer.models.bounce import Event
from mailer.models.changes import begin_change, name_touched
from mailer.models.consent import ConsentEntry, ConsentEvidence, Seal, Subscription
from mailer.models.mailing import Mailing
from mailer.models.member import Member
from mailer.models.site import Counter, Site, bump

#: One line's part of `state_after`, and of `_word`: it is followed if it is later than what was followed so far; of two
#: at the same moment a withdrawal.
_FOLLOW = f"""INSERT INTO mailer_subscription AS followed (member_id, stream_id, state, entry_id, since)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (member_id, stream_id) DO UPDATE
    SET state = excluded.state, entry_id = excluded.entry_id, since = excluded.since
    WHERE (excluded.since, excluded.state = '{SubscriptionState.LEFT}')
        > (followed.since, followed.state = '{SubscriptionState.LEFT}')"""  # noqa: S608 - a word of our own

LINES_A_SEAL = 200


@dataclass(frozen=True, slots=True)
class Line:
    """A line to be added for a member; `salt` and `evidence` are what its commitment was made of."""

    member: Member
    entry: Entry
    salt: bytes = b""
    evidence: str = ""


def append(added: Sequence[Line]) -> None:
    """Add lines and bring subscriptions up to what the ledger now says; call it inside `writing()`."""
    if not added:
        return
    name_touched(begin_change(), [line.member.pk for line in added])
    numbers = insert(ConsentEntry, [_columns(line.entry) for line in added])
    insert(
        ConsentEvidence,
        [
            {"entry": number, "salt": line.salt, "evidence": line.evidence}
            for number, line in zip(numbers, added, strict=True)
            if line.evidence
        ],
    )
    _follow(added, numbers)


def _columns(entry: Entry) -> dict[str, object]:
    return {
        "subject": entry.subject,
        "stream": entry.stream,
        "kind": entry.kind,
        "at": entry.at,
        "recorded_at": entry.recorded_at,
        "channel": entry.channel,
        "wording": entry.wording,
        "actor": entry.actor,
        "article9": entry.article9,
        "pecr": entry.pecr,
        "commitment": entry.commitment,
        "mailing_number": entry.mailing,
        "token_hash": entry.token_hash,
    }


def _follow(added: Sequence[Line], numbers: Sequence[int]) -> None:
    """Make the subscriptions that the lines are about say what these say, unless a later one is followed already."""
    at = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.executemany(
            _FOLLOW,
            [
                (line.member.pk, line.entry.stream, _said(line.entry.kind), number, at(line.entry.at))
                for number, line in zip(numbers, added, strict=True)
            ],
        )


def _said(kind: Kind) -> SubscriptionState:
    return SubscriptionState.LEFT if kind is Kind.WITHDRAWN else SubscriptionState.ACTIVE


def _word(rows: Sequence[ConsentEntry]) -> tuple[SubscriptionState, ConsentEntry]:
    """What the lines of one member and stream say, and the line that says it."""
    left = state_after(as_entry(row) for row in rows) is SubscriptionState.LEFT
    basis = max((row for row in rows if (row.kind == Kind.WITHDRAWN) == left), key=lambda row: row.at)
    return (SubscriptionState.LEFT if left else SubscriptionState.ACTIVE), basis


def rebuild() -> int:
    """Make the subscriptions anew from the ledger, and from nothing else; how many were not as it says.

    Call it inside `writing()`. A subject that no member has any more was erased, and subscribes to nothing.
    """
    bump(Counter.CHANGES)
    members = dict(Member.unscoped.values_list("subject", "pk"))
    have = {(row.member_id, row.stream_id): row for row in Subscription.unscoped.all()}
    wrong = 0
    rows = ConsentEntry.unscoped.order_by("subject", "stream", "pk").iterator(chunk_size=2000)
    for (subject, stream), group in groupby(rows, key=lambda row: (row.subject, row.stream_id)):
        member = members.get(subject)
        if member is None:
            continue
        state, basis = _word(list(group))
        row = have.pop((member, stream), None)
        if row is None or (row.state, row.entry_id, row.since) != (state, basis.pk, basis.at):
            wrong += 1
            Subscription.unscoped.update_or_create(
                member_id=member, stream_id=stream, defaults={"state": state, "entry": basis, "since": basis.at}
            )
    Subscription.unscoped.filter(pk__in=[row.pk for row in have.values()]).delete()
    return wrong + len(have)


def lines(subject: str) -> QuerySet[ConsentEntry]:
    """The lines of one subject, oldest first."""
    rows: QuerySet[ConsentEntry] = ConsentEntry.unscoped.filter(subject=subject)
    return rows.order_by("pk")


def as_entry(row: ConsentEntry) -> Entry:
    """A row as the value that core reasons about."""
    return Entry(
        subject=row.subject,
        stream=row.stream_id,
        kind=Kind(row.kind),
        at=row.at,
        recorded_at=row.recorded_at,
        channel=Channel(row.channel),
        actor=row.actor,
        article9=Article9(row.article9),
        pecr=PecrBasis(row.pecr),
        wording=row.wording_id,
        commitment=row.commitment,
        mailing=row.mailing_number,
        token_hash=row.token_hash,
    )


def draw_salt() -> bytes:
    """16 octets for a commitment."""
    return secrets.token_bytes(16)


def seal_ledger(now: datetime) -> Iterator[str]:
    """Let what is not in the chain yet join it, some lines at a time; each head, once it is durable.

    Others wait only while a seal is written, not while it is reckoned. Call it outside of every transaction.
    """
    last = last_seal()
    if not ConsentEntry.unscoped.filter(pk__gt=last.last_row if last else 0).exists():
        return
    with writing():
        # Whoever adds lines bumps `changes` first. So nobody is at it now, and no smaller number comes any more.
        name_touched(begin_change(), [])
        until = ConsentEntry.unscoped.latest("pk").pk
    while (found := _reckoned(last, until, now)) is not None:
        with writing():
            # On PostgreSQL two would else look at one moment, and both write.
            Site.unscoped.select_for_update().get()
            if last_seal() != last:
                return  # another worker seals
            found.save(force_insert=True)
            Site.unscoped.update(ledger_head=found.head)
        last = found
        yield found.head


def last_seal() -> Seal | None:
    """The end of the chain; None before the first seal."""
    last: Seal | None = Seal.unscoped.filter(chain=Seal.Chain.CONSENT).order_by("-last_row").first()
    return last


def _reckoned(last: Seal | None, until: int, now: datetime) -> Seal | None:
    """The next seal after this one; None if all lines up to `until` are sealed."""
    lines = ConsentEntry.unscoped.filter(pk__gt=last.last_row if last else 0, pk__lte=until)
    rows = list(lines.order_by("pk")[:LINES_A_SEAL])
    if not rows:
        return None
    head = seal(last.head if last else GENESIS, _canonical(rows))
    return Seal(chain=Seal.Chain.CONSENT, first_row=rows[0].pk, last_row=rows[-1].pk, head=head, sealed_at=now)


def broken_seal() -> Seal | None:
    """The first batch whose rows are no longer those that were sealed, None if the chain holds."""
    head, end = GENESIS, 0
    for batch in Seal.unscoped.filter(chain=Seal.Chain.CONSENT).order_by("first_row"):
        # From the end of the last batch: a line slipped in between two batches belongs to none.
        rows = ConsentEntry.unscoped.filter(pk__gt=end, pk__lte=batch.last_row).order_by("pk")
        end = batch.last_row
        head = seal(head, _canonical(list(rows)))
        if head != batch.head:
            return batch  # type: ignore[no-any-return]
    return None


def _canonical(rows: Sequence[ConsentEntry]) -> list[bytes]:
    return [as_entry(row).canonical() for row in rows]


def record(
    now: datetime,
    actor: str,
    verb: str,
    *,
    about: str = "",
    number: object = "",
    region: int | None = None,
    **details: object,
) -> None:
    """Add a line to the audit log; call it inside the transaction of what it tells."""
    line = {"at": now, "actor": actor, "verb": verb, "subject_type": about, "subject_id": str(number)}
    insert(Event, [{**line, "region": region, "details": details}])


def record_mailing(now: datetime, actor: str, became: str, mailing: Mailing, **details: object) -> None:
    """The same of a mailing, in its region."""
    record(now, actor, f"mailing {became}", about="mailing", number=mailing.pk, region=mailing.region_id, **details)
