"""A lane and the other end of its socket in the test's own hands: nothing happens but what the test does next.

    peer = Peer()
    peer.gives(ANNE, BEA)
    peer.says("250 a", "250 b", "354 c")
    assert peer.heard.endswith(b"DATA\r\n")

For what a server does by itself, in a thread, there is `wire` (tests/transport/wire.py).
"""

import select
import socket
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from mailer.core.envelope import Envelope
from mailer.core.reply import Answer, Capabilities, ReplyReader
from mailer.transport.lane import Lane
from mailer.transport.relay import Timeouts
from tests.transport.helpers import LETTER, envelope

PIPELINING = Capabilities(pipelining=True)
ONE_BY_ONE = Capabilities()


def goes() -> bool:
    """What a last look says mostly."""
    return True


@dataclass(eq=False)
class Post:
    """A letter, and what the last look at it says or does."""

    envelope: Envelope
    look: Callable[[], bool] = goes

    def may_go(self) -> bool:
        return self.look()

    def heard(self, answer: Answer) -> None:
        """It comes in `ended`, too."""


@dataclass
class Clock:
    """Seconds that a test turns on."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Peer:
    """`heard` is all that the lane has written so far."""

    offers: Capabilities = PIPELINING
    tls: ssl.SSLContext | None = None
    trust: ssl.SSLContext | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    clock: Clock = field(default_factory=Clock)
    room: int = 0
    heard: bytes = b""
    waiting: deque[Post] = field(default_factory=deque)

    def __post_init__(self) -> None:
        mine, self.end = _pair(self.room)
        if self.tls is not None and self.trust is not None:
            mine, self.end = _secured(mine, self.end, self.trust, self.tls)
        self.end.setblocking(False)
        self.lane = Lane(mine, ReplyReader(), self.offers, self.timeouts, self.clock)

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.lane.close()
        self.end.close()

    def gives(self, *recipients: str, payload: bytes = LETTER, look: Callable[[], bool] = goes) -> None:
        """So many letters wait, and the first is begun."""
        self.waiting += (Post(envelope(who, payload, is_fit=True), look) for who in recipients)
        self.lane.pull(self.source)
        self.listen()

    def source(self) -> Post | None:
        return self.waiting.popleft() if self.waiting else None

    def says(self, *lines: str, at_once: bool = True) -> None:
        """Replies, in one piece or octet by octet."""
        octets = "".join(f"{line}\r\n" for line in lines).encode()
        for n in range(0, len(octets), len(octets) if at_once else 1):
            if not self.lane.is_open:
                return
            self.end.sendall(octets if at_once else octets[n : n + 1])
            self.is_read()
        self.listen()

    def is_read(self) -> None:
        """The lane takes in what was said, or that there is nothing more."""
        assert select.select([self.lane.socket], [], [], 5)[0], "nothing came"
        self.lane.read(self.source)

    def hangs_up(self) -> None:
        self.listen()
        self.end.close()
        self.is_read()

    def resets(self) -> None:
        self.end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.hangs_up()

    def listen(self) -> bytes:
        """Take in what the lane has written; what came by this call."""
        came = b""
        try:
            while octets := self.end.recv(1 << 20):
                came += octets
        except (BlockingIOError, ssl.SSLWantReadError, ConnectionResetError):
            pass
        self.heard += came
        return came

    def drain(self) -> None:
        """Take turns until the lane has written all that it can."""
        while self.lane.is_open and self.lane.is_writing:
            self.listen()
            if select.select([], [self.lane.socket], [], 5)[1]:
                self.lane.write()
        self.listen()

    @property
    def ended(self) -> list[tuple[str, Answer | None]]:
        """Who was answered, and how; in the order of the answers."""
        return [(each.parcel.envelope.recipient, each.answer) for each in self.lane.ended]


def _pair(room: int) -> tuple[socket.socket, socket.socket]:
    """Two ends of one TCP connection on loopback, with buffers as small as may be where `room` says so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        mine = socket.socket()
        if room:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
        mine.connect(listener.getsockname())
        end, _ = listener.accept()
    for each in (mine, end):
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return mine, end


def _secured(
    mine: socket.socket, end: socket.socket, trust: ssl.SSLContext, context: ssl.SSLContext
) -> tuple[socket.socket, socket.socket]:
    """TLS on both ends, shaken hands by turns."""
    for each in (mine, end):
        each.setblocking(False)
    ours = trust.wrap_socket(mine, server_hostname="localhost", do_handshake_on_connect=False)
    theirs = context.wrap_socket(end, server_side=True, do_handshake_on_connect=False)
    shaking = [ours, theirs]
    while shaking:
        for each in list(shaking):
            try:
                each.do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                continue
            shaking.remove(each)
    return ours, theirs
