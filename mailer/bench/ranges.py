"""The inside of `mailer bench audience`: `python -m mailer.bench.ranges ROUNDS` in a site's own Django, one answer."""

import json
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailer.settings")
    django.setup()

from django.conf import settings
from django.db import connection

from mailer.actions import prepare_mailing
from mailer.bench import inside
from mailer.bench.frame import in_turn, peak_mib
from mailer.core.audience import Rule
from mailer.core.mailing import MailingState
from mailer.house import House, open_house
from mailer.models import Mailing, steering
from mailer.models.base import writing
from mailer.worker import chance

#: How soon another writer comes again.
_PAUSE_SECONDS = 0.002
_TABLES = ("mailer_copy", "mailer_delivery")


@dataclass(slots=True)
class Bench:
    """The rows of the last mailing that was prepared, kept for the peer, and what was measured beside."""

    house: House
    checked: list[float] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)

    def ours(self) -> float:
        """Deliveries a second, from members to finished rows."""
        number, whom = self._new_mailing()
        seconds = _prepare(number, whom)
        self._check(number, whom)
        self._keep()
        return self.rows["mailer_delivery"] / seconds

    def longest_wait(self) -> float | None:
        """How long another writer had to wait while a mailing was prepared; PostgreSQL lets nobody wait."""
        number, whom = self._new_mailing()
        waits: list[float] = []
        with _another_writer(waits):
            _prepare(number, whom)
        _empty()
        return round(max(waits) * 1000, 1) if waits else None

    def peer(self) -> float:
        """Deliveries a second, out of the kept rows and into the same tables."""
        begun = time.perf_counter()
        with writing():
            for table in _TABLES:
                _do(f"INSERT INTO {table} SELECT * FROM kept_{table}")
        seconds = time.perf_counter() - begun
        _empty()
        return self.rows["mailer_delivery"] / seconds

    def _new_mailing(self) -> tuple[int, prepare_mailing.Whom]:
        made: Any = inside.mailing("2099-01-01 09:00")
        number = made["mailing"]
        steering.advance(number, MailingState.PREPARING)
        rule = Rule.from_json(Mailing.unscoped.get(pk=number).rule)
        return number, prepare_mailing.Whom(rule, self.house.today(datetime.now(UTC)), self.house.allow_list)

    def _check(self, number: int, whom: prepare_mailing.Whom) -> None:
        begun = time.perf_counter()
        prepare_mailing.check_everyone(number, whom, chance.handle)
        self.checked.append(_count("mailer_member") / (time.perf_counter() - begun))

    def _keep(self) -> None:
        for table in _TABLES:
            _do(f"DROP TABLE IF EXISTS kept_{table}")
            _do(f"CREATE TEMPORARY TABLE kept_{table} AS SELECT * FROM {table} ORDER BY id")
            self.rows[table] = _count(table)
        _empty()


def _prepare(number: int, whom: prepare_mailing.Whom) -> float:
    begun = time.perf_counter()
    prepare_mailing.make_deliveries(number, whom, datetime.now(UTC), chance.handle)
    return time.perf_counter() - begun


@contextmanager
def _another_writer(waits: list[float]) -> Iterator[None]:
    """Somebody else who wants SQLite's one write lock all the time: how long they waited for it, each time."""
    over = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(settings.DATABASES["default"]["NAME"], timeout=0, isolation_level=None)) as other:
            while not over.wait(_PAUSE_SECONDS):
                waits.append(_seconds_to_lock(other))

    thread = threading.Thread(target=write)
    if connection.vendor == "sqlite":
        thread.start()
    try:
        yield
    finally:
        over.set()
        if thread.ident:
            thread.join()


def _seconds_to_lock(other: sqlite3.Connection) -> float:
    begun = time.perf_counter()
    while True:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            time.sleep(_PAUSE_SECONDS / 4)
        else:
            other.execute("ROLLBACK")
            return time.perf_counter() - begun


def _do(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {table}")
        return int(cursor.fetchone()[0])


def _empty() -> None:
    """Back to a site that never sent a letter, at once."""
    if connection.vendor == "postgresql":
        _do(f"TRUNCATE {', '.join(_TABLES)} CASCADE")
        return
    _do("PRAGMA foreign_keys=OFF")
    for table in _TABLES:
        _do(f"DELETE FROM {table}")
    _do("PRAGMA foreign_keys=ON")


def measure(rounds: int) -> dict[str, object]:
    """Rounds of ours and the peer's, and what else was seen."""
    bench = Bench(open_house(settings.CONFIG))
    longest_wait = bench.longest_wait()
    found = in_turn(bench.ours, bench.peer, rounds)
    return {
        "prepared": [(each.ours, each.peer) for each in found],
        "checked": median(bench.checked),
        "longest_wait_ms": longest_wait,
        "deliveries": bench.rows["mailer_delivery"],
        "copies": bench.rows["mailer_copy"],
        "peak_mib": peak_mib(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]))) + "\n")
