"""A database that is away in each of the ways in which databases are, on SQLite and on PostgreSQL."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from django.db import connection

_NOWHERE = "/nowhere"


@contextmanager
def locked() -> Iterator[None]:
    """Somebody else holds the lock that every writer needs."""
    if connection.vendor == "sqlite":
        other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.close()
        return
    import psycopg

    values = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    with psycopg.connect(**{name: values[name] for name in names if values.get(name)}) as other:
        other.execute("LOCK TABLE mailer_counter")
        yield


@contextmanager
def read_only() -> Iterator[None]:
    """It can be read and not written, as on a disk that was mounted so."""
    on, off = (
        ("PRAGMA query_only=ON", "PRAGMA query_only=OFF")
        if connection.vendor == "sqlite"
        else ("SET default_transaction_read_only = on", "SET default_transaction_read_only = off")
    )
    with connection.cursor() as cursor:
        cursor.execute(on)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(off)


@contextmanager
def gone() -> Iterator[None]:
    """Nobody answers: the file cannot be opened, the server does not run."""
    key = "NAME" if connection.vendor == "sqlite" else "HOST"
    connection.close()
    real = connection.settings_dict[key]
    connection.settings_dict[key] = Path(_NOWHERE) / "db" if key == "NAME" else _NOWHERE
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict[key] = real


WAYS: dict[str, Callable[[], AbstractContextManager[None]]] = {"locked": locked, "read-only": read_only, "gone": gone}
