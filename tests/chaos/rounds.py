"""One round: a mailing, an event in its midst, new workers, and everybody counted.

Law of the file: the server's own record and the database's rows are set beside each other; what the workers believe is
not asked. Of each uncertain copy it is asked whether anybody could have known better.
"""

import random
import time
from bisect import bisect_left
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import power
from tests.chaos.fleet import LEASE, PEOPLE, WORKERS, Fleet, Pages, fleet
from tests.chaos.nursery import Nursery
from tests.chaos.sink import Letter, Sink
from tests.commands.site import SILENT, Site, until

#: Seconds that the server takes to answer, at most: so the mailing lasts for some seconds, and is cut off in its midst.
DELAY = 0.04
#: Copies of a first claim, whatever the rate; afterwards a claim is no more than about a second of work.
FIRST_CLAIM = 50
#: Seconds until an answer that was sent is surely read, on a machine that does much else.
READ = 1.0
#: Seconds after the answer to a leave in which a letter may still be announced (standards L8).
LAST_MOMENT = 0.2


@dataclass
class Doubts:
    """Of whom nobody can know whether they were written to: `held` by address.

    `bound` is how many at most. If the journal can be read, an answer that came long before `since` is known.
    """

    held: set[str] = field(default_factory=set)
    bound: int = 0
    since: float | None = None
    #: What is done and looked at when all are counted.
    afterwards: "Callable[[Round], None] | None" = None

    def has(self, address: str, letters: dict[str, Letter]) -> bool:
        letter = letters.get(address)
        known_at = letter.answered_at if letter else None
        return address in self.held and not (self.since and known_at and known_at < self.since - READ)


@dataclass
class Toll:
    """What a round came to."""

    event: str
    letters: int = 0
    lost: int = 0
    doubled: int = 0
    uncertain: int = 0
    bound: int = 0
    in_doubt: int = 0
    #: Seconds after the answer to a leave at which the last letter to one who left was announced.
    latest: float = 0.0
    faults: list[str] = field(default_factory=list)


@dataclass
class Round:
    """What an event finds."""

    running: Fleet
    sink: Sink
    chance: random.Random
    folder: Path
    #: Ended with the round.
    stack: ExitStack
    #: Where the power cut finds what was synced.
    shadow: Path
    #: Who left, and when the page said so.
    left: dict[str, float] = field(default_factory=dict)
    #: Those too who were told that it could not be done just now, and of whom it may be done all the same.
    asked: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def reach(self, least: float = 0.1, most: float = 0.7) -> float:
        """Wait for a random share of the letters, and a random moment more; when that was."""
        wanted = int(PEOPLE * self.chance.uniform(least, most))
        until(lambda: len(self.sink.letters) >= wanted, f"{wanted} letters are sent; see {self.folder}")
        time.sleep(self.chance.uniform(0, 2 * DELAY))
        return time.monotonic()

    def leave(self, pages: Pages, address: str) -> None:
        """One click; whoever was told that it holds is noted with the time."""
        self.asked.add(address)
        if pages.leave(address):
            self.left[address] = time.monotonic()

    def begin(self) -> None:
        self.running.start()

    def busiest_second(self) -> int:
        """Letters kept in the busiest second so far, by each worker."""
        kept = [letter.kept_at for letter in self.sink.letters]
        most = max((number + 1 - bisect_left(kept, at - 1.0) for number, at in enumerate(kept)), default=0)
        return -(-most // WORKERS)

    def a_claim(self, workers: int) -> int:
        """What so many workers may hold: a first claim, or about a second of work."""
        return workers * (FIRST_CLAIM + self.busiest_second())


Event = Callable[[Round], Doubts]


def play(
    name: str, event: Event, template: Site, nursery: Nursery, folder: Path, seed: int, *, lease: float = LEASE
) -> Toll:
    """Play one round in a folder."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        sink = stack.enter_context(Sink(DELAY, chance))
        running = stack.enter_context(fleet(template, folder, sink.port, nursery))
        this = Round(running, sink, chance, folder, stack, folder / "shadow")
        if running.is_on_sqlite and nursery.cuts_power:
            running.environ = power.begin(running.data, this.shadow)
        running.lease = lease
        this.begin()
        doubts = event(this)
        running.finish()
        toll = _count(name, this, doubts)
        if doubts.afterwards:
            doubts.afterwards(this)
        return toll


def _count(name: str, this: Round, doubts: Doubts) -> Toll:
    got, copies = this.sink.copies, this.running.copies()
    letters = {letter.to: letter for letter in this.sink.letters}
    uncertain = {address for address, state in copies.items() if state == "uncertain"}
    toll = Toll(name, sum(got.values()), uncertain=len(uncertain), bound=doubts.bound, faults=this.faults)
    toll.faults += this.running.faults
    toll.lost = sum(state == "accepted" and not got[address] for address, state in copies.items())
    toll.lost += PEOPLE - len(copies)
    toll.doubled = sum(count > 1 for count in got.values())
    toll.in_doubt = sum(doubts.has(address, letters) for address in uncertain)
    _find_fault(toll, this, copies)
    for address, answered_at in this.left.items():
        if address in letters:
            toll.latest = max(toll.latest, letters[address].announced_at - answered_at)
    for failed, words in (
        (toll.lost, f"{toll.lost} lost"),
        (toll.doubled, f"{toll.doubled} doubled: {[each for each in got if got[each] > 1][:5]}"),
        (toll.uncertain > toll.bound, f"{toll.uncertain} uncertain, and {toll.bound} is the bound"),
        (toll.in_doubt < toll.uncertain, f"{toll.uncertain - toll.in_doubt} uncertain without need"),
        (toll.latest > LAST_MOMENT, f"a letter announced {toll.latest:.3f} s after its reader had left"),
    ):
        if failed:
            toll.faults.append(words)
    return toll


def _find_fault(toll: Toll, this: Round, copies: dict[str, str]) -> None:
    """Sums that do not close, and states that nothing here explains."""
    candidates = sum(count for _, count in this.running.outcomes())
    if candidates != PEOPLE + SILENT:
        toll.faults.append(f"{candidates} outcomes of {PEOPLE + SILENT} candidates")
    for address, state in copies.items():
        if state == "withdrawn" and address not in this.asked:
            toll.faults.append(f"{address} was withdrawn and never left")
        elif state not in {"accepted", "uncertain", "withdrawn"}:
            toll.faults.append(f"{address} is {state} in the end")
        if state == "withdrawn" and this.sink.copies[address]:
            toll.faults.append(f"{address} is withdrawn and got a letter")
