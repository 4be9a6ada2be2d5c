"""The events: what each does to a mailing in its midst, and of whom it leaves anybody in doubt."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos import backup, power
from tests.chaos.fleet import CONNECTIONS, SHORT_LEASE, WELL, WORKERS, Fleet
from tests.chaos.nursery import Process
from tests.chaos.rounds import DELAY, Doubts, Event, Round
from tests.commands.site import until

_OPEN = {"queued", "claimed", "deferred", "held"}


def one_killed(this: Round) -> Doubts:
    """kill -9 of one worker; another takes its place while the others go on."""
    at, victims = _kill(this, 1)
    doubts = Doubts(_held_by(this, victims), CONNECTIONS, at)
    this.running.start_again(victims)
    return doubts


def all_killed(this: Round) -> Doubts:
    """kill -9 of all workers at the same moment."""
    at, victims = _kill(this, WORKERS)
    doubts = Doubts(_held_by(this, victims), CONNECTIONS * WORKERS, at)
    this.begin()
    return doubts


def terminated(this: Round) -> Doubts:
    """SIGTERM to all: letters in hand are finished, the rest is given back."""
    this.reach()
    if not set(this.running.terminate()) <= WELL:
        this.faults.append("a worker did not end well")
    if this.running.held():
        this.faults.append("something was not given back")
    this.begin()
    return Doubts()


def frozen(this: Round) -> Doubts:
    """SIGSTOP of one worker beyond its lease, then SIGCONT: what it held is in doubt, and it sends nothing more."""
    this.reach()
    victim = this.chance.choice(this.running.workers)
    victim.send_signal(signal.SIGSTOP)
    held = _held_by(this, [victim])
    time.sleep(SHORT_LEASE * this.chance.uniform(0.5, 2.0))
    victim.send_signal(signal.SIGCONT)
    return Doubts(held, this.a_claim(1))


def journal_gone(this: Round) -> Doubts:
    """A host is lost with its journal: what its worker held lapses, and is in doubt."""
    _, victims = _kill(this, 1)
    held = _held_by(this, victims)
    for host in this.running.hosts:
        for path in (host.folder / "var" / "journal").glob(f"*-{victims[0].pid}-*.journal"):
            path.unlink()
    this.running.start_again(victims)
    return Doubts(held, this.a_claim(1))


def machine_started_anew(this: Round) -> Doubts:
    """All machines are started anew: the journals are of another boot, and nothing in them is believed."""
    _, victims = _kill(this, WORKERS)
    held = _held_by(this, victims)
    this.running.boot = "another-boot"
    this.begin()
    return Doubts(held, this.a_claim(WORKERS))


def power_cut(this: Round) -> Doubts:
    """The one machine loses its power (tests/chaos/power.py says what its disk has of it), and is started anew."""
    this.reach()
    accepted = {address for address, state in this.running.copies().items() if state == "accepted"}
    this.running.kill()
    power.cut(this.running.data, this.shadow, this.chance)
    this.running.boot = "another-boot"
    copies = this.running.copies()
    forgotten = [address for address in accepted if copies.get(address) != "accepted"]
    if forgotten:
        this.faults.append(f"{len(forgotten)} were accepted before the power cut, and are not after it")
    held = set(this.running.held())
    this.begin()
    return Doubts(held, this.a_claim(WORKERS))


def restored(this: Round) -> Doubts:
    """A backup of mid-mailing is put in place of the database; some left after it was made.

    A person adopts the site and resumes the mailing; then sends again to those in doubt.
    """
    this.reach(0.1, 0.4)
    kept = backup.take(this.running, this.folder / "backup")
    open_then = {address for address, state in kept.copies().items() if state in _OPEN}
    with this.running.pages() as pages:
        leavers = _who_waits(this, 3)
        for address in leavers:
            this.leave(pages, address)
    this.reach(0.5, 0.8)
    this.running.kill()
    backup.put_back(this.running, kept)
    this.begin()
    return Doubts(open_then, len(open_then), afterwards=_send_again)


def _send_again(this: Round) -> None:
    """Everybody has it then, at the price that some have it twice; and nobody who has left gets another."""
    before = this.sink.copies
    this.running.done("issue", "again", "1")
    this.running.start(1)
    this.running.finish()
    after = this.sink.copies
    missed = [
        address for address, state in this.running.copies().items() if not after[address] and address not in this.left
    ]
    if missed:
        this.faults.append(f"{len(missed)} have no letter although it was sent again: {missed[:5]}")
    if any(after[address] > before[address] for address in this.left):
        this.faults.append("one who had left was written to again")


def copied(this: Round) -> Doubts:
    """The whole machine is copied at one moment, and both go on; later a person adopts the copy, too."""
    this.reach()
    for worker in this.running.workers:
        worker.send_signal(signal.SIGSTOP)
    twin = backup.twin(this.running, this.folder / "twin")
    this.stack.enter_context(twin.ending())
    for worker in this.running.workers:
        worker.send_signal(signal.SIGCONT)
    twin.start()
    return Doubts(afterwards=lambda this: _see_to_the(twin, this))


def _see_to_the(twin: Fleet, this: Round) -> None:
    before = len(this.sink.letters)
    # The original may be through before the copy's workers have begun to look.
    until(lambda: twin.state in {"stopped", "sent"}, "the copy's mailing stands still")
    twin.finish()
    if len(this.sink.letters) != before:
        this.faults.append("the copy has sent letters after it was adopted")


def leaving(this: Round) -> Doubts:
    """People leave by one click while they wait for their letter, some of them while the database is locked."""
    with this.running.pages() as pages:
        this.reach(0.05, 0.3)
        for address in _who_waits(this, 6):
            this.leave(pages, address)
            time.sleep(this.chance.uniform(0, DELAY))
        with _locked(this):
            for address in _who_waits(this, 3):
                this.leave(pages, address)
    return Doubts()


def database_away(this: Round) -> Doubts:
    """The database hangs up on everybody, several times: letters on the way are finished or in doubt."""
    this.reach(0.1, 0.3)
    at, held = time.monotonic(), set[str]()
    for _ in range(3):
        held |= set(this.running.held())
        this.running.hang_up()
        time.sleep(this.chance.uniform(0.1, 0.5))
    return Doubts(held | set(this.running.held()), 3 * CONNECTIONS * WORKERS, at)


@contextmanager
def _locked(this: Round) -> Iterator[None]:
    """While nobody else can write."""
    lock = this.running.lock()
    try:
        yield
    finally:
        lock()


def _who_waits(this: Round, count: int) -> list[str]:
    """Some who have no letter yet, and have not left; most of them are about to get it."""
    got = this.sink.copies
    copies = this.running.copies()
    waiting = [each for each, state in copies.items() if state in _OPEN and not got[each] and each not in this.left]
    held = [each for each in waiting if copies[each] == "claimed"]
    some = this.chance.sample(held, min(count - 1, len(held)))
    return [*some, *this.chance.sample(waiting, min(count - len(some), len(waiting)))]


def _kill(this: Round, count: int) -> tuple[float, list[Process]]:
    at = this.reach()
    victims = this.chance.sample(this.running.workers, count)
    this.running.kill(victims)
    return at, victims


def _held_by(this: Round, workers: list[Process]) -> set[str]:
    """Addresses that the database says are in their hands; the name of a worker has its process in it."""
    marks = tuple(f"-{worker.pid}-" for worker in workers)
    return {address for address, name in this.running.held().items() if any(mark in name for mark in marks)}


EVERYWHERE: dict[str, Event] = {
    each.__name__: each
    for each in (
        one_killed, all_killed, terminated, frozen, journal_gone, machine_started_anew, restored, copied, leaving,
    )
}  # fmt: skip
#: Only a server hangs up, and only of files of our own we know what the disk has.
ON_POSTGRES: dict[str, Event] = {"database_away": database_away}
ON_SQLITE: dict[str, Event] = {"power_cut": power_cut}
#: Where claims must lapse before anybody knows more.
LAPSES = {frozen, journal_gone}
