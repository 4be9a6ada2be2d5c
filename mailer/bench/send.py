"""`mailer bench send`: a whole mailing from the due queue to the last letter kept, every letter verified.

A scratch site with its database as shipped, real worker processes, and a sink that remembers what everyone got. After
each mailing all letters are built once more, one by one, and compared: everyone got exactly one, and it was theirs.
Rates are from the first MAIL to the last letter kept.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from mailer.bench import dkim, wire
from mailer.bench.frame import ROUNDS, Report, Round, Row, compared, in_turn, peak_mib, this_machine
from mailer.bench.site import BASE_URL, Certificate, Site, fresh_database, make_certificate, scratch
from mailer.bench.wire import BenchRefused, Sink, Taken, Tools

#: 51,600 copies come of these: so many that starting the workers, and opening connections, is a small part of it.
MEMBERS = 60_000
#: 20,000 and 200,000 copies come of these.
FEW, MANY = 23_500, 235_000
SESSIONS = (1, 4, 16, 64)
#: What a person might set, of which the best is the peer of setting nothing.
CONNECTIONS = (4, 16, 64)
DELAY_MS = 20
#: A PostgreSQL server on which databases may be made; without it there are no rows of it.
DATABASE = "MAILER_BENCH_DATABASE"
_LOOK = 0.02
#: As `mailer run` has it (commands/serving.py, which cannot be asked without a site).
_MOST_WORKERS = 4
_LONGEST_SILENCE = 60.0
_ZONE = ZoneInfo("Europe/London")


@dataclass(frozen=True, slots=True)
class Sending:
    """One mailing handed over: what the sink saw, the most memory that any worker held, and when workers began."""

    mailing: int
    taken: Taken
    peak: float
    begun: float


@dataclass(frozen=True, slots=True)
class Bench:
    """A site and the sink that is its relay."""

    tools: Tools
    sink: Sink
    site: Site

    def ready(self) -> dict[str, Any]:
        """A new mailing that waits for workers, and a sink that remembers nothing: what `inside.mailing` says of it."""
        mailing: dict[str, Any] = self.site.ask("mailing")
        if mailing["state"] != "sending":
            raise BenchRefused(f"The mailing did not start: {mailing['state']} {mailing['reason']}")
        self.sink.forget()
        return mailing

    def send(self, workers: int = 0) -> Sending:
        """Prepare a mailing, let so many workers (0: as `mailer run` keeps) hand it over, and compare every letter."""
        mailing = self.ready()
        begun = time.monotonic()
        with self.working(workers) as running:
            taken = _await(self.sink, mailing["copies"])
            peak = max(peak_mib(worker.pid) for worker in running)
        self.verify(mailing["mailing"])
        return Sending(mailing["mailing"], taken, peak, begun)

    @contextmanager
    def working(self, workers: int = 0) -> Iterator[list[Popen[bytes]]]:
        """So many workers, or 0: as many as `mailer run` keeps."""
        with ExitStack() as stack:
            count = workers or min(_MOST_WORKERS, len(os.sched_getaffinity(0)))
            yield [stack.enter_context(self.site.running("worker")) for _ in range(count)]

    def verify(self, mailing: int) -> None:
        """Refuse a result unless everyone who should have a letter has exactly one, and the right one."""
        expected = {
            address: wire.Received(1, return_path, (head, body))
            for address, return_path, head, body in self.site.ask("expected", mailing, self.tools.sink)
        }
        received = self.sink.received()
        wrong = [address for address in expected.keys() | received if expected.get(address) != received.get(address)]
        if wrong:
            first = wrong[0]
            raise BenchRefused(
                f"{len(wrong)} of {len(expected)} letters are missing, doubled or not as they should be; of {first}"
                f" expected {expected.get(first)}, received {received.get(first)}."
            )


@contextmanager
def bench(
    tools: Tools,
    members: int,
    *,
    delay_ms: int = 0,
    certificate: Certificate | None = None,
    signed: bool = False,
    database: str = "sqlite",
    base_url: str = BASE_URL,
) -> Iterator[Bench]:
    """A site of so many members, and its relay."""
    pair = (certificate.certificate, certificate.key) if certificate else None
    with (
        wire.sink(tools, delay_ms=delay_ms, certificate=pair) as sink,
        scratch(
            sink.port, members=members, tls=certificate, signed=signed, database=database, base_url=base_url
        ) as site,
    ):
        yield Bench(tools, sink, site)


def run(members: int = MEMBERS, memory_of: tuple[int, int] = (FEW, MANY), rounds: int = ROUNDS) -> Report:
    """All rows; about 25 minutes."""
    rows: list[Row] = []
    with wire.compiled() as tools, TemporaryDirectory(prefix="mailer-bench-") as name:
        folder = Path(name)
        plain, alone = _plain(tools, folder, members, rounds, rows)
        _deployed(tools, folder, members, plain, rows)
        _slow_server(tools, members, rows)
        peak = _memory(tools, memory_of, rows)
        _first_letter(tools, rows)
        if os.environ.get(DATABASE):
            _postgres(tools, folder, members, alone, rows)
    return Report("send", tuple(rows), peak, this_machine())


def _plain(
    tools: Tools, folder: Path, members: int, rounds: int, rows: list[Row]
) -> tuple[Sequence[float], Sequence[float]]:
    """Plain SMTP beside Postfix's source and beside the limit; our rates, and one worker's alone."""
    rates: list[float] = []
    alone: list[float] = []
    sources: list[float | None] = []
    limits: list[float] = []
    with bench(tools, members) as ours, wire.sink(tools) as other:
        for _ in range(rounds):
            sending = ours.send()
            rates.append(sending.taken.rate)
            alone.append(ours.send(1).taken.rate)
            letter, unix = _one_letter(ours, sending.mailing, folder)
            count = sending.taken.letters
            sources.append(_best_source(other, unix, count))
            limits.append(wire.push(tools, other, letter, connections=16, letters=count))
        tuned = _tuned(ours, rounds)
    found = [Round(rate, source) for rate, source in zip(rates, sources, strict=True) if source]
    if found:
        rows.append(compared("end to end, plain", "letters/s", "best smtp-source", found, must="1.0x", aim="1.8x"))
    rows.append(tuned)
    limit = [Round(*pair) for pair in zip(rates, limits, strict=True)]
    rows.append(compared("end to end, plain", "letters/s", "ready letters, C", limit, must="0.5x", aim="0.8x"))
    return rates, alone


def _tuned(ours: Bench, rounds: int) -> Row:
    """Defaults beside the best number of connections that a person could have set."""
    tried = {}
    for connections in CONNECTIONS:
        ours.site.use_connections(connections)
        tried[connections] = ours.send().taken.rate
    best = max(tried, key=tried.__getitem__)
    found = in_turn(lambda: _rate_with(ours, 0), lambda: _rate_with(ours, best), rounds)
    ours.site.use_connections(0)
    beside = f"{best} connections set by hand"
    return compared("end to end, plain, defaults untouched", "letters/s", beside, found, must="0.9x", aim="1.0x")


def _rate_with(ours: Bench, connections: int) -> float:
    ours.site.use_connections(connections)
    return ours.send().taken.rate


def _one_letter(ours: Bench, mailing: int, folder: Path) -> tuple[Path, Path]:
    """A letter of the site with the line ends of the wire, and with plain ones, which smtp-source wants."""
    letter, unix = folder / "letter.eml", folder / "letter.txt"
    ours.site.ask("letter", mailing, letter)
    unix.write_bytes(letter.read_bytes().replace(b"\r\n", b"\n"))
    return letter, unix


def _best_source(other: Sink, letter: Path, letters: int) -> float | None:
    rates = [wire.smtp_source(other, letter, sessions=sessions, letters=letters) for sessions in SESSIONS]
    return max(rate for rate in rates if rate is not None) if rates[0] is not None else None


def _deployed(
    tools: Tools, folder: Path, members: int, plain: Sequence[float], rows: list[Row], database: str = "sqlite"
) -> None:
    """TLS and a DKIM signature, beside 0.7 of whichever of its parts is the slowest by itself."""
    certificate = make_certificate(folder)
    pair = (certificate.certificate, certificate.key)
    rounds = []
    with (
        bench(tools, members, certificate=certificate, signed=True, database=database) as ours,
        wire.sink(tools, certificate=pair) as other,
    ):
        for rate in plain:
            sending = ours.send()
            letter, _ = _one_letter(ours, sending.mailing, folder)
            sent = sending.taken
            echo = wire.push_by_tls(
                other, letter.read_bytes(), certificate.certificate, connections=4, letters=sent.letters
            )
            rounds.append(Round(sent.rate, 0.7 * min(rate, dkim.signatures_per_second(), echo)))
    what = f"as deployed: TLS, DKIM RSA-2048, {'SQLite' if database == 'sqlite' else 'PostgreSQL'}"
    beside = "0.7 of the least of plain, signer, TLS alone"
    rows.append(compared(what, "letters/s", beside, rounds, must="1.0x", aim="1.3x"))


def _slow_server(tools: Tools, members: int, rows: list[Row]) -> None:
    """A server that takes its time for every answer, beside what one worker's connections could do at best."""
    with bench(tools, members, delay_ms=DELAY_MS) as ours:
        taken = [ours.send(workers=1).taken for _ in range(3)]
    rounds = [Round(one.rate, one.connections * 1000 / DELAY_MS) for one in taken]
    beside = f"connections / {DELAY_MS} ms"
    rows.append(
        compared(f"a server answering after {DELAY_MS} ms", "letters/s", beside, rounds, must="0.8x", aim="0.95x")
    )


