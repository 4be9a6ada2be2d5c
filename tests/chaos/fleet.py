"""A site with people and a mailing that is due, its hosts, its workers, and what its database says.

On SQLite all workers are on one host. On PostgreSQL each has a host of its own: a copy of the site's folder beside one
database. Workers are the real command; what is set differently is the lease and, after a power cut, the boot.
"""

import os
import shutil
import signal
import socket
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mailer.core.token import Keyring, Purpose
from mailer.keys import load
from tests.chaos.nursery import Nursery, Process
from tests.commands.site import CONSENTING, DEADLINE, SILENT, Site, make_site, members_csv, new_database, until

#: Of these many people most agreed to the letter.
PEOPLE = 600
#: Workers of a site, and connections of each to the relay.
WORKERS, CONNECTIONS = 3, 4
#: Seconds for which a claim holds: longer than any hiccup here; and short enough to be waited for, where it must lapse.
LEASE, SHORT_LEASE = 60.0, 3.0
#: How a worker may end on SIGTERM: cleanly, or before it had begun at all.
WELL = {0, -signal.SIGTERM}
_HELD = "SELECT c.id, b.address, c.claimed_by FROM mailer_copy c JOIN mailer_mailbox b ON b.id = c.mailbox_id"
_LIMIT = f'relays = [{{name = "smtp", connections = {CONNECTIONS}}}]'


def made(folder: Path) -> Site:
    """A site with a mailing that is due and that nobody has begun: it may still be copied."""
    site = make_site(folder)
    more = folder / "more.csv"
    more.write_text(members_csv(PEOPLE, SILENT))
    assert site.told("members", "import", "more.csv")["new"] == PEOPLE - CONSENTING
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("relays = []", _LIMIT, 1))
    site.schedule_now()
    return site


@dataclass
class Pages:
    """`mailer web` at a port of its own."""

    running: "Fleet"
    port: int

    def leave(self, address: str) -> bool:
        """What a mail program does when somebody presses its button; whether they were told that it holds."""
        ((handle,),) = self.running.rows(
            "SELECT c.handle FROM mailer_copy c JOIN mailer_mailbox b ON b.id = c.mailbox_id"  # noqa: S608 - an address of our own
            f" WHERE b.address = '{address}'"
        )
        token = Keyring(load(self.running.data / "keys").token).sign(Purpose.LEAVE, handle & 0xFFFF_FFFF_FFFF_FFFF)
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/u/{token}", b"List-Unsubscribe=One-Click", method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as answer:  # noqa: S310 - our own page
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 503:
                raise
            return False


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=DEADLINE):
        return True
    return False


