"""The desk: opening, finding and closing matters, by set and within a scope."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from mailer.core.characters import storable
from mailer.core.delivery import Outcome
from mailer.core.matter import Judgement, MatterKind
from mailer.models.copy import Delivery
from mailer.models.matter import ABOUT_THE_ADDRESS, Matter
from mailer.models.member import Mailbox, Member, living


def open_matter(
    kind: MatterKind,
    *,
    now: datetime,
    mailbox_id: int | None = None,
    copy_id: int | None = None,
    bounce_id: int | None = None,
    said: str = "",
    sender: str = "",
    notice_id: int | None = None,
) -> None:
    """Put something on the desk; what lies there about this address, or letter of ours, is not put there twice."""
    if kind in ABOUT_THE_ADDRESS and Matter.unscoped.filter(mailbox=mailbox_id, kind=kind, closed_at=None).exists():
        return
    values = {
        "kind": kind,
        "mailbox_id": mailbox_id,
        "copy_id": copy_id,
        "bounce_id": bounce_id,
        "said": storable(said)[:500],
        "sender": storable(sender)[:254],
        "opened_at": now,
    }
    if notice_id is None:
        Matter.unscoped.create(**values)
    else:
        # The table holds one a letter, though two bells ring at once.
        Matter.unscoped.get_or_create(notice_id=notice_id, defaults=values)


def matters(members: QuerySet[Member], *, unmatched: bool) -> QuerySet[Matter]:
    """Matters of these members: of who has the address now, or was written to; `unmatched`: and those of nobody.

    An address that was given up concerns those alone who still have it.
    """
    theirs = Exists(members.filter(mailbox=OuterRef("mailbox")))
    rode = Exists(Delivery.unscoped.filter(copy=OuterRef("copy"), member__in=members.order_by().values("pk")))
    concerned = theirs | (~Q(kind=MatterKind.UNDELIVERABLE) & Q(copy__isnull=False) & rode)
    rows: QuerySet[Matter] = Matter.unscoped.select_related("mailbox", "copy__mailing", "bounce")
    return rows.filter(concerned | Q(mailbox=None, copy=None) if unmatched else concerned).order_by("opened_at", "pk")


def still_open(rows: QuerySet[Matter]) -> QuerySet[Matter]:
    """Those that nobody has closed."""
    return rows.filter(closed_at=None)


def living_in(members: QuerySet[Member], regions: Collection[int], today: date) -> QuerySet[Member]:
    """Those of the members who live in one of these regions today."""
    return members.filter(Exists(living(today).filter(member=OuterRef("pk"), region__in=regions)))


def names_at(rows: Sequence[Matter], members: QuerySet[Member]) -> Mapping[int, tuple[tuple[str, str], ...]]:
    """(number, name) of these members behind each matter: who rode on its letter, else who has its address."""
    found: dict[int, list[tuple[str, str]]] = {row.pk: [] for row in rows}
    by_copy = _named(
        Delivery.unscoped.filter(
            copy__in=[row.copy_id for row in rows if row.copy_id],
            outcome=Outcome.CARRIED,
            member__in=members.order_by().values("pk"),
        ).values_list("copy", "member__number", "member__name")
    )
    boxes = [row.mailbox_id for row in rows if row.mailbox_id]
    by_mailbox = _named(members.filter(mailbox__in=boxes).values_list("mailbox", "number", "name"))
    for row in rows:
        found[row.pk] = by_copy.get(row.copy_id or 0) or by_mailbox.get(row.mailbox_id or 0) or []
    return {number: tuple(sorted(people)) for number, people in found.items()}


def _named(rows: QuerySet[Member, tuple[int, str | None, str]]) -> dict[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {}
    for key, number, name in rows:
        found.setdefault(key, []).append((number or "", name))
    return found


def close_matter(matter_id: int, judgement: Judgement, note: str, by: str, now: datetime) -> bool:
    """Close it; False if somebody was quicker."""
    rows = Matter.unscoped.filter(pk=matter_id, closed_at=None)
    return rows.update(judgement=judgement, note=note[:500], closed_by=by, closed_at=now) == 1


def note_restored(mailbox_id: int, note: str, by: str, now: datetime) -> None:
    """Close what lies on the desk because the address was given up; if nothing does, say here that it works again."""
    rows = Matter.unscoped.filter(mailbox=mailbox_id, kind=MatterKind.UNDELIVERABLE)
    closed = {"judgement": Judgement.RESTORE, "note": note[:500], "closed_by": by, "closed_at": now}
    if not (rows.filter(closed_at=None).update(**closed) or rows.filter(closed_at=now, judgement=Judgement.RESTORE)):
        Matter.unscoped.create(kind=MatterKind.UNDELIVERABLE, mailbox_id=mailbox_id, opened_at=now, **closed)


def restored_since(mailbox_id: int, moment: datetime) -> bool:
    """Whether a person said after this moment that the address works."""
    rows = Matter.unscoped.filter(mailbox=mailbox_id, judgement=Judgement.RESTORE)
    return bool(rows.filter(closed_at__gte=moment).exists())


def mailbox_of(members: QuerySet[Member], who: str) -> Mailbox | None:
    """The mailbox of one of these members, by their number or by its address."""
    named = members.filter(Q(number=who) | Q(mailbox__normal=who.strip().casefold())).exclude(mailbox=None)
    return Mailbox.unscoped.filter(pk__in=named.order_by().values("mailbox")).first()


def forget_words(before: datetime) -> int:
    """Drop what people wrote, and their addresses, of matters closed before this; how many."""
    rows = Matter.unscoped.filter(closed_at__lt=before).exclude(said="", sender="")
    return rows.update(said="", sender="")
