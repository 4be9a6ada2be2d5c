"""A scratch database full of people, for benchmarks and simulations: raw rows, as many imports would have left them.

Invented names at the example domains; twenty regions; of twenty people one pair shares a mailbox; one name in ten is
not ASCII; every subscription stands on a line of the ledger with its evidence. The same seed makes the same people.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import connection

from mailer.core.address import fold_name
from mailer.core.audience import Rule, Standing, SubscriptionState
from mailer.core.consent import Article9, Channel, Kind, PecrBasis
from mailer.core.listfile import stream_number
from mailer.models.base import writing
from mailer.models.outbox import signed

REGIONS = 20
#: The list and the numbers of regions that a filled database has beside those of its files.
LIST = 900
_FIRST_REGION = 900
_BATCH = 20_000
_FIRST = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gwen", "Hal", "Iris", "Jack", "Kit", "Lena", "Max", "Nell")
_LAST = ("Archer", "Baker", "Carter", "Dyer", "Fletcher", "Glover", "Hooper", "Mason", "Naylor", "Potter", "Sawyer")
_BEYOND_ASCII = ("Zoë", "Łukasz", "Siân", "Nuñez", "Ørsted", "Μαρία", "Олег", "李")
#: Half of the mailboxes are at three large domains, and half at many small ones.
_DOMAINS = (
    *["example.org"] * 20, *["example.net"] * 12, *["example.com"] * 8, *(f"post{n}.example.org" for n in range(40)),
)  # fmt: skip
_COLUMNS = {
    "mailer_mailbox": (
        "id", "address", "normal", "domain", "hash", "deliverability", "undeliverable_reason", "soft_count",
        "disabled_count", "created_at",
    ),
    "mailer_member": (
        "id", "handle", "subject", "number", "name", "folded_name", "person_hash", "standing", "mailbox_id",
        "telephone", "postal_address", "language", "custom", "created_at",
    ),
    "mailer_memberregion": ("member_id", "region_id", "starts"),
    "mailer_consententry": (
        "id", "subject", "stream_id", "kind", "at", "recorded_at", "channel", "wording_id", "actor", "article9",
        "pecr", "commitment", "token_hash",
    ),
    "mailer_consentevidence": ("entry_id", "salt", "evidence"),
    "mailer_subscription": ("member_id", "stream_id", "state", "entry_id", "since"),
}  # fmt: skip
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Filled:
    """What a database was filled with: the rule of a mailing to everyone in the twenty regions."""

    members: int
    mailboxes: int
    subscriptions: int
    rule: Rule


@dataclass(slots=True)
class _Last:
    """The highest row numbers so far."""

    mailbox: int
    member: int
    entry: int


def fill(members: int, *, at: datetime, seed: int = 0) -> Filled:
    """Add so many people to a migrated database of the benchmark's own, who joined at `at`."""
    moment = connection.ops.adapt_datetimefield_value(at)
    day = connection.ops.adapt_datefield_value(at.date())
    rule = _make_places(moment)
    chance = random.Random(seed)  # noqa: S311 - invented people need no secrets
    first = _highest()
    last = _Last(first.mailbox, first.member, first.entry)
    with _careless():
        for start in range(0, members, _BATCH):
            rows = _people(min(_BATCH, members - start), last, sorted(rule.streams), chance, moment, day)
            with writing():
                for table, made in rows.items():
                    _load(table, made)
        _put_right()
    return Filled(members, last.mailbox - first.mailbox, last.entry - first.entry, rule)


def _make_places(at: object) -> Rule:
    """Twenty regions and a list with a stream in each."""
    regions = range(_FIRST_REGION, _FIRST_REGION + REGIONS)
    streams = {stream_number(LIST, region): region for region in regions}
    with writing():
        _load(
            "mailer_region",
            [(number, f"bench-{number}", f"Region {number}", False) for number in regions],
            ("number", "slug", "name", "retired"),
        )
        _load("mailer_mailinglist", [(LIST, "bench-letter", "bench-letter")], ("number", "slug", "label"))
        _load(
            "mailer_stream",
            [(stream, LIST, region, f"The letter: region {region}") for stream, region in streams.items()],
            ("number", "mailing_list_id", "region_id", "title"),
        )
        _load(
            "mailer_wording",
            [(LIST, LIST, 1, "Yes, write to me.", "The Friends", Article9.EXPLICIT_CONSENT, PecrBasis.CONSENT, at)],
            ("id", "mailing_list_id", "version", "text", "controller", "article9", "pecr", "adopted_at"),
        )
    return Rule(streams, frozenset(regions))


