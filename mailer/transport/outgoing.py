"""What a lane has said and the socket has not taken yet, and where in it a letter's final dot stands (T6).

Law of the file: of the dot it is never said that it was not written when it may have been. In the clear an octet counts
as written when the kernel has it. Inside TLS a record counts when the kernel has all of it, since a server cannot read
a part of one; so no more than one record is given to OpenSSL at once, which otherwise writes several and tells of none.
"""

import fcntl
import socket
import ssl
import struct
import termios
from collections.abc import Sequence

_DOT = b".\r\n"
#: A letter over this is written without its final dot first, so that a server that says no in between is heard.
_ONE_WRITE = 256 * 1024
#: The most octets of one TLS record (RFC 8446 section 5.1), and the most that two of them may be longer when ciphered.
_RECORD = 16 * 1024
_CIPHERED = 2 * (5 + 2048)
_COUNT = struct.Struct("i")
#: The most pieces that Linux gathers in one write.
_GATHERED = 1024


class Outgoing:
    """Octets on their way into one non-blocking socket, in order."""

    __slots__ = ("_is_tls", "_pieces", "_socket", "_tail", "_waiting", "left")

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._is_tls = isinstance(sock, ssl.SSLSocket)
        self._pieces: list[bytes | memoryview] = []
        #: How many octets the pieces have.
        self._waiting = 0
        self._tail = b""
        #: Octets until the last letter's final dot is written; below zero: so many were written behind it.
        self.left = 0

    @property
    def waits(self) -> bool:
        """Whether octets wait for the socket to take them."""
        return self._waiting > 0

    @property
    def is_at_dot(self) -> bool:
        """Whether all of a large letter is written but its final dot, which is held."""
        return bool(self._tail) and not self._waiting

    def say(self, octets: bytes) -> None:
        if octets:
            self._pieces.append(octets)
            self._waiting += len(octets)

    def say_letter(self, parts: Sequence[bytes], octets: int, following: bytes) -> None:
        """The content of so many octets, its final dot, and what follows.

        Of a large letter the last two are held until `say_dot`.
        """
        self._waiting += octets
        self.left = self._waiting + len(_DOT)
        # A socket gathers the parts itself; a record of TLS is of one piece.
        self._pieces += (b"".join(parts),) if self._is_tls else parts
        tail = _DOT + following
        if octets > _ONE_WRITE:
            self._tail = tail
        else:
            self._pieces.append(tail)
            self._waiting += len(tail)

    def say_lone_dot(self) -> None:
        """The end of a letter that is not sent (RFC 2920 section 3.1)."""
        self.say(_DOT)

    def say_dot(self) -> None:
        """Nobody spoke against it."""
        self.say(self._tail)
        self._tail = b""

    def flush(self) -> None:
        """Give the socket what it takes now; raises OSError when it takes nothing more."""
        try:
            while self._waiting:
                sent = self._send()
                self.left -= sent
                self._waiting -= sent
                if self._waiting:
                    self._forget(sent)
                else:
                    self._pieces.clear()
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass

    def _forget(self, octets: int) -> None:
        """What was written of these pieces, from the beginning; it was not all."""
        pieces, whole = self._pieces, 0
        while octets >= (length := len(pieces[whole])):
            octets -= length
            whole += 1
        del pieces[:whole]
        if octets:
            pieces[0] = memoryview(pieces[0])[octets:]

    def _send(self) -> int:
        pieces = self._pieces
        if not self._is_tls:
            return self._socket.sendmsg(pieces if len(pieces) <= _GATHERED else pieces[:_GATHERED])
        if len(pieces) > 1 and len(pieces[0]) < _RECORD:
            pieces[:] = [b"".join(pieces)]
        return self._socket.send(memoryview(pieces[0])[:_RECORD])

    def cannot_have_come(self) -> bool:
        """Of a server that hung up: whether it did so before it had the final dot, though we wrote it.

        Each segment acknowledges all that had come when it was sent, and so does the one that ends the stream (FIN, or
        TLS's close_notify). Whoever hangs up can have read only what had come by then. So if more is unacknowledged,
        once we have read that end, than we wrote behind the dot, the dot had not come. This holds of hanging up alone:
        what a reset acknowledges our kernel does not note, and of a silent server the acknowledgement may be lost.
        """
        if self._socket.family not in (socket.AF_INET, socket.AF_INET6):
            return False
        behind = -self.left + (_CIPHERED if self._is_tls else 0)
        try:
            (unacknowledged,) = _COUNT.unpack(fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(_COUNT.size)))
        except OSError:
            return False
        return bool(unacknowledged > behind)
