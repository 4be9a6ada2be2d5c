"""`mailer bench audience`: a mailing's deliveries and copies, beside a bare INSERT ... SELECT of the very same rows.

The peer decides nothing: it copies finished rows out of a table of its own into the same tables, with their indexes and
triggers, in one transaction. Ours judges everyone, in ranges that leave others room to write.
"""

import json
import os
import subprocess
import sys
from typing import Any

from mailer.bench.frame import ROUNDS, Report, Round, Row, compared, this_machine
from mailer.bench.send import DATABASE
from mailer.bench.site import Site, made, scratch

MEMBERS = 1_000_000
#: PostgreSQL is asked of fewer people: a row costs it ten times as much, ours as the peer's.
POSTGRES_MEMBERS = 200_000


def run(members: int = MEMBERS, rounds: int = ROUNDS, database: str = "sqlite") -> Report:
    """Deliveries a second; `database` is "sqlite", or the address of a PostgreSQL server.

    A server that is named in the environment adds its rows to those of SQLite.
    """
    found = _measured(members, rounds, database)
    rows = _rows(members, "SQLite" if database == "sqlite" else "PostgreSQL", found)
    server = os.environ.get(DATABASE)
    if server and database == "sqlite":
        few = min(members, POSTGRES_MEMBERS)
        rows += _rows(few, "PostgreSQL", _measured(few, rounds, server))
    facts = {
        "longest time that another writer waited (ms)": found["longest_wait_ms"],
        "deliveries": found["deliveries"],
        "copies": found["copies"],
    }
    return Report("audience", rows, found["peak_mib"], this_machine(), facts)


def _measured(members: int, rounds: int, database: str) -> Any:
    with made(database) as address, scratch(25, members=members, database=address) as site:
        return _inside(site, rounds)


def _rows(members: int, database: str, found: Any) -> tuple[Row, ...]:
    prepared = compared(
        f"{members:,} members in 20 regions prepared, {database}",
        "deliveries/s",
        "a bare INSERT ... SELECT of the same rows",
        [Round(*each) for each in found["prepared"]],
        must="0.33x",
        aim="0.67x",
    )
    return prepared, Row("everyone checked again at the start", "members/s", found["checked"])


def _inside(site: Site, rounds: int) -> Any:
    command = [sys.executable, "-P", "-m", "mailer.bench.ranges", str(rounds)]
    done = subprocess.run(command, env=site.environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)
