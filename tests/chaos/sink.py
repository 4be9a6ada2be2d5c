"""A mail server that remembers of every letter when it was announced, when it was kept and when that was said."""

import heapq
import random
import re
import selectors
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Self

_HELLO = b"250-sink.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n"
_REPLIES = {b"EHLO": _HELLO, b"MAIL": b"250 2.1.0 Ok\r\n", b"RCPT": b"250 2.1.5 Ok\r\n", b"DATA": b"354 Go on\r\n",
            b"RSET": b"250 2.0.0 Ok\r\n", b"QUIT": b"221 2.0.0 Bye\r\n"}  # fmt: skip
_PATH = re.compile(rb"<([^>]*)>")
_END = b"\r\n.\r\n"


@dataclass(slots=True)
class Letter:
    """Times are monotonic seconds; `answered_at` is None while the server has not said that it kept the letter."""

    to: str
    announced_at: float
    kept_at: float
    answered_at: float | None = None


@dataclass(slots=True, eq=False)
class _Connection:
    socket: socket.socket
    input: bytearray = field(default_factory=bytearray)
    to: str = ""
    announced_at: float = 0.0
    in_content: bool = False
    answers_at: float = 0.0


class Sink:
    """Answers each group of commands after up to `delay` seconds; a context manager. One thread serves all."""

    def __init__(self, delay: float, chance: random.Random) -> None:
        self.letters: list[Letter] = []
        self._delay, self._chance = delay, chance
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._ear, self._mouth = socket.socketpair()
        self._watch = selectors.DefaultSelector()
        self._watch.register(self._listener, selectors.EVENT_READ)
        self._watch.register(self._ear, selectors.EVENT_READ)
        self._due: list[tuple[float, int, _Connection, bytes, list[Letter]]] = []
        self._number = count()
        self._thread = threading.Thread(target=self._serve, daemon=True, name="sink")

    @property
    def copies(self) -> Counter[str]:
        """How many letters each recipient got."""
        return Counter(letter.to for letter in list(self.letters))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._mouth.close()
        self._thread.join()
        for key in list(self._watch.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._watch.close()

    def _serve(self) -> None:
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            for key, _ in self._watch.select(wait):
                if key.fileobj is self._ear:
                    return
                if key.fileobj is self._listener:
                    self._welcome()
                else:
                    self._read(key.data)
            while self._due and self._due[0][0] <= time.monotonic():
                _, _, connection, octets, kept = heapq.heappop(self._due)
                with suppress(OSError):
                    connection.socket.sendall(octets)
                    for letter in kept:
                        letter.answered_at = time.monotonic()

    def _welcome(self) -> None:
        sock, _ = self._listener.accept()
        connection = _Connection(sock)
        self._watch.register(sock, selectors.EVENT_READ, connection)
        self._say(connection, b"220 sink.example.org ESMTP\r\n", [])

    def _read(self, connection: _Connection) -> None:
        octets = b""
        with suppress(OSError):
            octets = connection.socket.recv(65536)
        if not octets:
            self._watch.unregister(connection.socket)
            connection.socket.close()
            return
        connection.input += octets
        self._converse(connection)

    def _converse(self, connection: _Connection) -> None:
        said, kept = b"", []
        while True:
            end = connection.input.find(_END if connection.in_content else b"\r\n")
            if end < 0:
                break
            line = bytes(connection.input[:end])
            del connection.input[: end + (len(_END) if connection.in_content else 2)]
            if connection.in_content:
                connection.in_content = False
                kept.append(Letter(connection.to, connection.announced_at, time.monotonic()))
                self.letters.append(kept[-1])
                said += b"250 2.0.0 Kept\r\n"
            else:
                said += self._obey(connection, line)
        if said:
            self._say(connection, said, kept)

    def _obey(self, connection: _Connection, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"MAIL":
            connection.announced_at = time.monotonic()
        elif verb == b"RCPT" and (path := _PATH.search(line)):
            connection.to = path[1].decode()
        connection.in_content = verb == b"DATA"
        return _REPLIES.get(verb, b"500 5.5.2 What?\r\n")

    def _say(self, connection: _Connection, octets: bytes, kept: list[Letter]) -> None:
        """In its time, and never before what was said earlier."""
        due = max(connection.answers_at, time.monotonic() + self._chance.uniform(0, self._delay))
        connection.answers_at = due
        heapq.heappush(self._due, (due, next(self._number), connection, octets, kept))
