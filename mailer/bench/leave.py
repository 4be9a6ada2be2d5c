"""`mailer bench leave`: how long leaving takes while a mailing runs, beside an idle hour, and what the mailing loses.

Open loop: a hundred requests leave each second by a fixed plan, whatever became of those before, and each is counted
from the moment it was due. So a server that stalls cannot hide how many would have waited. Half look at the page, half
are the one click of a mail program; every status and body is checked, and in the end that all of them have left.
"""

import http.client
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from mailer.bench import wire
from mailer.bench.frame import Report, Round, Row, compared, peak_mib, this_machine
from mailer.bench.send import Bench
from mailer.bench.site import Site, scratch
from mailer.bench.wire import BenchRefused, Sink

MEMBERS = 117_000
#: Mailings while people leave, each beside one in peace.
TIMES = 3
PER_SECOND = 100
IDLE_SECONDS = 20
_MOST_SECONDS = 60
_THREADS = 64
_TIMEOUT = 10.0
_QUIET = 2.0
_ONE_CLICK = "List-Unsubscribe=One-Click"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_LEFT = b"You have been unsubscribed.\n"


@dataclass(frozen=True, slots=True)
class Answered:
    """One request: seconds from when it was due to the last octet of its answer, and whether that was right."""

    seconds: float
    right: bool
    left: bool


@dataclass(frozen=True, slots=True)
class Load:
    """All requests of a stretch of time."""

    answers: Sequence[Answered]

    def quantile(self, share: float) -> float:
        """In milliseconds."""
        times = sorted(answer.seconds for answer in self.answers)
        return times[min(len(times) - 1, int(share * len(times)))] * 1000

    @property
    def wrong(self) -> int:
        return sum(not answer.right for answer in self.answers)

    @property
    def left(self) -> int:
        return sum(answer.left for answer in self.answers)


def run(members: int = MEMBERS, rounds: int = TIMES) -> Report:
    """Some minutes: mailings to everyone in turn, one in peace and one while people leave."""
    port = _free_port()
    base_url = f"http://127.0.0.1:{port}"
    with (
        wire.compiled() as tools,
        wire.sink(tools) as sink,
        scratch(sink.port, members=members, base_url=base_url) as site,
    ):
        ours = Bench(tools, sink, site)
        first = ours.send()
        tokens = iter(site.ask("tokens", first.mailing, PER_SECOND * (IDLE_SECONDS + rounds * _MOST_SECONDS)))
        before = site.ask("left")
        with _web(site, port) as pid:
            idle = _load(port, tokens, lambda passed: passed < IDLE_SECONDS)
            loads, rates = [], []
            for _ in range(rounds):
                alone = ours.send().taken.rate
                loads.append(_beside_a_mailing(ours, port, tokens))
                rates.append(Round(sink.taken().rate, alone))
            memory = peak_mib(pid)
        busy = Load([answer for load in loads for answer in load.answers])
        _must_all_be_right(idle, busy, site.ask("left") - before)
    return Report("leave", _rows(idle, busy, first.taken.letters, rates), memory, this_machine())


def _beside_a_mailing(ours: Bench, port: int, tokens: Iterator[str]) -> Load:
    """People leave from the first letter of a mailing to its last, and nobody gets it twice."""
    ours.site.ask("mailing")
    ours.sink.forget()
    with ours.working():
        load = _during(ours.sink, port, tokens)
    _must_be_single(ours.sink)
    return load


def _rows(idle: Load, busy: Load, letters: int, rates: Sequence[Round]) -> tuple[Row, ...]:
    what = f"leaving during a mailing of {letters:,}"
    return (
        _beside_idle(f"{what}: p50", idle, busy, 0.5),
        _beside_idle(f"{what}: p99", idle, busy, 0.99, "<= 5x idle, <= 50 ms", "15 ms"),
        _beside_idle(f"{what}: the slowest", idle, busy, 1.0, "< 1,000 ms"),
        compared("the mailing meanwhile", "letters/s", "alone", rates, must="0.8x"),
    )


def _beside_idle(what: str, idle: Load, busy: Load, share: float, must: str = "", aim: str = "") -> Row:
    ours, peer = busy.quantile(share), idle.quantile(share)
    return Row(what, "ms", ours, "idle", peer, ours / peer, ours / peer, must, aim)


def _during(sink: Sink, port: int, tokens: Iterator[str]) -> Load:
    """Requests from the first letter to the last."""
    begun = time.monotonic()
    while not sink.taken().letters:
        time.sleep(0.02)
        if time.monotonic() - begun > _MOST_SECONDS:
            raise BenchRefused("The mailing does not begin.")

    def goes_on(passed: float) -> bool:
        return passed < _MOST_SECONDS and time.monotonic() - sink.taken().last_kept < _QUIET

    return _load(port, tokens, goes_on)


def _load(port: int, tokens: Iterator[str], goes_on: Callable[[float], bool]) -> Load:
    """A request every hundredth of a second: a page, then a click, each with a token of its own."""
    start = time.monotonic() + 0.1
    asked = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for number, token in enumerate(tokens):
            due = start + number / PER_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
            if number % (PER_SECOND // 4) == 0 and not goes_on(due - start):
                break
            asked.append(pool.submit(_click if number % 2 else _look, port, token, due))
        return Load([one.result() for one in asked])


def _look(port: int, token: str, due: float) -> Answered:
    status, body = _ask(port, "GET", token, None)
    return Answered(time.monotonic() - due, status == 200 and b"The letter" in body and b"<form" in body, left=False)


def _click(port: int, token: str, due: float) -> Answered:
    status, body = _ask(port, "POST", token, _ONE_CLICK)
    return Answered(time.monotonic() - due, status == 200 and body == _LEFT, left=True)


def _ask(port: int, method: str, token: str, body: str | None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    try:
        connection.request(method, f"/u/{token}", body, _FORM if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError:
        return 0, b""
    finally:
        connection.close()


def _must_all_be_right(idle: Load, busy: Load, left: int) -> None:
    if idle.wrong or busy.wrong:
        raise BenchRefused(f"Wrong answers: {idle.wrong} while idle, {busy.wrong} during the mailing.")
    if left < idle.left + busy.left:
        raise BenchRefused(f"{idle.left + busy.left} people were told that they left; {left} have.")


def _must_be_single(sink: Sink) -> None:
    doubled = [address for address, got in sink.received().items() if got.count != 1]
    if doubled:
        raise BenchRefused(f"{len(doubled)} people got more than one letter, {doubled[0]} among them.")


@contextmanager
def _web(site: Site, port: int) -> Iterator[int]:
    with site.running("web", "--listen", f"127.0.0.1:{port}") as process:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield process.pid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