@dataclass
class Fleet:
    """The hosts of one site, and the workers that run on them."""

    hosts: list[Site]
    nursery: Nursery
    workers: list[Process] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    #: What its processes find in their environment beside what they need.
    environ: dict[str, str] = field(default_factory=dict)
    lease: float = LEASE
    _host_of: dict[Process, Site] = field(default_factory=dict)
    #: If the machines were started anew: since when, by name.
    boot: str = ""

    @property
    def site(self) -> Site:
        """Where a person sits."""
        return self.hosts[0]

    @property
    def is_on_sqlite(self) -> bool:
        return not self.site.database

    @property
    def data(self) -> Path:
        """Where the first host has its data."""
        return self.site.folder / "var"

    @property
    def file(self) -> Path:
        """SQLite's database."""
        return self.data / "mailer.sqlite3"

    @property
    def url(self) -> str:
        """PostgreSQL's database."""
        return self.site.environ["MAILER_DATABASE__URL"]

    def start(self, count: int = WORKERS) -> list[Process]:
        """Start so many workers, one on each host in turn."""
        begun = [self._start_on(self.hosts[number % len(self.hosts)]) for number in range(count)]
        self.workers += begun
        return begun

    def start_again(self, fallen: Iterable[Process]) -> None:
        """Start another worker where each of these was."""
        self.workers += [self._start_on(self._host_of[worker]) for worker in fallen]

    def _start_on(self, host: Site) -> Process:
        worker = self.call("worker", host=host)
        self._host_of[worker] = host
        return worker

    def call(self, *words: str, host: Site | None = None) -> Process:
        """Start a command on a host."""
        place = host or self.site
        return self.nursery.bear(
            place.folder,
            place.environ | self.environ,
            words,
            place.folder / "said.txt",
            lease=self.lease,
            boot=self.boot,
        )

    def done(self, *words: str) -> None:
        """A command that must succeed."""
        assert self.call(*words).wait() == 0, self.said()

    def said(self) -> str:
        """The last words on each host."""
        return "\n".join((host.folder / "said.txt").read_text()[-1000:] for host in self.hosts)

    def kill(self, workers: Sequence[Process] | None = None) -> None:
        """kill -9, all at the same moment."""
        self._end(signal.SIGKILL, workers)

    def terminate(self, workers: Sequence[Process] | None = None) -> list[int]:
        """SIGTERM, and wait for the end; how each ended."""
        return self._end(signal.SIGTERM, workers)

    def _end(self, number: int, workers: Sequence[Process] | None) -> list[int]:
        ending = list(self.workers if workers is None else workers)
        for worker in ending:
            worker.send_signal(number)
        ended = [worker.wait() for worker in ending]
        self.workers = [worker for worker in self.workers if worker not in ending]
        return ended

    # --- what the database says

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        """The answer to a question in SQL, read beside whoever works."""
        if self.is_on_sqlite:
            connection = sqlite3.connect(f"file:{self.file}?mode=rw", uri=True, timeout=DEADLINE)
            try:
                return connection.execute(question).fetchall()
            finally:
                connection.close()
        import psycopg

        with psycopg.connect(self.url) as connected:
            return connected.execute(question).fetchall()  # type: ignore[call-overload, no-any-return]

    @property
    def state(self) -> str:
        """Of the one mailing."""
        return str(self.rows("SELECT state FROM mailer_mailing")[0][0])

    def held(self) -> dict[str, str]:
        """Who is in a worker's hands now, by address: the name of the worker."""
        return {address: worker for _, address, worker in self.rows(f"{_HELD} WHERE c.state = 'claimed'")}

    def copies(self) -> dict[str, str]:
        """The state of each copy by its address; every copy has its own."""
        rows = self.rows("SELECT b.address, c.state FROM mailer_copy c JOIN mailer_mailbox b ON b.id = c.mailbox_id")
        assert len(rows) == len({address for address, _ in rows})
        return dict(rows)

    def outcomes(self) -> list[tuple[str, int]]:
        """Deliveries by outcome, a row for each candidate."""
        return [(str(outcome), int(n)) for outcome, n in self.rows(
            "SELECT outcome, COUNT(*) FROM mailer_delivery GROUP BY outcome")]  # fmt: skip

    # --- what happens to it

    def lock(self) -> Callable[[], None]:
        """Keep everybody else from writing, until what this returns is called."""
        if self.is_on_sqlite:
            connection = sqlite3.connect(self.file, timeout=DEADLINE, isolation_level=None)
            connection.execute("BEGIN IMMEDIATE")
            return connection.close
        import psycopg

        held = psycopg.connect(self.url)
        held.execute("LOCK TABLE mailer_subscription, mailer_consententry IN EXCLUSIVE MODE")
        return held.close

    def hang_up(self) -> None:
        """End every connection to the database."""
        self.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                  " WHERE datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip

    @contextmanager
    def pages(self) -> Iterator[Pages]:
        """The pages, on the first host."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        process = self.call("web", "--listen", f"127.0.0.1:{port}")
        try:
            until(lambda: _answers(port) or process.poll() is not None, "the pages are there")
            assert process.status is None, self.said()
            yield Pages(self, port)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Its workers are ended with the block, however they are, and its database goes."""
        try:
            yield
        finally:
            for worker in self.workers:
                worker.send_signal(signal.SIGCONT)
            self.kill()
            drop(self.site.database)

    # --- what a person does

    def see_to(self) -> None:
        """What a person does about it: adopt the site if it asks for that, and resume what stands still."""
        if self.rows("SELECT 1 FROM mailer_halt WHERE ended_at IS NULL AND faced_at IS NOT NULL"):
            self.done("site", "adopt", "--reason", "a rehearsal")
        if self.state in {"stopped", "paused"} and not self.rows("SELECT 1 FROM mailer_halt WHERE ended_at IS NULL"):
            self.done("issue", "resume", "1")

    def replace_the_fallen(self) -> None:
        """What `mailer run` does with a worker that has ended by itself; it is a fault all the same."""
        fallen = [worker for worker in self.workers if worker.poll() is not None]
        if fallen:
            self.faults.append(f"workers fell: {self.said()}")
            self.workers = [worker for worker in self.workers if worker not in fallen]
            self.start_again(fallen)

    def finish(self) -> None:
        """Wait until all is sent, as a person who looks after it; then end all workers."""

        def is_sent() -> bool:
            self.replace_the_fallen()
            self.see_to()
            return self.state == "sent"

        until(is_sent, f"the mailing is sent; see {self.site.folder}")
        ended = self.terminate()
        if not set(ended) <= WELL:
            self.faults.append(f"workers ended with {ended}: {self.said()}")


@contextmanager
def fleet(template: Site, folder: Path, port: int, nursery: Nursery) -> Iterator[Fleet]:
    """A copy of the template, whose relay is at this port; its workers are ended with the block."""
    database = new_database(template=template.database) if template.database else ""
    hosts = []
    for number in range(WORKERS if database else 1):
        shutil.copytree(template.folder, folder / f"host{number}")
        host = Site(folder / f"host{number}", database)
        host.use_relay(port)
        hosts.append(host)
    running = Fleet(hosts, nursery)
    with running.ending():
        yield running


def drop(database: str) -> None:
    """A database that nobody needs any more."""
    if database:
        import psycopg

        with psycopg.connect(os.environ["MAILER_TEST_DATABASE"], autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)')  # type: ignore[arg-type]
