"""What saturates first: a small simulation of claims, cores, links and the relay, by constants measured elsewhere here.

A worker takes a claim from the database, makes and signs its letters on a core of its host, and hands them over the
host's link to the relay. Each of these serves one claim at a time (the database: as many as it has writers) and makes
the next wait. The busiest is what to add to. `mailer bench scale` shows the table of docs/scale.md.
"""

import heapq
from dataclasses import dataclass
from itertools import count

from mailer.bench.frame import Report, Row, peak_mib, this_machine

#: Letters in a claim at full speed, and claims that are simulated at most; a longer run goes on as it began.
_CLAIM, _MOST_CLAIMS = 1000, 20_000


@dataclass(frozen=True, slots=True)
class Constants:
    """Seconds a letter, measured on one core of the machine of docs/performance.md; octets of a letter."""

    hand_over: float = 40e-6
    encrypt: float = 55e-6
    sign: float = 345e-6
    on_sqlite: float = 13e-6
    on_postgresql: float = 75e-6
    octets: int = 38_000


@dataclass(frozen=True, slots=True)
class Site:
    """Who sends what by which means; `relay` is in letters a second, `link` in megabits a second for each host."""

    name: str
    letters: int
    hosts: int = 1
    cores: int = 2
    writers: int = 1
    relay: float = 50.0
    link: float = 100.0
    postgresql: bool = False


#: From a village to a country: what such an organisation has, and what its relay would bear.
SITES = (
    Site("a town group, its provider's relay", 1_000, relay=1),
    Site("a region, a shared relay", 20_000, relay=10),
    Site("a national party, a relay of its own", 200_000, relay=500),
    Site("the same, the relay unbound", 200_000, relay=20_000, link=1_000),
    Site("a million, one host", 1_000_000, cores=8, relay=20_000, link=1_000),
    Site("ten million, four hosts", 10_000_000, 4, 8, 8, 40_000, 10_000, postgresql=True),
    Site("a hundred million, sixteen hosts", 100_000_000, 16, 8, 16, 200_000, 10_000, postgresql=True),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How long it takes, and which part was busy for which share of that time."""

    seconds: float
    shares: dict[str, float]

    @property
    def busiest(self) -> str:
        return max(self.shares, key=lambda part: self.shares[part])


class _Part:
    """Something that serves `width` claims at once and makes the others wait."""

    def __init__(self, width: int) -> None:
        self._free = [0.0] * width
        self.busy = 0.0

    def serve(self, ready: float, seconds: float) -> float:
        """When a claim that is ready now has been served."""
        ends = max(ready, heapq.heappop(self._free)) + seconds
        heapq.heappush(self._free, ends)
        self.busy += seconds / len(self._free)
        return ends


def simulate(site: Site, constants: Constants = Constants()) -> Outcome:
    """One mailing, all letters signed and encrypted; a worker for each core."""
    state = constants.on_postgresql if site.postgresql else constants.on_sqlite
    letter = constants.hand_over + constants.encrypt + constants.sign
    database, relay = _Part(site.writers if site.postgresql else 1), _Part(1)
    cores = [_Part(1) for _ in range(site.hosts * site.cores)]
    links = [_Part(1) for _ in range(site.hosts)]
    claims = max(1, min(site.letters // _CLAIM, _MOST_CLAIMS))
    size = min(site.letters, _CLAIM)
    order = count()
    workers = [(0.0, next(order), number) for number in range(len(cores))]
    end = 0.0
    for _ in range(claims):
        ready, _, number = heapq.heappop(workers)
        held = database.serve(ready, size * state)
        made = cores[number].serve(held, size * letter)
        sent = links[number % site.hosts].serve(made, size * constants.octets * 8 / (site.link * 1e6))
        end = max(end, relay.serve(sent, size / site.relay))
        # While one claim travels the next is made, but not two: the relay holds back who is faster than it.
        heapq.heappush(workers, (max(made, sent - size * letter), next(order), number))
    parts = {"the database": database, "the relay": relay, "the cores": cores[0], "the link": links[0]}
    return Outcome(end * site.letters / (claims * size), {name: part.busy / end for name, part in parts.items()})


def run() -> Report:
    """The table of docs/scale.md."""
    rows = []
    for site in SITES:
        outcome = simulate(site)
        shares = ", ".join(f"{name} {share:.0%}" for name, share in outcome.shares.items())
        rows.append(
            Row(f"{site.name}: {site.letters:,} letters", "letters/s", site.letters / outcome.seconds, beside=shares)
        )
    return Report("scale", tuple(rows), peak_mib(), this_machine(), {"seconds": [simulate(s).seconds for s in SITES]})