def _people(
    count: int, last: _Last, streams: Sequence[int], chance: random.Random, at: object, day: object
) -> dict[str, list[Row]]:
    """The rows of so many people, by table."""
    rows: dict[str, list[Row]] = {table: [] for table in _COLUMNS}
    for number in range(last.member + 1, last.member + count + 1):
        words, folded_words = _name(number, chance)
        name, folded = f"{words} {number}", f"{folded_words} {number}"
        shares = number % 20 == 0 and last.mailbox > 0
        if not shares:
            last.mailbox += 1
            rows["mailer_mailbox"].append(_mailbox(last.mailbox, chance, at))
        stream = chance.choice(streams)
        subject = _digest("subject", number)[:32]
        rows["mailer_member"].append(
            (number, signed(chance.getrandbits(64)), subject, f"B{number}", name, folded, _digest(folded, number),
             Standing.MEMBER, None if number % 100 == 7 else last.mailbox, "", "", "en-GB", "{}", at)
        )  # fmt: skip
        rows["mailer_memberregion"].append((number, stream % 10_000, day))
        if number % 20 != 13:
            _consent(rows, last, number, subject, stream, at)
    last.member += count
    return rows


def _name(number: int, chance: random.Random) -> tuple[str, str]:
    first = chance.choice(_BEYOND_ASCII if number % 10 == 3 else _FIRST)
    return _folded(f"{first} {chance.choice(_LAST)}")


@lru_cache
def _folded(name: str) -> tuple[str, str]:
    return name, fold_name(name)


def _mailbox(number: int, chance: random.Random, at: object) -> Row:
    domain = chance.choice(_DOMAINS)
    address = f"person.{number}@{domain}"
    return (number, address, address, domain, _digest("mailbox", number), "unknown", "", 0, 0, at)


def _consent(rows: dict[str, list[Row]], last: _Last, member: int, subject: str, stream: int, at: object) -> None:
    """They agreed on a form; of a hundred, three have left since."""
    entry = _given(rows, last, subject, stream, at)
    state = SubscriptionState.ACTIVE
    if member % 100 in {1, 34, 67}:
        last.entry += 1
        entry, state = last.entry, SubscriptionState.LEFT
        rows["mailer_consententry"].append(_line(entry, subject, stream, Kind.WITHDRAWN, None, "", at))
    rows["mailer_subscription"].append((member, stream, state, entry, at))


def _given(rows: dict[str, list[Row]], last: _Last, subject: str, stream: int, at: object) -> int:
    last.entry += 1
    commitment = _digest("commitment", last.entry)
    rows["mailer_consententry"].append(_line(last.entry, subject, stream, Kind.GIVEN, LIST, commitment, at))
    rows["mailer_consentevidence"].append((last.entry, bytes.fromhex(commitment[:32]), f"form {last.entry}"))
    return last.entry


def _line(number: int, subject: str, stream: int, kind: Kind, wording: int | None, commitment: str, at: object) -> Row:
    basis = (Article9.EXPLICIT_CONSENT, PecrBasis.CONSENT)
    return (number, subject, stream, kind, at, at, Channel.PAPER_FORM, wording, "bench", *basis, commitment, "")


def _digest(what: str, number: int) -> str:
    return hashlib.blake2b(f"{what} {number}".encode(), digest_size=32).hexdigest()


def _highest() -> _Last:
    with connection.cursor() as cursor:
        found = []
        for table in ("mailer_mailbox", "mailer_member", "mailer_consententry"):
            cursor.execute(f"SELECT COALESCE(MAX(id), 0) FROM {table}")
            found.append(cursor.fetchone()[0])
    return _Last(*found)


def _load(table: str, rows: Sequence[Row], columns: Sequence[str] = ()) -> None:
    columns = columns or _COLUMNS[table]
    names = ", ".join(columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            places = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows)


@contextmanager
def _careless() -> Iterator[None]:
    """Nothing in a scratch database need survive a power cut; within a transaction it is too late to say so."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous=OFF")
        cursor.execute("PRAGMA cache_size=-400000")
        yield
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA cache_size=-2000")


def _put_right() -> None:
    """Row numbers go on after ours, and the planner knows the tables."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for table in ("mailer_mailbox", "mailer_member", "mailer_consententry", "mailer_wording"):
                cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT MAX(id) FROM {table}))")
        cursor.execute("ANALYZE")
