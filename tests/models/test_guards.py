# ruff: noqa: S608 - the statements are made of table names written here
"""The database refuses what no code may do, on both databases: change the past, or jump between states."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F

from mailer.core.delivery import COPY
from mailer.core.issue import ISSUE
from mailer.core.mailing import MAILING
from mailer.core.states import Machine
from mailer.house import House
from mailer.models import ConsentEntry, Copy, Issue, Mailing, Notice, guards, roll
from mailer.models.base import Table
from mailer.models.copy import VOID
from mailer.models.ledger import record, seal_ledger
from tests.actions.office import Office
from tests.models.rows import void_of
from tests.world import NOW, anne, join, stream

pytestmark = pytest.mark.django_db

_UNCHANGING = {
    "mailer_consententry": "channel = 'page'",
    "mailer_consentevidence": "evidence = 'another'",
    "mailer_seal": "head = 'x'",
    "mailer_event": "actor = 'nobody'",
    "mailer_wording": "text = 'other words'",
    "mailer_revision": "subject = 'another'",
}
_UNDELETED = sorted(set(_UNCHANGING) - {"mailer_consentevidence"})


@pytest.fixture
def full(office: Office) -> Office:
    """A row in every guarded table."""
    join(office.house, "Ann Smith", "ann@example.org", consents=[stream(office.house)])
    office.begun(anne())
    list(seal_ledger(NOW))
    for table in _UNCHANGING:
        assert count(table)
    return office


def count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        return int(cursor.fetchone()[0])


def everything(table: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        return sorted(map(repr, cursor.fetchall()))


@contextmanager
def refused() -> Iterator[Any]:
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        yield cursor


def test_every_guard_is_installed() -> None:
    assert guards.missing() == ()


def test_a_changed_event_is_refused() -> None:
    assert guards.refuses_a_change()


def test_check_notices_guards_that_are_gone() -> None:
    guards.remove()
    try:
        assert guards.missing()
        assert not guards.refuses_a_change()
    finally:
        guards.install()


@pytest.mark.parametrize("table", sorted(_UNCHANGING))
def test_no_row_of_the_past_is_changed(full: Office, table: str) -> None:
    before = everything(table)
    with refused() as cursor:
        cursor.execute(f"UPDATE {table} SET {_UNCHANGING[table]}")
    assert everything(table) == before


@pytest.mark.parametrize("table", _UNDELETED)
def test_no_row_of_the_past_is_deleted(full: Office, table: str) -> None:
    before = everything(table)
    with refused() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE" if connection.vendor == "postgresql" else "SELECT 1")
        cursor.execute(f"DELETE FROM {table}")
    assert everything(table) == before


@pytest.mark.parametrize("table", _UNDELETED)
def test_no_table_of_the_past_is_emptied(full: Office, table: str) -> None:
    """SQLite does not know the word, which is as good a refusal."""
    with refused() as cursor:
        cursor.execute(f"TRUNCATE {table} CASCADE")
    assert count(table)


@pytest.mark.parametrize("table", sorted(_UNCHANGING))
def test_no_row_of_the_past_is_written_over(full: Office, table: str) -> None:
    """SQLite's REPLACE deletes without asking the triggers for DELETE; PostgreSQL does not know the word."""
    before = everything(table)
    with refused() as cursor:
        cursor.execute(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} LIMIT 1")
    assert everything(table) == before


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("mailer_wording", "mailing_list_id = mailing_list_id AND version = version"),
        ("mailer_revision", "issue and number"),
        ("mailer_seal", "chain and first row"),
    ],
)
def test_nor_by_another_key_of_it(full: Office, table: str, key: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
    others = ", ".join(name for name in names if name != "id")
    before = everything(table)
    with refused() as cursor:
        cursor.execute(f"INSERT OR REPLACE INTO {table} (id, {others}) SELECT id + 1000, {others} FROM {table} LIMIT 1")
    assert everything(table) == before


def test_evidence_may_be_erased(full: Office) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM mailer_consentevidence")
    assert count("mailer_consententry") == 1


@pytest.mark.parametrize("missing", [{"wording_id": None}, {"commitment": ""}, {"actor": ""}, {"kind": "meant"}])
def test_a_consent_that_proves_nothing_cannot_be_written(full: Office, missing: dict[str, Any]) -> None:
    """Behind the back of core: the database's own constraints."""
    (row,) = ConsentEntry.unscoped.values()
    del row["id"]
    with pytest.raises(IntegrityError), transaction.atomic():
        ConsentEntry.unscoped.create(**row | missing)
    ConsentEntry.unscoped.create(**row)
    assert count("mailer_consententry") == 2


_MACHINES = [(Copy, COPY), (Notice, COPY), (Mailing, MAILING), (Issue, ISSUE)]


@pytest.mark.parametrize(("table", "machine"), _MACHINES, ids=lambda value: getattr(value, "__name__", ""))
def test_only_the_arrows_of_the_table_are_possible(full: Office, table: type[Table], machine: Machine) -> None:
    born = {state: _born(full, table, state) for state in machine.states}
    for source in machine.states:
        for target in machine.states:
            row = table.unscoped.filter(pk=born[source])
            try:
                with transaction.atomic():
                    void = {"void": F("handle") if target in VOID else 0} if table is Copy else {}
                    row.update(state=target, **void)
                    # Not kept: the row must stay where it was born.
                    transaction.set_rollback(True)
                possible = True
            except DatabaseError as error:
                assert "no such transition" in str(error)  # noqa: PT017 - the reason matters as much
                possible = False
            assert possible == (source == target or machine.allows(source, target)), (source, target)


def _born(office: Office, table: type[Table], state: str) -> int:
    """A row in this state, of the kind that can be written at once."""
    draw = office.draw
    mailing = Mailing.unscoped.select_related("issue", "revision").first()
    assert mailing is not None
    if table is Copy:
        claim = {"claim": 1, "claimed_by": "w"}
        fresh = {"mailing": mailing, "mailbox": None, "language": "en-GB", "position": 1, "handle": draw.handle() >> 1}
        return Copy.unscoped.create(state=state, void=void_of(state, fresh["handle"]), **fresh, **claim).pk
    if table is Notice:
        (box,) = roll.mailboxes_for([(_address(), "h")], NOW).values()
        words = {"kind": "farewell", "subject": "s", "text": "t", "html": "h", "created_at": NOW}
        return Notice.unscoped.create(handle=draw.handle() >> 1, state=state, mailbox=box, **words).pk
    issue = Issue.unscoped.create(mailing_list=mailing.issue.mailing_list, created_at=NOW)
    if table is Issue:
        return Issue.unscoped.create(mailing_list=mailing.issue.mailing_list, created_at=NOW, state=state).pk
    values = {
        f.attname: getattr(mailing, f.attname) for f in Mailing._meta.fields if not (f.primary_key or f.name == "issue")
    }
    return Mailing.unscoped.create(**values | {"issue": issue, "state": state}).pk


@pytest.mark.parametrize(("state", "is_void"), [("queued", True), ("accepted", True), ("withdrawn", False)])
def test_what_is_void_and_what_is_not_is_held_by_the_database(full: Office, state: str, is_void: bool) -> None:
    born = Copy.unscoped.filter(pk=_born(full, Copy, state))
    with pytest.raises(DatabaseError, match="copy_void"), transaction.atomic():
        born.update(void=F("handle") if is_void else 0)


def _address() -> Any:
    from mailer.core.address import parse

    return parse("notice@example.org")


def test_a_guard_speaks_of_its_table(house: House) -> None:
    record(NOW, "test", "tried")
    with pytest.raises(DatabaseError, match="mailer_event is never changed"), transaction.atomic():
        connection.cursor().execute("UPDATE mailer_event SET verb = 'x'")
