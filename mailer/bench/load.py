"""People at the pages while something else is measured: an open loop, and the pages' process.

Open loop: requests leave by a fixed plan, whatever became of those before, and each is counted from the moment it was
due. So a server that stalls cannot hide how many would have waited.
"""

import os
import selectors
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from mailer.bench import wire
from mailer.bench.frame import Row
from mailer.bench.send import DATABASE, Bench, bench
from mailer.bench.site import Site, made
from mailer.bench.wire import BenchRefused, Sink

_TIMEOUT = 10.0
_TICK = 0.001
_QUIET = 2.0
_LONGEST_WAIT = 60.0
_ONE_CLICK = b"List-Unsubscribe=One-Click"
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


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, on a connection of its own, and whether an answer to it, of this status and body, is right."""

    port: int
    octets: bytes
    is_right: Callable[[int, bytes], bool]
    leaves: bool = False


def open_loop(asks: Iterable[Ask], per_second: int, goes_on: Callable[[float], bool]) -> Load:
    """Ask so often, until there is no more to ask or `goes_on` says no of the seconds that have passed."""
    start = time.monotonic() + 0.1
    with _Asked() as asked:
        for number, ask in enumerate(asks):
            due = start + number / per_second
            asked.listen_until(due)
            if number % max(1, per_second // 4) == 0 and not goes_on(due - start):
                break
            asked.begin(ask, due)
        asked.listen_until(time.monotonic() + _TIMEOUT, until_all_are_answered=True)
    return Load(asked.answers)


@dataclass
class _Conversation:
    ask: Ask
    due: float
    socket: socket.socket
    heard: bytearray = field(default_factory=bytearray)


class _Asked:
    """All that was asked and is not answered: in one thread, since what this costs, what is measured does not have."""

    def __init__(self) -> None:
        self.answers: list[Answered] = []
        self._selector = selectors.PollSelector()

    def __enter__(self) -> "_Asked":
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._selector.get_map().values()):
            self._end(key.data, right=False)
        self._selector.close()

    def begin(self, ask: Ask, due: float) -> None:
        """Ask without waiting, not even until somebody takes the call."""
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", ask.port))
        self._selector.register(connection, selectors.EVENT_WRITE, _Conversation(ask, due, connection))

    def listen_until(self, moment: float, *, until_all_are_answered: bool = False) -> None:
        """Go on with those that are under way."""
        while (left := moment - time.monotonic()) > 0 and (not until_all_are_answered or self._selector.get_map()):
            # It rounds up to whole milliseconds, and nobody is to be asked late.
            if left < _TICK:
                time.sleep(left)
                return
            for key, event in self._selector.select(left - _TICK):
                try:
                    self._go_on(key.data, event)
                except OSError:
                    self._end(key.data, right=False)

    def _go_on(self, talk: _Conversation, event: int) -> None:
        if event & selectors.EVENT_WRITE:
            # Some hundred octets, which a fresh connection takes at once.
            talk.socket.send(talk.ask.octets)
            self._selector.modify(talk.socket, selectors.EVENT_READ, talk)
        elif some := talk.socket.recv(1 << 16):
            talk.heard += some
        else:
            self._end(talk, right=talk.ask.is_right(*_answer(bytes(talk.heard))))

    def _end(self, talk: _Conversation, *, right: bool) -> None:
        self._selector.unregister(talk.socket)
        talk.socket.close()
        self.answers.append(Answered(time.monotonic() - talk.due, right, talk.ask.leaves))


def _answer(octets: bytes) -> tuple[int, bytes]:
    """Status and body."""
    head, _, body = octets.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0, body


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
    return Ask(port, _get(port, f"/u/{token}"), _offers)


def clicks(port: int, token: str) -> Ask:
    """Leaves as a mail program does it."""
    octets = _request(port, "POST", f"/u/{token}", f"Content-Type: {_FORM}\r\nContent-Length: {len(_ONE_CLICK)}\r\n")
    return Ask(port, octets + _ONE_CLICK, lambda status, body: status == 200 and body == _LEFT, leaves=True)


def opens(port: int, path: str) -> Ask:
    """Opens a page."""
    return Ask(port, _get(port, path), _is_page)


def _offers(status: int, body: bytes) -> bool:
    return _is_page(status, body) and b"The letter" in body and b"<form" in body


def _is_page(status: int, body: bytes) -> bool:
    return status == 200 and b"</html>" in body


def _get(port: int, path: str) -> bytes:
    return _request(port, "GET", path)


def _request(port: int, method: str, path: str, more: str = "") -> bytes:
    return f"{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n{more}\r\n".encode()


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
    """A site of so many members whose links lead to a port of this machine, and that port; nobody answers there yet.

    It is on PostgreSQL if a server is named.
    """
    port = _free_port()
    with (
        wire.compiled() as tools,
        made(os.environ.get(DATABASE) or "sqlite") as database,
        bench(tools, members, database=database, base_url=f"http://127.0.0.1:{port}") as ours,
    ):
        yield ours, port


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
