"""What every table here shares: a manager whose name is a warning, and the retrying write transaction."""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, reduce
from operator import or_
from typing import Any

from django.db import OperationalError, connection, models, transaction
from django.db.backends.signals import connection_created
from django.dispatch import receiver

#: How long a writer tries to get SQLite's one write lock. PostgreSQL waits by itself.
_PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.001
#: Held by the one thread of this process that writes to SQLite.
_WRITER = threading.Lock()
#: Rows of one INSERT: SQLite takes some thousands of values in a statement.
_ROWS_AT_ONCE = 500
#: PostgreSQL's word for a lock that was waited for too long (appendix A of its manual).
_LOCK_NOT_AVAILABLE = "55P03"


class Busy(OperationalError):
    """Somebody else kept writing for longer than one would wait."""


class Table(models.Model):
    """The only manager is called `unscoped`: outside `models/` and `access.py` nobody may say that word."""

    unscoped: models.Manager[Any] = models.Manager()

    class Meta:
        abstract = True
        default_manager_name = "unscoped"
        base_manager_name = "unscoped"


@receiver(connection_created)
def _ask_without_compiling(connection: Any, **_: object) -> None:
    """PostgreSQL compiles questions that it believes to be long: 0.4 s for each range of members of a large site.

    None of ours is so long that this pays. Set, not asked for in the connection's options: poolers refuse those.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET jit = off")


@contextmanager
def writing(patience: float | None = None) -> Iterator[None]:
    """One write transaction, taken at once; a nested one joins the outer.

    `patience` is how many seconds at most a lock is waited for; then it raises Busy. With 0 SQLite's one lock is
    not waited for at all, and PostgreSQL's, which are of rows, as if it were not given.

    SQLite's own busy handler backs off in steps of up to 100 ms, so that a page waits 300 ms behind a busy sender.
    Asking again every millisecond gets the lock as soon as it is free (performance notes; design.md section 2). Of the
    threads of a process one asks, and the others stand behind it.
    """
    if connection.in_atomic_block:
        with transaction.atomic():
            yield
        return
    with _turn(_PATIENCE_SECONDS if patience is None else patience) as left:
        block = _begin(left)
        try:
            if patience and connection.vendor == "postgresql":
                _set_lock_timeout(patience)
            yield
        except BaseException as error:
            block.__exit__(type(error), error, error.__traceback__)
            if getattr(error.__cause__, "sqlstate", "") == _LOCK_NOT_AVAILABLE:
                raise Busy(str(error)) from error
            raise
        block.__exit__(None, None, None)


@contextmanager
def _turn(patience: float) -> Iterator[float]:
    """This thread's turn at SQLite's write lock, with the seconds that are left to wait for other processes."""
    if connection.vendor != "sqlite":
        yield patience
        return
    ends = time.monotonic() + patience
    if not _WRITER.acquire(timeout=patience):
        raise Busy("database is locked by another thread")
    try:
        yield ends - time.monotonic()
    finally:
        _WRITER.release()


def _begin(patience: float) -> "transaction.Atomic":
    block = transaction.atomic()
    if connection.vendor != "sqlite":
        block.__enter__()
        return block
    deadline = time.monotonic() + patience
    _set_busy_timeout(0)
    try:
        while True:
            try:
                block.__enter__()
            except OperationalError as error:
                if "locked" not in str(error):
                    raise
                if time.monotonic() > deadline:
                    raise Busy(str(error)) from error
                time.sleep(_PAUSE_SECONDS)
            else:
                return block
    finally:
        _set_busy_timeout(5000)


def _set_busy_timeout(milliseconds: int) -> None:
    connection.ensure_connection()
    # Past Django's cursor, which would take ten times as long twice in every transaction.
    connection.connection.execute(f"PRAGMA busy_timeout={milliseconds:d}")


def _set_lock_timeout(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {max(1, int(seconds * 1000)):d}")


def first_row(sql: str, params: Sequence[Any] = ()) -> Any:
    """The first row that plain SQL finds, or None: for what is asked so often that Django's words cost the most."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone()


def quoted(words: Iterable[str]) -> str:
    """Words of our own as a list in SQL."""
    return ", ".join(f"'{word}'" for word in words)


def looked_up(table: str, alias: str, where: str) -> str:
    """A join that looks up by an index what belongs to each row before it, whatever the database counted, and when.

    Told by old counts that there is next to nothing, PostgreSQL compares each row with each other; told by new ones
    that there is much, it reads all of a table for a few rows of it. `OFFSET 0` is where it must not look through.
    """
    if connection.vendor == "postgresql":
        return f"CROSS JOIN LATERAL (SELECT {alias}.* FROM {table} {alias} WHERE {where} OFFSET 0) {alias}"  # noqa: S608
    return f"CROSS JOIN {table} {alias} ON {where}"


def insert(model: type[models.Model], rows: Sequence[Mapping[str, object]]) -> list[int]:
    """Add rows that all name the same fields, which must be all that the table wants; their ids, in this order.

    What Django's own insert does without building it anew each time, which takes ten times as long as the database.
    """
    if not rows:
        return []
    head, fields, ending = _insertion(model, tuple(rows[0]))
    added: list[int] = []
    with connection.cursor() as cursor:
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            values = [field.get_db_prep_save(row[field.name], connection) for row in some for field in fields]
            places = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * len(some))
            cursor.execute(f"{head} VALUES {places} {ending}", values)
            added += [row[0] for row in cursor.fetchall()]
    return added


@cache
def _insertion(model: type[models.Model], names: tuple[str, ...]) -> tuple[str, tuple[Any, ...], str]:
    meta: Any = model._meta  # noqa: SLF001 - Django's public name for it
    fields = tuple(meta.get_field(name) for name in names)
    columns = ", ".join(field.column for field in fields)
    return f"INSERT INTO {meta.db_table} ({columns})", fields, f"RETURNING {meta.pk.column}"


def one_of(name: str, field: str, values: Any) -> models.CheckConstraint:
    """A closed list of values, held by the database."""
    allowed = [str(value) for value in values]
    return models.CheckConstraint(condition=models.Q(**{f"{field}__in": allowed}), name=name)


def one_of_in_turn(name: str, field: str, values: Iterable[str]) -> models.CheckConstraint:
    """The same for a table whose rows change by the hundred thousand: compared one by one, the usual first.

    In a list of more than two SQLite searches, which takes half a microsecond each time.
    """
    alternatives = [models.Q(**{field: str(value)}) for value in values]
    return models.CheckConstraint(condition=reduce(or_, alternatives), name=name)
