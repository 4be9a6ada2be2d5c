"""A socket, in the clear or inside TLS, whose raw octets are recorded either way."""

import select
import socket
import ssl
import threading
from collections.abc import Callable
from typing import TypeVar

from tests.transport.deeds import Recorded

_Result = TypeVar("_Result")


class Pipe:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, recorded: Recorded) -> None:
        self._socket, self._recorded = sock, recorded
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def secure(self, context: ssl.SSLContext) -> None:
        tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._through(tls.do_handshake)
        self._tls = tls

    def receive(self) -> bytes:
        if self._tls is None:
            return self._raw()
        try:
            return self._through(lambda: self._tls.read(65536))  # type: ignore[union-attr]
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def send(self, octets: bytes) -> None:
        if self._tls is None:
            self._socket.sendall(octets)
        else:
            self._tls.write(octets)
            self._socket.sendall(self._outgoing.read())

    def drop(self) -> None:
        """Say the end and hear the rest, so that the last words are not lost to a reset."""
        self._socket.shutdown(socket.SHUT_WR)
        while self._raw():
            pass
        self.close()

    def reset(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()

    def wait_for_the_end(self, closing: threading.Event) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLRDHUP)
        while not closing.is_set() and not poll.poll(200):
            pass
        self.close()

    def close(self) -> None:
        self._socket.close()

    def _raw(self) -> bytes:
        octets = self._socket.recv(65536)
        self._recorded.tcp += octets
        return octets

    def _through(self, act: Callable[[], _Result]) -> _Result:
        """Let TLS act, feeding it from the socket and writing what it wants to say."""
        while True:
            try:
                result = act()
            except ssl.SSLWantReadError:
                self._socket.sendall(self._outgoing.read())
                octets = self._raw()
                if octets:
                    self._incoming.write(octets)
                else:
                    self._incoming.write_eof()
            except ssl.SSLError:
                self._socket.sendall(self._outgoing.read())  # the alert tells the client why
                raise
            else:
                self._socket.sendall(self._outgoing.read())
                return result
