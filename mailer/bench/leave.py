"""`mailer bench leave`: how long leaving takes while a mailing runs, beside an idle hour, and what the mailing loses.

A hundred requests leave each second. Half look at the page, half are the one click of a mail program; every status and
body is checked, and in the end that all of them have left.
"""

from collections.abc import Iterator, Sequence
from itertools import cycle

from mailer.bench.frame import Report, Round, Row, compared, peak_mib, this_machine
from mailer.bench.load import (
    Ask,
    Load,
    beside_idle,
    clicks,
    looks,
    must_all_be_right,
    must_be_single,
    open_loop,
    pages,
    visited,
    while_letters_come,
)
from mailer.bench.send import Bench

MEMBERS = 117_000
#: Mailings while people leave, each beside one in peace.
TIMES = 3
PER_SECOND = 100
IDLE_SECONDS = 20
_MOST_SECONDS = 60


def run(members: int = MEMBERS, rounds: int = TIMES) -> Report:
    """Some minutes: mailings to everyone in turn, one in peace and one while people leave."""
    with visited(members) as (ours, port):
        site = ours.site
        first = ours.send()
        tokens = site.ask("tokens", first.mailing, PER_SECOND * (IDLE_SECONDS + rounds * _MOST_SECONDS))
        asks = (act(port, token) for act, token in zip(cycle((looks, clicks)), tokens, strict=False))
        before = site.ask("left")
        with pages(site, port) as pid:
            idle = open_loop(asks, PER_SECOND, lambda passed: passed < IDLE_SECONDS)
            loads, rates = [], []
            for _ in range(rounds):
                alone = ours.send().taken.rate
                loads.append(_beside_a_mailing(ours, asks))
                rates.append(Round(ours.sink.taken().rate, alone))
            memory = peak_mib(pid)
        must_all_be_right(site.ask("left") - before, idle, *loads)
    busy = Load([answer for load in loads for answer in load.answers])
    return Report("leave", _rows(idle, busy, first.taken.letters, rates), memory, this_machine())


def _beside_a_mailing(ours: Bench, asks: Iterator[Ask]) -> Load:
    """People leave from the first letter of a mailing to its last, and nobody gets it twice."""
    ours.ready()
    with ours.working():
        load = open_loop(asks, PER_SECOND, while_letters_come(ours.sink, _MOST_SECONDS))
    must_be_single(ours.sink)
    return load


def _rows(idle: Load, busy: Load, letters: int, rates: Sequence[Round]) -> tuple[Row, ...]:
    what = f"leaving during a mailing of {letters:,}"
    return (
        beside_idle(f"{what}: p50", idle, busy, 0.5),
        beside_idle(f"{what}: p99", idle, busy, 0.99, "<= 5x idle, <= 50 ms", "15 ms"),
        beside_idle(f"{what}: the slowest", idle, busy, 1.0, "< 1,000 ms"),
        compared("the mailing meanwhile", "letters/s", "alone", rates, must="0.8x"),
    )
