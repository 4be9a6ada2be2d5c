"""A backup of the whole database, and its restore in place, on SQLite and on PostgreSQL."""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from django.db import connection


class Backup:
    """The database as it was when this was made."""

    def __init__(self, folder: Path) -> None:
        self._copy = str(folder / "backup.sqlite3") if _is_file() else f"backup_{uuid.uuid4().hex}"
        self._write(_live(), self._copy)

    def restore(self) -> None:
        """Put it back; nobody may be connected, as an operator would stop everything first."""
        self._write(self._copy, _live())

    def drop(self) -> None:
        """Remove what the server keeps of it."""
        if not _is_file():
            with _server() as server:
                server.execute(f"DROP DATABASE {self._copy}")

    def _write(self, source: str, target: str) -> None:
        connection.close()
        if _is_file():
            with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
                old.backup(new)
            return
        with _server() as server:
            server.execute(f"DROP DATABASE IF EXISTS {target}")
            server.execute(f"CREATE DATABASE {target} TEMPLATE {source}")


def _is_file() -> bool:
    return connection.vendor == "sqlite"


def _live() -> str:
    return str(connection.settings_dict["NAME"])


@contextmanager
def _server() -> Iterator[Any]:
    import psycopg

    values = connection.get_connection_params() | {"dbname": "postgres"}
    names = ("dbname", "user", "password", "host", "port")
    parameters = {name: values[name] for name in names if values.get(name)}
    with psycopg.connect(**parameters, autocommit=True) as server:
        yield server