def _memory(tools: Tools, members: tuple[int, int], rows: list[Row]) -> float:
    """The most that a worker holds, for few copies and for many; the latter."""
    peaks = []
    for number in members:
        with bench(tools, number) as ours:
            sending = ours.send()
            peaks.append(sending.peak)
    few, many = peaks
    what = f"peak memory of a worker, {sending.taken.letters:,} copies"
    rows.append(Row(what, "MiB", many, "a tenth of them", few, many / few, many / few, "<= 1.3x", "<= 1.1x, < 90 MiB"))
    return many


def _first_letter(tools: Tools, rows: list[Row]) -> None:
    """How soon the first MAIL comes: after the due time with a worker running, and after a worker's start."""
    with bench(tools, 500) as ours:
        sending = ours.send()
        rows.append(_delay("worker start to first letter", sending.taken.first_mail - sending.begun, "3 s", "1 s"))
        due = (datetime.now(UTC) + timedelta(seconds=10)).replace(second=0, microsecond=0) + timedelta(minutes=1)
        at = time.monotonic() + (due - datetime.now(UTC)).total_seconds()
        ours.sink.forget()
        with ours.site.running("worker"):
            mailing = ours.site.ask("mailing", due.astimezone(_ZONE).strftime("%Y-%m-%d %H:%M"))
            time.sleep(max(0.0, at - time.monotonic()))
            taken = _await(ours.sink, 1)
            _await(ours.sink, sending.taken.letters)
        ours.verify(mailing["mailing"])
    rows.append(_delay("due time to first letter", taken.first_mail - at, "1 s", "0.2 s"))


