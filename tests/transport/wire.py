"""A scripted mail server on 127.0.0.1: it records every octet and misbehaves on request.

    def test_a_refused_recipient(wire):
        server = wire(refuses_recipient("bea@example.org"))
        ...
        assert server.copies["bea@example.org"] == 0

What it heard lies in plain lists: `connections` (octets and commands of each), `commands`, `messages` and
`logins`; all are filled before the reply is written, so a client that has its reply may look. Misbehaviours
are functions (tests/transport/misbehaviours.py) that take the moment and the proper deed and return what is
done instead; they are applied in the order given. Commands are obeyed in order out of one buffer, so a client
may pipeline.

For other test packages, in their conftest.py: `from tests.transport.wire import wire`.
"""

import re
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Literal, Self

import pytest

from mailer.core.reply import Step
from tests.transport.conversation import Conversation
from tests.transport.deeds import Caught, Misbehaviour, Recorded

OFFERS = ("PIPELINING", "SIZE 10485760", "8BITMIME", "DSN", "ENHANCEDSTATUSCODES", "SMTPUTF8")
_END_OF_DATA = re.compile(rb"\r\n\.\r\n")
#: What servers with the smuggling defects of 2023 and 2024 took for the end (standards F5).
_GULLIBLE_END = re.compile(rb"(?:\r\n|\r|\n)\0?\.(?:\r\n|\r|\n)")


class Wire:
    """The server. A context manager; `host` and `port` say where it listens."""

    def __init__(
        self,
        *misbehaviours: Misbehaviour,
        offers: Sequence[str] = OFFERS,
        tls: Literal["none", "implicit", "starttls"] = "none",
        context: ssl.SSLContext | None = None,
        users: Mapping[str, str] | None = None,
        mechanisms: str = "PLAIN LOGIN",
        gullible: bool = False,
    ) -> None:
        self.misbehaviours = list(misbehaviours)
        self.offers, self.tls, self.context = offers, tls, context
        self.users, self.mechanisms = dict(users or {}), mechanisms
        self.end_of_data = _GULLIBLE_END if gullible else _END_OF_DATA
        self.connections: list[Recorded] = []
        self.commands: list[str] = []
        self.messages: list[Caught] = []
        self.logins: list[str] = []
        self.reached: Counter[Step] = Counter()
        self.attempts: Counter[str] = Counter()
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        self._start(self._accept)

    @property
    def copies(self) -> Counter[str]:
        """How many letters each recipient got."""
        return Counter(recipient for caught in self.messages for recipient in caught.recipients)

    def said(self, verb: str) -> list[str]:
        """The commands that begin with this word."""
        return [line for line in self.commands if line.upper().startswith(verb)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.closing.set()
        with self.lock:
            for sock in (self._listener, *self._sockets):
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                with self.lock:
                    if self.closing.is_set():
                        sock.close()
                        return
                    recorded = Recorded()
                    self.connections.append(recorded)
                    self._sockets.append(sock)
                self._start(Conversation(self, sock, recorded).run)


@pytest.fixture
def wire() -> Iterator[Callable[..., Wire]]:
    """Make servers that are closed when the test ends: `wire(misbehaviour, ..., offers=..., tls=...)`."""
    with ExitStack() as stack:
        yield lambda *misbehaviours, **options: stack.enter_context(Wire(*misbehaviours, **options))
