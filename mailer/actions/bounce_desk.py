"""The desk: what about an address waits for the region's coordinator or the secretary, and its outcome.

"Ring her, the mailbox is full since May." What is seen is what the gate lets through: the members of one's regions;
what names nobody of ours is the whole organisation's.
"""

from dataclasses import asdict, dataclass
from datetime import datetime

from mailer import access
from mailer.access import Actor, NotFound
from mailer.actions.leave import Draw, Extent, leave
from mailer.actions.restore_mailbox import restore
from mailer.core.alarm import discreet
from mailer.core.consent import Channel
from mailer.core.errors import MailerError
from mailer.core.listfile import Office as Role
from mailer.core.matter import IN_WORDS, MAY_BE, Judgement, MatterKind
from mailer.core.token import Purpose
from mailer.house import House
from mailer.models import Matter, desk, returns
from mailer.models.base import writing
from mailer.models.changes import begin_change, name_touched
from mailer.models.desk import close_matter, matters, names_at, still_open
from mailer.models.ledger import record
from mailer.models.outbox import unsigned

#: Who looks after addresses.
KEEPERS = (Role.SECRETARY, Role.COORDINATOR)
_LEAVING = {Judgement.LEAVE: Extent.THIS, Judgement.LEAVE_EVERYTHING: Extent.EVERYTHING}


class JudgementRefused(MailerError, ValueError):
    """This matter cannot be closed in this way."""


@dataclass(frozen=True, slots=True)
class OpenMatter:
    """Something to look at: whom it is about as (number, name), what was said, and what can be done."""

    number: int
    kind: str
    in_words: str
    since: datetime
    address: str
    members: tuple[tuple[str, str], ...]
    said: str
    sender: str
    bounce: int | None
    may_be: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The documented shape of a line of `mailer bounces desk --json`."""
        return {**asdict(self), "members": [{"number": number, "name": name} for number, name in self.members]}


def on_desk(
    actor: Actor, house: House, now: datetime, *, region: str | None = None, most: int = 1000
) -> tuple[OpenMatter, ...]:
    """What waits, oldest first; with `region`, of who lives in it or in a region within it."""
    actor.needs(*KEEPERS, Role.CHAIR)
    today = house.today(now)
    members = access.members(actor, today)
    if region is not None:
        within = access.regions().subtree(region)
        members = desk.living_in(members, within, today)
    rows = list(still_open(matters(members, unmatched=actor.scope.is_everything and region is None))[:most])
    names = names_at(rows, members)
    return tuple(_shown(row, names[row.pk]) for row in rows)


def _shown(row: Matter, names: tuple[tuple[str, str], ...]) -> OpenMatter:
    kind = MatterKind(row.kind)
    return OpenMatter(
        number=row.pk,
        kind=kind,
        in_words=IN_WORDS[kind],
        since=row.opened_at,
        address=row.mailbox.address if row.mailbox else "",
        members=names,
        said=row.said,
        sender=row.sender,
        bounce=row.bounce_id,
        may_be=tuple(sorted(MAY_BE[kind])),
    )


def judge_matter(
    actor: Actor, house: House, number: int, judgement: Judgement, note: str, *, now: datetime, draw: Draw
) -> None:
    """Close a matter, with what a person found out, and do what follows from that."""
    actor.needs(*KEEPERS)
    members = access.members(actor, house.today(now))
    row = matters(members, unmatched=actor.scope.is_everything).filter(pk=number).first()
    if row is None:
        raise NotFound(f"Nothing on the desk has the number {number}.")
    _check(row, judgement, note)
    if judgement in _LEAVING and row.copy is not None:
        # Outside the transaction: leaving is durable by itself, and doing it twice changes nothing.
        token = house.tokens.sign(Purpose.LEAVE, unsigned(row.copy.handle))
        leave(house, token, _LEAVING[judgement], Channel.EMAIL, now=now, draw=draw)
    with writing():
        if not close_matter(number, judgement, note, actor.reference, now):
            raise JudgementRefused(f"Matter {number} was closed already: `mailer bounces desk` shows what is open.")
        if row.mailbox is not None and judgement is Judgement.RESTORE:
            restore(actor, row.mailbox, note, now)
        if row.mailbox is not None and judgement is Judgement.UNDELIVERABLE:
            _give_up(row, note, now)
        record(
            now,
            actor.reference,
            "matter judged",
            about="matter",
            number=number,
            kind=row.kind,
            judgement=judgement,
            reason=discreet(note),
        )


def _check(row: Matter, judgement: Judgement, note: str) -> None:
    kind = MatterKind(row.kind)
    if row.closed_at is not None:
        raise JudgementRefused(f"Matter {row.pk} was closed already: `mailer bounces desk` shows what is open.")
    if judgement not in MAY_BE[kind]:
        raise JudgementRefused(
            f"“{IN_WORDS[kind]}” cannot be closed as {judgement}: say one of {', '.join(sorted(MAY_BE[kind]))}."
        )
    if not note.strip():
        raise JudgementRefused("Say in --note what you found out: whoever asks later has only this line.")
    if judgement in _LEAVING and row.copy is None:
        raise JudgementRefused("It names no letter of ours, so nobody can be taken off by it: find out who wrote.")
    if judgement is Judgement.UNDELIVERABLE and row.mailbox is None:
        raise JudgementRefused("It names no address of ours, so none can be given up.")


def _give_up(row: Matter, note: str, now: datetime) -> None:
    """The address is not theirs, or nobody reads it: a fact about it, whatever its server says."""
    mailbox = row.mailbox_id or 0
    if row.kind != MatterKind.UNDELIVERABLE and returns.make_undeliverable(mailbox, note, now):
        name_touched(begin_change(), returns.members_at(mailbox))
