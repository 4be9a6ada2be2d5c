"""`mailer bench claim`: claiming copies, reading whom they are for and marking them accepted, beside raw sqlite3.

Both work on the same tables of a site as shipped (WAL, FULL), a claim a transaction, in which the answers to the claim
before are written down; a new mailing for each. Seconds are those of the clock: most of them are the disk's.
"""

import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from mailer.bench.frame import ROUNDS, Report, compared, in_turn, peak_mib, this_machine
from mailer.bench.site import Site, scratch

MEMBERS = 23_500
CLAIM = 500
_MARK = """
    UPDATE mailer_copy SET state = 'accepted', claimed_by = '', claimed_until = NULL, decided_at = ?, reply_code = 250,
        reply_status = '2.0.0', reply_text = 'Kept'
    WHERE id IN (SELECT value FROM json_each(?)) AND +claimed_by = 'raw' AND +state = 'claimed'"""
_CLAIM = """
    UPDATE mailer_copy SET state = 'claimed', claimed_by = 'raw', claim = ?, claimed_until = ?, attempts = attempts + 1,
        first_attempt_at = COALESCE(first_attempt_at, ?), next_attempt_at = NULL
    WHERE id IN (SELECT id FROM mailer_copy WHERE mailing_id = ? AND state = 'queued' ORDER BY position LIMIT ?)
    RETURNING id"""
_READ = """
    SELECT c.id, c.handle, b.address, c.segments, m.name FROM mailer_copy c
        JOIN mailer_mailbox b ON b.id = c.mailbox_id
        JOIN mailer_delivery d ON d.copy_id = c.id AND d.outcome = 'carried'
        JOIN mailer_member m ON m.id = d.member_id
    WHERE c.claim = ? AND c.state = 'claimed' ORDER BY c.position, c.id"""
_NOW = "2026-12-01 09:00:00"


def run(members: int = MEMBERS, rounds: int = ROUNDS) -> Report:
    """Copies a second of one process."""
    with scratch(25, members=members) as site:
        found = in_turn(lambda: _ours(site), lambda: _raw(site), rounds)
    what = f"claim, read and mark, {CLAIM} at a time"
    row = compared(what, "copies/s", "raw sqlite3 doing the same", found, must="0.5x", aim="0.9x")
    return Report("claim", (row,), peak_mib(), this_machine())


def _ours(site: Site) -> float:
    mailing = site.ask("mailing")
    return float(site.ask("claim", mailing["mailing"], CLAIM))


def _raw(site: Site) -> float:
    mailing = site.ask("mailing")
    with closing(_connected(site.folder / "mailer.sqlite3")) as database:
        held: Sequence[int] = ()
        done, begun = 0, time.perf_counter()
        while True:
            held = _turn(database, mailing["mailing"], done, held)
            done += len(held)
            if not held:
                return done / (time.perf_counter() - begun)


def _connected(file: Path) -> sqlite3.Connection:
    database = sqlite3.connect(file, isolation_level=None)
    database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;")
    return database


def _turn(database: sqlite3.Connection, mailing: int, done: int, held: Sequence[int]) -> Sequence[int]:
    """Write down the last claim and take the next; the ids of its copies."""
    claim = 1_000_000_000 + mailing * 1_000_000 + done
    database.execute("BEGIN IMMEDIATE")
    if held:
        database.execute(_MARK, (_NOW, json.dumps(held)))
    ids = [row[0] for row in database.execute(_CLAIM, (claim, _NOW, _NOW, mailing, CLAIM)).fetchall()]
    database.execute(_READ, (claim,)).fetchall()
    database.execute("COMMIT")
    return ids
