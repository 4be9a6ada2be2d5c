"""`mailer bench million`: one mailing to a million people, while others use the pages.

What a worker holds must not grow with the mailing, and the pages must stay usable: ten times a second somebody looks
at the page of a link, leaves by one click, or opens the front page or the page that says whether sending works.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from subprocess import Popen

from mailer.bench.frame import Report, Row, peak_mib, this_machine
from mailer.bench.load import (
    Ask,
    beside_idle,
    clicks,
    looks,
    must_all_be_right,
    must_be_single,
    open_loop,
    opens,
    pages,
    visited,
    while_letters_come,
)
from mailer.bench.wire import BenchRefused

#: A million copies come of these.
MEMBERS = 1_163_000
PER_SECOND = 10
IDLE_SECONDS = 20
_MOST_SECONDS = 900


def run(members: int = MEMBERS) -> Report:
    """About ten minutes, and 2 GB in the folder for passing files."""
    with visited(members) as (ours, port):
        site, sink = ours.site, ours.sink
        begun = time.monotonic()
        mailing = ours.ready()
        ready = time.monotonic() - begun
        asks = _asks(port, site.ask("tokens", mailing["mailing"], PER_SECOND * (IDLE_SECONDS + _MOST_SECONDS)))
        before = site.ask("left")
        with pages(site, port) as pid:
            idle = open_loop(asks, PER_SECOND, lambda passed: passed < IDLE_SECONDS)
            with ours.working() as workers:
                goes_on = while_letters_come(sink, _MOST_SECONDS)
                early = 0.0

                def watched(passed: float) -> bool:
                    nonlocal early
                    if not early and sink.taken().letters >= mailing["copies"] // 10:
                        early = _held(workers)
                    return goes_on(passed)

                busy = open_loop(asks, PER_SECOND, watched)
                late = _held(workers)
            memory = peak_mib(pid)
        must_all_be_right(site.ask("left") - before, idle, busy)
        must_be_single(sink)
        taken, states = sink.taken(), site.ask("states", mailing["mailing"])
    if not early or states.pop("accepted") != taken.letters or states.keys() - {"withdrawn"}:
        raise BenchRefused(f"{taken.letters} letters came, and the database says besides: {states}.")
    what = f"a mailing of {taken.letters:,}"
    rows = (
        Row(f"{what}: made ready", "s", ready),
        Row(f"{what}: sent", "letters/s", taken.rate),
        Row(f"{what}: peak memory of a worker", "MiB", late, "at a tenth", early, late / early, late / early),
        beside_idle("pages meanwhile: p50", idle, busy, 0.5),
        beside_idle("pages meanwhile: p99", idle, busy, 0.99),
        beside_idle("pages meanwhile: the slowest", idle, busy, 1.0),
    )
    return Report("million", rows, memory, this_machine())


def _asks(port: int, tokens: Sequence[str]) -> Iterator[Ask]:
    """What people do, in turn."""
    links = iter(tokens)
    for kind in cycle(range(4)):
        if kind < 2:
            token = next(links, None)
            if token is None:
                return
            yield (looks, clicks)[kind](port, token)
        else:
            yield opens(port, ("/", "/state")[kind - 2])


def _held(workers: Sequence["Popen[bytes]"]) -> float:
    """The most that one of them has held."""
    return max(peak_mib(worker.pid) for worker in workers)
