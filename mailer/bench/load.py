"""People at the pages while something else is measured: an open loop, and the pages' process.

Open loop: requests leave by a fixed plan, whatever became of those before, and each is counted from the moment it was
due. So a server that stalls cannot hide how many would have waited.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from mailer.bench import wire
from mailer.bench.frame import Row
from mailer.bench.send import Bench, bench
from mailer.bench.site import Site
from mailer.bench.wire import BenchRefused, Sink

_THREADS = 64
_TIMEOUT = 10.0
_QUIET = 2.0
_LONGEST_WAIT = 60.0
_ONE_CLICK = "List-Unsubscribe=One-Click"
_FORM = "application/x-www-form-urlencoded"
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


def beside_idle(what: str, idle: Load, busy: Load, share: float, must: str = "", aim: str = "") -> Row:
    """A quantile of both, as a row."""
    ours, peer = busy.quantile(share), idle.quantile(share)
    return Row(what, "ms", ours, "idle", peer, ours / peer, ours / peer, must, aim)


#: Asks something that was due at a moment of the monotonic clock.
Ask = Callable[[float], Answered]


def open_loop(asks: Iterable[Ask], per_second: int, goes_on: Callable[[float], bool]) -> Load:
    """Ask so often, until there is no more to ask or `goes_on` says no of the seconds that have passed."""
    start = time.monotonic() + 0.1
    asked = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for number, ask in enumerate(asks):
            due = start + number / per_second
            time.sleep(max(0.0, due - time.monotonic()))
            if number % max(1, per_second // 4) == 0 and not goes_on(due - start):
                break
            asked.append(pool.submit(ask, due))
        return Load([one.result() for one in asked])


def while_letters_come(sink: Sink, most_seconds: float) -> Callable[[float], bool]:
    """Waits for the first letter; what `open_loop` asks until the last one has come."""
    begun = time.monotonic()
    while not sink.taken().letters:
        time.sleep(0.02)
        if time.monotonic() - begun > _LONGEST_WAIT:
            raise BenchRefused("The mailing does not begin.")
    return lambda passed: passed < most_seconds and time.monotonic() - sink.taken().last_kept < _QUIET


def looks(port: int, token: str) -> Ask:
    """Looks at the page of a letter's link."""

    def ask(due: float) -> Answered:
        status, body = _ask(port, "GET", f"/u/{token}")
        return Answered(
            time.monotonic() - due, status == 200 and b"The letter" in body and b"<form" in body, left=False
        )

    return ask


def clicks(port: int, token: str) -> Ask:
    """Leaves as a mail program does it."""

    def ask(due: float) -> Answered:
        status, body = _ask(port, "POST", f"/u/{token}", _ONE_CLICK)
        return Answered(time.monotonic() - due, status == 200 and body == _LEFT, left=True)

    return ask


def opens(port: int, path: str) -> Ask:
    """Opens a page."""

    def ask(due: float) -> Answered:
        status, body = _ask(port, "GET", path)
        return Answered(time.monotonic() - due, status == 200 and b"</html>" in body, left=False)

    return ask


def _ask(port: int, method: str, path: str, body: str = "") -> tuple[int, bytes]:
    """Status and body. Less than HTTP/1.1 and than Python's client: what this costs, what is measured does not have."""
    head = f"{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n"
    form = f"Content-Type: {_FORM}\r\nContent-Length: {len(body)}\r\n" if body else ""
    octets = bytearray()
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), _TIMEOUT) as connection:
        connection.sendall(f"{head}{form}\r\n{body}".encode())
        while some := connection.recv(1 << 16):
            octets += some
    said, _, answer = bytes(octets).partition(b"\r\n\r\n")
    words = said.split(b" ", 2)
    return int(words[1]) if len(words) > 1 else 0, answer


def must_all_be_right(left: int, *loads: Load) -> None:
    """Refuses a result with a wrong answer in it, or in which somebody was told that they left and has not."""
    if wrong := sum(load.wrong for load in loads):
        raise BenchRefused(f"{wrong} answers were wrong.")
    if left < (told := sum(load.left for load in loads)):
        raise BenchRefused(f"{told} people were told that they left; {left} have.")


def must_be_single(sink: Sink) -> None:
    """Refuses a result in which somebody got a letter twice."""
    doubled = [address for address, got in sink.received().items() if got.count != 1]
    if doubled:
        raise BenchRefused(f"{len(doubled)} people got more than one letter, {doubled[0]} among them.")


@contextmanager
def pages(site: Site, port: int) -> Iterator[int]:
    """The process of the pages, once it answers; its number."""
    with site.running("web", "--listen", f"127.0.0.1:{port}") as process:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield process.pid


@contextmanager
def visited(members: int) -> Iterator[tuple[Bench, int]]:
    """A site of so many members whose links lead to a port of this machine, and that port; nobody answers there yet."""
    port = _free_port()
    with wire.compiled() as tools, bench(tools, members, base_url=f"http://127.0.0.1:{port}") as ours:
        yield ours, port


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
