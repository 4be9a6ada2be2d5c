"""Triggers that refuse what no code may do, on both databases: change the past, or jump between states.

SQLite drops a table's triggers when a migration rebuilds it, so `mailer migrate` installs them again after every
migration and `mailer check` proves them by a refused UPDATE. PostgreSQL's TRUNCATE is refused too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db import DatabaseError, connection, transaction

from mailer.core.delivery import COPY, CopyState
from mailer.core.issue import ISSUE
from mailer.core.mailing import MAILING
from mailer.core.states import Machine


@dataclass(frozen=True, slots=True)
class _Guard:
    table: str
    operation: str
    message: str
    condition: str = ""

    @property
    def name(self) -> str:
        return f"guard_{self.table}_{self.operation}_{'state' if self.condition else 'row'}".lower()


#: Tables whose rows are never changed, and those of them whose rows are never deleted either.
_UNCHANGING = (
    "mailer_consententry",
    "mailer_consentevidence",
    "mailer_seal",
    "mailer_event",
    "mailer_wording",
    "mailer_revision",
)
#: The keys by which SQLite's REPLACE would write over a row, without asking the triggers for UPDATE or DELETE.
_KEYS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "mailer_consententry": (("id",),),
    "mailer_consentevidence": (("entry_id",),),
    "mailer_seal": (("id",), ("chain", "first_row")),
    "mailer_event": (("id",),),
    "mailer_wording": (("id",), ("mailing_list_id", "version")),
    "mailer_revision": (("id",), ("issue_id", "number")),
}
_UNDELETED = ("mailer_consententry", "mailer_seal", "mailer_event", "mailer_wording", "mailer_revision")
_MACHINES = (
    ("mailer_copy", COPY),
    ("mailer_notice", COPY),
    ("mailer_mailing", MAILING),
    ("mailer_issue", ISSUE),
)
#: The steps of nearly every copy. They are compared before the arrows are searched: half a microsecond of each letter.
_USUAL = ((CopyState.QUEUED, CopyState.CLAIMED), (CopyState.CLAIMED, CopyState.ACCEPTED))


def install() -> None:
    """Put every guard back; harmless when they are there."""
    with connection.cursor() as cursor:
        for statement in _statements():
            cursor.execute(statement)


def remove() -> None:
    """Take the guards off: only a test's clean-up does this."""
    with connection.cursor() as cursor:
        for guard in _guards():
            suffix = f" ON {guard.table}" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER IF EXISTS {guard.name}{suffix}")
        if connection.vendor == "postgresql":
            for table in _UNDELETED:
                cursor.execute(f"DROP TRIGGER IF EXISTS guard_{table}_truncate ON {table}")


def missing() -> tuple[str, ...]:
    """The guards that are not installed."""
    query = (
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
        if connection.vendor == "postgresql"
        else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        present = {row[0] for row in cursor.fetchall()}
    return tuple(guard.name for guard in _guards() if guard.name not in present)


def refuses_a_change() -> bool:
    """Prove one guard by trying: insert an event, change it, roll everything back. True if the change was refused."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mailer_event (at, actor, verb, subject_type, subject_id, details)"
            " VALUES ('2000-01-01 00:00:00+00:00', 'check', 'guard-tried', '', '', '{}')"
        )
        try:
            with transaction.atomic():
                cursor.execute("UPDATE mailer_event SET verb = 'changed' WHERE verb = 'guard-tried'")
            refused = False
        except DatabaseError:
            refused = True
        transaction.set_rollback(True)
    return refused


def _guards() -> Iterator[_Guard]:
    for table in _UNCHANGING:
        yield _Guard(table, "UPDATE", f"{table} is never changed")
    for table in _UNDELETED:
        yield _Guard(table, "DELETE", f"{table} is never deleted from")
    if connection.vendor == "sqlite":
        for table, keys in _KEYS.items():
            yield _Guard(table, "INSERT", f"{table} is never written over", _is_there(table, keys))
    for table, machine in _MACHINES:
        yield _Guard(table, "UPDATE", f"no such transition of a {machine.name}", _forbidden_step(machine))


def _is_there(table: str, keys: tuple[tuple[str, ...], ...]) -> str:
    same = " OR ".join("(" + " AND ".join(f"{name} = NEW.{name}" for name in key) + ")" for key in keys)
    return f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 - names of our own, above


def _forbidden_step(machine: Machine) -> str:
    # One search in one text: a list of arrows would be built anew for every row, at five microseconds a letter.
    arrows = "".join(f",{t.source}>{t.target}" for t in machine.transitions) + ","
    position = "strpos" if connection.vendor == "postgresql" else "instr"
    usual = "".join(
        f" AND NOT (OLD.state = '{source}' AND NEW.state = '{target}')"
        for source, target in _USUAL
        if machine.allows(source, target)
    )
    is_none = f"{position}('{arrows}', ',' || OLD.state || '>' || NEW.state || ',') = 0"
    return f"OLD.state <> NEW.state{usual} AND {is_none}"


def _statements() -> Iterator[str]:
    if connection.vendor == "postgresql":
        yield (
            "CREATE OR REPLACE FUNCTION mailer_refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'check_violation'; END $$"
        )
        for table in _UNDELETED:
            yield (
                f"CREATE OR REPLACE TRIGGER guard_{table}_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT"
                f" EXECUTE FUNCTION mailer_refuse('{table} is never emptied')"
            )
    for guard in _guards():
        yield from _postgresql(guard) if connection.vendor == "postgresql" else _sqlite(guard)


def _postgresql(guard: _Guard) -> Iterator[str]:
    when = f" WHEN ({guard.condition})" if guard.condition else ""
    yield (
        f"CREATE OR REPLACE TRIGGER {guard.name} BEFORE {guard.operation} ON {guard.table} FOR EACH ROW{when}"
        f" EXECUTE FUNCTION mailer_refuse('{guard.message}')"
    )


def _sqlite(guard: _Guard) -> Iterator[str]:
    when = f" WHEN {guard.condition}" if guard.condition else ""
    yield f"DROP TRIGGER IF EXISTS {guard.name}"
    yield (
        f"CREATE TRIGGER {guard.name} BEFORE {guard.operation} ON {guard.table} FOR EACH ROW{when}"
        f" BEGIN SELECT RAISE(ABORT, '{guard.message}'); END"
    )
