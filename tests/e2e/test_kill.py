"""kill -9 at any moment: nobody gets a letter twice, and nobody is missing who is not said to be in doubt (T6)."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from mailer.actions.recover import recover
from mailer.house import House
from mailer.models import Copy
from mailer.transport.journal import Journal
from tests.actions.office import Office
from tests.transport.deeds import Deed, Moment
from tests.transport.wire import Wire
from tests.world import anne, join, stream

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE = 120
#: Of a worker: each has at most one letter between the first octet of its content and its answer.
CONNECTIONS = 4

#: A worker of its own process: its sender against the server at this port, until there is nothing to do.
_WORKER = """
import os, secrets, signal, sys, time
os.environ["MAILER_TEST_PROCESS"] = "1"
import django
django.setup()
from datetime import datetime
from django.conf import settings
from django.db import connections
connections.databases["default"]["NAME"] = sys.argv[3]
from mailer.actions.hand_over import Sender
from mailer.actions.pulse import Pulse
from mailer.core.watch import SignOfLife
from mailer.house import open_house
from mailer.transport.journal import Journal
from mailer.transport.pool import Pool
from mailer.transport.relay import Relay
from mailer.transport.smtp import connect
from pathlib import Path

stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
house = open_house(settings.CONFIG)
relay = Relay("127.0.0.1", int(sys.argv[1]), "none", "localhost")
journal = Journal(Path(sys.argv[4]), "worker")
now = datetime.fromisoformat(sys.argv[2])
pulse = Pulse(SignOfLife("worker", "host", os.getpid(), "", now))
sender = Sender(
    house, journal, lambda _: Pool(lambda: connect(relay).lane, time.monotonic, most=int(sys.argv[5])),
    lambda: now, time.monotonic, lambda: secrets.randbits(64), pulse, (), lambda: bool(stopping),
)
print("ready", flush=True)
while not stopping and sender.work():
    pass
sender.rest()
journal.close()
"""


@contextmanager
def worker(office: Office, server: Wire, journals: Path) -> Iterator[subprocess.Popen[str]]:
    """A worker that is at work."""
    # The key and data folder are the test's own; the child must not make others.
    from django.conf import settings

    config = settings.CONFIG
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "mailer.settings",
        "MAILER_CONFIG": str(config.source),
        "MAILER_DATA__DIR": str(config.data.dir),
    }
    name = str(connection.settings_dict["NAME"])
    arguments = [str(server.port), office.now.isoformat(), name, str(journals), str(CONNECTIONS)]
    process = subprocess.Popen(
        [sys.executable, "-c", _WORKER, *arguments], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def slowly(_moment: Moment, deed: Deed) -> Deed:
    """So that a kill meets letters at every step."""
    return Deed(deed.says, deed.then, 0.001, deed.keeps)


def crowd(office: Office, people: int) -> set[str]:
    news = stream(office.house)
    boxes = {f"m{n}@example.org" for n in range(people)}
    for box in sorted(boxes):
        join(office.house, f"Member {box[1:4]}", box, consents=[news])
    office.begun(anne())
    return boxes


def settle(house: House, office: Office, journals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(House, "journals", property(lambda _: journals))
    recover(house, office.now)


def doubtful() -> set[str]:
    return set(Copy.unscoped.filter(state="uncertain").values_list("mailbox__address", flat=True))


def kill_until_done(
    house: House, office: Office, server: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> int:
    """Start workers and kill each after a few letters; then let one finish. How many were killed."""
    chance = random.Random(rounds)
    killed = 0
    for _ in range(rounds):
        with worker(office, server, tmp_path) as process:
            wanted = len(server.messages) + chance.randrange(1, 20)
            while len(server.messages) < wanted and process.poll() is None:
                time.sleep(chance.choice((0.0, 0.0003, 0.002)))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                killed += 1
            process.wait()
        settle(house, office, tmp_path, monkeypatch)
    with worker(office, server, tmp_path) as process:
        process.wait(60)
    settle(house, office, tmp_path, monkeypatch)
    return killed


@pytest.mark.parametrize("rounds", [5, pytest.param(40, marks=pytest.mark.long)])
def test_killed_again_and_again(
    house: House, office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    boxes = crowd(office, PEOPLE if rounds < 10 else 600)
    with Wire(slowly) as server:
        killed = kill_until_done(house, office, server, tmp_path, monkeypatch, rounds)
        twice = {box: count for box, count in server.copies.items() if count > 1}
        assert twice == {}
        assert boxes - set(server.copies) <= doubtful()
        accepted = set(Copy.unscoped.filter(state="accepted").values_list("mailbox__address", flat=True))
        assert accepted <= set(server.copies)
        assert accepted | doubtful() == boxes
    assert killed >= rounds - 1
    assert len(doubtful()) <= killed * CONNECTIONS
    office.ring()
    assert office.mailing(office_issue()).state == "sent"


def office_issue() -> int:
    from mailer.models import Issue

    return int(Issue.unscoped.get().pk)


def test_sigterm_loses_nothing_and_doubts_nothing(
    house: House, office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = crowd(office, 60)
    with Wire(slowly) as server:
        for _ in range(2):
            with worker(office, server, tmp_path) as process:
                wanted = len(server.messages) + 9
                while len(server.messages) < wanted and process.poll() is None:
                    time.sleep(0.001)
                process.terminate()
                assert process.wait(10) == 0
            assert not Copy.unscoped.filter(state__in=("claimed", "uncertain")).exists()
            assert not list(tmp_path.glob("*.journal"))
        with worker(office, server, tmp_path) as process:
            assert process.wait(60) == 0
        assert server.copies == dict.fromkeys(boxes, 1)


def test_a_worker_of_the_same_name_waits_for_recovery(
    house: House, office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mailer.transport.journal import JournalError

    crowd(office, 60)
    with Wire(slowly) as server:
        with worker(office, server, tmp_path) as process:
            while len(server.messages) < 5:
                time.sleep(0.001)
            process.kill()
            process.wait()
        with pytest.raises(JournalError):
            Journal(tmp_path, "worker")
        settle(house, office, tmp_path, monkeypatch)
        Journal(tmp_path, "worker").close()
    office.now += timedelta(minutes=1)
