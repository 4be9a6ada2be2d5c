"""What the database knows of the departures' files: which acts are done, how far it has read, whom it waits for."""

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db import DatabaseError, InterfaceError, connection, models
from django.db.models import Q, QuerySet

from mailer.models.base import Table, first_row
from mailer.models.member import Member
from mailer.models.outbox import signed, unsigned

#: What is raised when the database is away, read-only, locked or full.
AWAY = (DatabaseError, InterfaceError)


class CarriedOut(Table):
    """An act that is done, by its seed: a line that is read again changes nothing (standards U7)."""

    seed = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()


class ReadTo(Table):
    """How far a file has been read: every act before `offset` is done. `tail` is the end of the line before it."""

    file = models.CharField(max_length=64, primary_key=True)
    offset = models.BigIntegerField()
    tail = models.CharField(max_length=32)


class Stranded(Table):
    """A departure of somebody whom this database does not know, since an older one was restored: kept until it does."""

    seed = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    line = models.TextField()


def first_time(seed: int, at: datetime) -> bool:
    """Note that an act is being carried out; False if it was before. Call it inside `writing()`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mailer_carriedout (seed, at) VALUES (%s, %s) ON CONFLICT (seed) DO NOTHING",
            [signed(seed), connection.ops.adapt_datetimefield_value(at)],
        )
        return bool(cursor.rowcount == 1)


def done_among(seeds: Iterable[int]) -> set[int]:
    """Those of the acts that are carried out."""
    asked = [signed(seed) for seed in seeds]
    if not asked:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT seed FROM mailer_carriedout WHERE seed IN ({', '.join(['%s'] * len(asked))})",  # noqa: S608
            asked,
        )
        return {unsigned(row[0]) for row in cursor.fetchall()}


def read_to(file: str) -> tuple[int, str]:
    """How far a file has been read, and how the last line ended; (0, "") before the first."""
    row = ReadTo.unscoped.filter(file=file).first()
    return (row.offset, row.tail) if row else (0, "")


def note_read(file: str, offset: int, tail: str) -> None:
    """Remember how far a file has been read."""
    ReadTo.unscoped.update_or_create(file=file, defaults={"offset": offset, "tail": tail})


def forget(files: Iterable[str], before: datetime) -> None:
    """Forget files that are gone, and acts so old that their lines are."""
    ReadTo.unscoped.filter(file__in=list(files)).delete()
    CarriedOut.unscoped.filter(at__lt=before).delete()


def strand(seed: int, at: datetime, line: str) -> None:
    """Keep a departure for whoever is not known yet."""
    Stranded.unscoped.update_or_create(seed=signed(seed), defaults={"at": at, "line": line})


def stranded() -> list[str]:
    """The lines of those who are waited for, oldest first."""
    # Nearly always there is nobody, and a sender asks whenever somebody leaves.
    if first_row("SELECT 1 FROM mailer_stranded LIMIT 1") is None:
        return []
    return list(Stranded.unscoped.order_by("at", "seed").values_list("line", flat=True))


def take_up(seed: int) -> None:
    """Wait for nobody of this departure any more."""
    Stranded.unscoped.filter(seed=signed(seed)).delete()


def members_named(subjects: Collection[str], hashes: Collection[str]) -> list[Member]:
    """The members with one of these references or keyed hashes."""
    rows: QuerySet[Member] = Member.unscoped.filter(Q(subject__in=subjects) | Q(person_hash__in=hashes))
    return list(rows.select_related("mailbox").order_by("pk"))


def hold(members: Iterable[Member]) -> None:
    """Keep other acts about these members waiting until the transaction ends; SQLite has one writer anyway."""
    if connection.features.has_select_for_update:
        ids = [member.pk for member in members]
        list(Member.unscoped.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk").values_list("pk"))