def _delay(what: str, seconds: float, must: str, aim: str) -> Row:
    return Row(what, "s", seconds, must=must, aim=aim)


def _postgres(tools: Tools, folder: Path, members: int, alone: Sequence[float], rows: list[Row]) -> None:
    """The same on PostgreSQL, by one worker, by three, and as people run it; `alone` is one worker on SQLite."""
    server = os.environ[DATABASE]
    with fresh_database(server) as database, bench(tools, members, database=database) as ours:
        rates = [tuple(ours.send(workers).taken.rate for workers in (1, 3, 0)) for _ in alone]
    one = [Round(first, rate) for (first, _, _), rate in zip(rates, alone, strict=True)]
    three = [Round(second, first) for first, second, _ in rates]
    rows.append(compared("PostgreSQL, one worker", "letters/s", "SQLite, one worker", one, aim="0.5x"))
    rows.append(compared("PostgreSQL, three workers", "letters/s", "one worker", three, must="1.0x"))
    with fresh_database(server) as database:
        _deployed(tools, folder, members, [usual for _, _, usual in rates], rows, database)


def _await(sink: Sink, letters: int) -> Taken:
    """When the sink has so many; refuses when nothing more comes."""
    taken, moved = sink.taken(), time.monotonic()
    while taken.letters < letters:
        time.sleep(_LOOK)
        before, taken = taken, sink.taken()
        if taken.letters > before.letters:
            moved = time.monotonic()
        elif time.monotonic() - moved > _LONGEST_SILENCE:
            raise BenchRefused(f"Nothing more comes: {taken.letters} of {letters} letters arrived.")
    return taken
