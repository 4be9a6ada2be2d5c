"""One connection to a server: octets out, replies in, each within its time (standards T2, T15, T17).

Law of the file: it knows sockets and replies, nothing of letters. Whatever goes wrong is an OSError
(TimeoutError, ssl.SSLError and ConnectionError among them) or a ProtocolError.
"""

import socket
import ssl
from contextlib import suppress
from time import monotonic
from typing import Self

from mailer.core.reply import Capabilities, ProtocolError, Reply, ReplyReader
from mailer.transport.lane import Lane
from mailer.transport.relay import Relay, Timeouts, is_loopback

_BLOCK = 64 * 1024
# Replies are short; a larger buffer costs an mmap and a munmap each time (performance.md section 2).
_READ = 4096


class Connection:
    """A blocking socket and the replies that come out of it."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._reader = ReplyReader()

    @classmethod
    def open(cls, relay: Relay) -> Self:
        sock = socket.create_connection((relay.host, relay.port), timeout=relay.timeouts.connect)
        try:
            # The final dot is a small write after a large one: Nagle would hold it back for a delayed ACK.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if relay.tls == "none":
                _must_be_loopback(sock)
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    def start_tls(self, relay: Relay) -> None:
        """Go on inside TLS 1.2 or later, with the certificate and the configured name verified."""
        if not self._reader.empty:
            raise ProtocolError("The server sent more than its consent before TLS; this may be an injection.")
        context = ssl.create_default_context(cafile=relay.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._socket.settimeout(relay.timeouts.command)
        self._socket = context.wrap_socket(self._socket, server_hostname=relay.host)

    def write(self, octets: bytes, timeout: float) -> None:
        """Write all of it, each block within its time; after an error the last octet has not been written."""
        self._socket.settimeout(timeout)
        view = memoryview(octets)
        for start in range(0, len(view), _BLOCK):
            self._socket.sendall(view[start : start + _BLOCK])

    def read(self, timeout: float) -> Reply:
        """The next reply, all of it within the time, however slowly its octets drip."""
        deadline = monotonic() + timeout
        while (reply := self._reader.take()) is None:
            left = deadline - monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            octets = self._socket.recv(_READ)
            if not octets:
                raise ConnectionResetError
            self._reader.feed(octets)
        return reply

    def spoken(self) -> bool:
        """Whether the server has said something not taken yet; raises if it hung up. Never waits."""
        self._socket.settimeout(0)
        with suppress(BlockingIOError, ssl.SSLWantReadError):
            octets = self._socket.recv(_READ)
            if not octets:
                raise ConnectionResetError
            self._reader.feed(octets)
        return not self._reader.empty

    def ask(self, line: bytes | None, timeout: float) -> Reply:
        """Say a line (None: only listen) and hear its reply.

        A reply that was there before the line belongs to nothing we said, and taking it would shift all that
        follow; only 421 may come at any time (RFC 5321 section 3.8).
        """
        if line is None:
            return self.read(timeout)
        if not self.spoken():
            self.write(line + b"\r\n", timeout)
            return self.read(timeout)
        reply = self.read(timeout)
        if reply.code != 421:
            raise ProtocolError(f"The server spoke out of turn: {reply}.")
        return reply

    def lane(self, capabilities: Capabilities, timeouts: Timeouts) -> Lane:
        """The same connection for letters, from now on without waiting."""
        return Lane(self._socket, self._reader, capabilities, timeouts, monotonic)

    def close(self) -> None:
        self._socket.close()


def describe(error: Exception) -> str:
    """What went wrong with a connection, in plain words."""
    if isinstance(error, ProtocolError):
        return str(error)
    if isinstance(error, TimeoutError):
        return "There was no answer in time."
    return f"The connection was lost ({error})." if str(error) else "The server hung up."


def _must_be_loopback(sock: socket.socket) -> None:
    # A name such as localhost may be anything in somebody's hosts file.
    peer = sock.getpeername()[0]
    if not is_loopback(peer):
        raise ConnectionRefusedError(f"{peer} is not this machine, and tls = 'none' is only for this machine")
