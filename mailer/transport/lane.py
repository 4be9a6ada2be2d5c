"""One connection after its set-up, never waiting: letters go in, answers come out (RFC 5321, RFC 2920; T4-T11).

Law of the file: what ends a hand-over is an Answer, never an exception. Nothing is guessed at: a connection whose
dialogue is lost, out of place or interrupted is closed, since its next reply could be taken for another letter's.

Where the server offers PIPELINING, MAIL, RCPT and DATA go out in one write, and behind a letter's final dot those of
the next: one write and one read a letter. Every reply is matched by count and judged alone. A letter's content is
written only when its own RCPT and DATA were answered well, and the last look at whether it may go (`Parcel.may_go`)
comes then. Without PIPELINING each line waits for its reply.
"""

import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from mailer.core.address import AddressError
from mailer.core.envelope import Envelope
from mailer.core.reply import Answer, Capabilities, ProtocolError, Reply, ReplyReader, Step, parse
from mailer.transport.payload import PayloadRefused, check_envelope, dot_stuffed
from mailer.transport.relay import Timeouts

_NEEDS_SMTPUTF8 = parse(b"553 5.6.7 Not sent: this address needs SMTPUTF8, which the relay does not offer\r\n")
_NEEDS_8BITMIME = parse(b"554 5.6.3 Not sent: this letter needs 8BITMIME, which the relay does not offer\r\n")
_TOO_LARGE = parse(b"552 5.3.4 Not sent: this letter is larger than the relay takes\r\n")

#: A letter over this is written without its final dot first, so that a server that says no in between is heard.
_ONE_WRITE = 256 * 1024
#: One TLS record: what may be on its way although the socket has not taken it yet.
_RECORD = 16 * 1024
_DOT = b".\r\n"
_WANTED = {Step.RSET: b"2", Step.MAIL: b"2", Step.RCPT: b"2", Step.DATA: b"3"}

# Replies are short. One buffer for all: a new one for each would cost an mmap and a munmap (performance.md section 2).
_BUFFER = bytearray(16 * 1024)
_VIEW = memoryview(_BUFFER)


class Parcel(Protocol):
    """A letter on its way."""

    @property
    def envelope(self) -> Envelope: ...

    def may_go(self) -> bool:
        """The last look, when only the content and its final dot are missing; after True the dot may be written."""
        ...


class Ended(NamedTuple):
    """A letter and what its hand-over ended with; None: nothing was decided, and it was not tried."""

    parcel: Parcel
    answer: Answer | None


Source = Callable[[], Parcel | None]
"""Gives the next letter, or None while there is none."""


class Lane:
    """A connection in the hands of whoever waits for its socket: pull, then `read` and `write` as it becomes ready.

    `ended` collects what was decided; the owner takes it from there. `deadline` is when the server has been silent for
    too long, in the seconds of `ticks`.
    """

    def __init__(
        self,
        sock: socket.socket,
        reader: ReplyReader,
        capabilities: Capabilities,
        timeouts: Timeouts,
        ticks: Callable[[], float],
    ) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.capabilities = capabilities
        self.is_open = True
        self.ended_because = ""
        self.letters = 0
        self.accepted = 0
        #: How many it may carry; 0 is no end.
        self.most_letters = 0
        #: For the owner: whether it has been told when the socket takes octets again.
        self.is_watched_for_room = False
        self.ended: deque[Ended] = deque()
        self.deadline = float("inf")
        self._reader = reader
        self._timeouts = timeouts
        self.ticks = ticks
        self._expected: deque[tuple[Step, Parcel | None]] = deque()
        self._unsaid: deque[tuple[Step, bytes, Parcel]] = deque()
        self._writing: list[memoryview] = []
        self._refusal: Answer | None = None
        self._must_reset = False
        self._content: Parcel | None = None
        self._tail = b""
        self._unwritten = 0
        self._dot_is_held = False

    @property
    def is_idle(self) -> bool:
        """Whether it could begin a letter."""
        return self.is_open and not (self._expected or self._unsaid or self._writing)

    @property
    def _is_in_content(self) -> bool:
        """Whether the server cannot have a whole letter yet, since we still hold its final dot."""
        return self._content is not None and self._unwritten > 0

    @property
    def is_writing(self) -> bool:
        """Whether octets wait for the socket to take them."""
        return bool(self._writing)

    def pull(self, source: Source) -> bool:
        """Begin a letter if it is idle; whether it did."""
        if not self.is_idle or (parcel := self._next(source)) is None:
            return False
        self._say(self._opening(parcel))
        self._write()
        self._set_deadline()
        return True

    def read(self, source: Source) -> None:
        """The socket has something: take it in, and go on as far as the replies allow."""
        lost = self._receive()
        try:
            heard = self._hear(source)
        except ProtocolError as error:
            self._lose(str(error))
            return
        if lost is not None and self.is_open:
            self._lose(lost)
        if heard:  # a reply that drips does not extend its time
            self._set_deadline()

    def write(self) -> None:
        """The socket takes octets again."""
        self._write()
        self._set_deadline()

    def give_up(self) -> None:
        """The server was silent for too long."""
        self._lose("There was no answer in time.")

    def say_quit(self) -> None:
        """Take leave of an idle connection without waiting; whether the server hears it no longer matters."""
        if self.is_idle:
            with contextlib.suppress(OSError):
                self.socket.send(b"QUIT\r\n")
        self.close()

    def close(self) -> None:
        """Let go of the socket; whoever was on the way is in `ended`."""
        if self.is_open:
            self._lose("We closed the connection.")

    # --- beginning a letter

    def _next(self, source: Source) -> Parcel | None:
        """The next letter that this server may be shown; what it may not be shown is answered here."""
        if 0 < self.most_letters <= self.letters:
            return None
        while (parcel := source()) is not None:
            reply = self._refusal_of_ours(parcel.envelope)
            if reply is None:
                self.letters += 1
                return parcel
            self.ended.append(Ended(parcel, Answer(Step.MAIL, reply, final_dot_written=False)))
        return None

    def _refusal_of_ours(self, envelope: Envelope) -> Reply | None:
        if not envelope.is_fit:
            try:
                check_envelope(envelope)
            except (PayloadRefused, AddressError) as error:
                return Reply(554, "5.6.0", f"Not sent: {error}")
        if envelope.smtputf8 and not self.capabilities.smtputf8:
            return _NEEDS_SMTPUTF8
        if not (self.capabilities.eight_bit_mime or envelope.is_fit or envelope.payload.isascii()):
            return _NEEDS_8BITMIME
        if 0 < (self.capabilities.size or 0) < len(envelope.payload):
            return _TOO_LARGE
        return None

    def _opening(self, parcel: Parcel) -> bytes:
        """What begins a letter, all of it or its first line; the rest waits for the replies."""
        envelope = parcel.envelope
        mail, rcpt = self._mail_from(envelope), f"RCPT TO:<{envelope.recipient}>\r\n".encode()
        reset, self._must_reset = self._must_reset, False
        if self.capabilities.pipelining:
            if reset:
                self._expected.append((Step.RSET, parcel))
            self._expected += ((Step.MAIL, parcel), (Step.RCPT, parcel), (Step.DATA, parcel))
            return (b"RSET\r\n" if reset else b"") + mail + rcpt + b"DATA\r\n"
        if reset:
            self._unsaid.append((Step.RSET, b"RSET\r\n", parcel))
        self._unsaid += ((Step.MAIL, mail, parcel), (Step.RCPT, rcpt, parcel), (Step.DATA, b"DATA\r\n", parcel))
        return b"" if self._expected else self._next_line()

    def _next_line(self) -> bytes:
        step, line, parcel = self._unsaid.popleft()
        self._expected.append((step, parcel))
        return line

    def _mail_from(self, envelope: Envelope) -> bytes:
        size = f" SIZE={len(envelope.payload)}" if self.capabilities.size is not None else ""
        # Only a letter to an address that is not ASCII holds anything else (F6).
        octets = " BODY=8BITMIME" if not (envelope.is_fit or envelope.payload.isascii()) else ""
        utf8 = " SMTPUTF8" if envelope.smtputf8 else ""
        return f"MAIL FROM:<{envelope.sender}>{size}{octets}{utf8}\r\n".encode()

    # --- hearing

    def _receive(self) -> str | None:
        """All that has come; in words, how the connection ended, if it did."""
        try:
            while True:
                count = self.socket.recv_into(_BUFFER)
                if not count:
                    return "The server hung up."
                self._reader.feed(_VIEW[:count])
                if count < len(_BUFFER) and not isinstance(self.socket, ssl.SSLSocket):
                    return None
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError as error:
            return f"The connection was lost ({error})."

    def _hear(self, source: Source) -> bool:
        """Judge every reply that is there, one by one, by what was said; whether there was one."""
        heard_any = False
        while self.is_open and not self._reader.empty:
            if not self._expected or self._is_in_content:
                if (reply := self._reader.take()) is None:
                    break
                self._heard_out_of_turn(reply)
                continue
            step, parcel = self._expected[0]
            if step is not Step.FINAL_DOT and self._reader.skip(_WANTED[step]):
                heard: Reply | None = None
            elif (heard := self._reader.take()) is None:
                break
            heard_any = True
            self._expected.popleft()
            self._judge(step, parcel, heard, source)
        return heard_any

    def _judge(self, step: Step, parcel: Parcel | None, reply: Reply | None, source: Source) -> None:
        """One reply, None where it was as wanted and one line."""
        if parcel is None:  # the answer to a lone dot: the letter was refused before
            if reply is not None and reply.code == 421:
                self._lose("The server ended the session.")
        elif step is Step.FINAL_DOT and reply is not None:
            self._end(parcel, reply)
        elif reply is not None and not str(reply.code).startswith(_WANTED[step].decode()):
            self._refused(step, parcel, reply)
        elif step is Step.DATA and self._refusal is not None:
            # RFC 2920 section 3.1: every RCPT failed and DATA was answered 354 all the same.
            self._finish_refusal(parcel)
            self._expected.appendleft((Step.FINAL_DOT, None))
            self._say(_DOT)
            self._write()
        elif step is Step.DATA:
            self._write_content(parcel, source)
        if self.is_open and not self._expected:
            self._go_on(source)

    def _go_on(self, source: Source) -> None:
        """Say what comes next, unless the server has spoken already: that would be taken for the answer."""
        if not self._reader.empty:
            return
        if self._unsaid:
            self._say(self._next_line())
            self._write()
        else:
            self.pull(source)

    def _end(self, parcel: Parcel, reply: Reply) -> None:
        if reply.first_digit not in (2, 4, 5):
            self._expected.appendleft((Step.FINAL_DOT, parcel))
            self._lose(f"The server answered out of place: {reply}.")
            return
        self.accepted += reply.first_digit == 2
        self.ended.append(Ended(parcel, Answer(Step.FINAL_DOT, reply, final_dot_written=True)))
        if reply.code == 421:
            self._lose("The server ended the session.")

    def _refused(self, step: Step, parcel: Parcel, reply: Reply) -> None:
        if reply.first_digit not in (4, 5) or (step is Step.RSET and reply.code != 421):
            self._expected.appendleft((step, parcel))
            self._lose(f"The server answered out of place: {reply}.", untried=step is Step.RSET)
            return
        answer = Answer(Step.MAIL if step is Step.RSET else step, reply, final_dot_written=False)
        self._refusal = self._refusal or answer
        if reply.code == 421:
            self._forget(parcel)
            self._finish_refusal(parcel)
            self._lose("The server ended the session.")
        elif step is Step.DATA:
            self._finish_refusal(parcel)
        elif self._unsaid:
            self._finish_refusal(parcel)
            self._unsaid.clear()

    def _finish_refusal(self, parcel: Parcel) -> None:
        """The letter is answered with the first refusal of its group; the transaction is begun anew."""
        assert self._refusal is not None  # noqa: S101 - nobody comes here without one
        self.ended.append(Ended(parcel, self._refusal))
        self._refusal, self._must_reset = None, True

    def _heard_out_of_turn(self, reply: Reply) -> None:
        """Only 421 may come at any time (RFC 5321 section 3.8); in mid-letter a refusal may, too."""
        parcel = self._content
        if parcel is not None and self._is_in_content and reply.first_digit in (4, 5):
            answer = Answer(Step.BODY, reply, final_dot_written=self._dot_is_written())
            self._forget(parcel)
            self.ended.append(Ended(parcel, answer))
            self._lose("The server ended the session.")
        elif reply.code == 421:
            self._lose(f"The server ended the session: {reply}.")
        else:
            self._lose(f"The server spoke out of turn: {reply}.")

    # --- writing

    def _write_content(self, parcel: Parcel, source: Source) -> None:
        if not self._reader.empty:
            self._expected.appendleft((Step.DATA, parcel))
            self._lose("The server spoke out of turn.")
            return
        if not parcel.may_go():
            # After 354 there is no polite way back: whatever was said now would be a letter.
            self._expected.appendleft((Step.DATA, parcel))
            self._lose("It may not go any more.", untried=True)
            return
        envelope = parcel.envelope
        content = envelope.payload if envelope.is_fit else dot_stuffed(envelope.payload)
        self._expected.append((Step.FINAL_DOT, parcel))
        self._content, self._unwritten = parcel, len(content) + len(_DOT)
        tail = _DOT
        if self.capabilities.pipelining and (following := self._next(source)) is not None:
            tail += self._opening(following)
        self._dot_is_held = len(content) > _ONE_WRITE
        self._tail = tail
        self._writing += [memoryview(content)] if self._dot_is_held else [memoryview(content), memoryview(tail)]
        self._write()

    def _say(self, octets: bytes) -> None:
        if octets:
            self._writing.append(memoryview(octets))

    def _write(self) -> None:
        """Give the socket what it takes."""
        try:
            while self._writing:
                sent = self._send()
                self._unwritten = max(0, self._unwritten - sent)
                self._shift(sent)
                if self._dot_is_held and not self._writing and not self._speaks_against_it():
                    self._dot_is_held = False
                    self._say(self._tail)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except OSError as error:
            self._lose_writing(error)
            return
        if not self._unwritten:
            self._content = None

    def _send(self) -> int:
        if isinstance(self.socket, ssl.SSLSocket):
            first = self._writing[0]
            if len(self._writing) > 1:
                first = memoryview(b"".join(self._writing))
                self._writing = [first]
            return self.socket.send(first)
        return self.socket.sendmsg(self._writing) if len(self._writing) > 1 else self.socket.send(self._writing[0])

    def _shift(self, sent: int) -> None:
        while sent and self._writing:
            first = self._writing[0]
            if sent < len(first):
                self._writing[0] = first[sent:]
                return
            sent -= len(first)
            del self._writing[0]

    def _dot_is_written(self) -> bool:
        """Whether the final dot of the letter being written may be on its way."""
        on_its_way = _RECORD if isinstance(self.socket, ssl.SSLSocket) else 0
        return not self._dot_is_held and self._unwritten <= on_its_way

    def _lose_writing(self, error: OSError) -> None:
        """A server that stops reading in mid-letter has often said why before it hung up."""
        self._receive()
        with contextlib.suppress(ProtocolError):
            self._hear_last_words()
        if self.is_open:
            self._lose(f"The connection was lost ({error}).")

    def _hear_last_words(self) -> None:
        while self.is_open and (reply := self._reader.take()) is not None:
            if self._content is not None and reply.first_digit in (4, 5):
                self._heard_out_of_turn(reply)

    def _speaks_against_it(self) -> bool:
        """Whether the server has refused a large letter, or hung up, before the final dot was written."""
        ended = self._receive()
        if not self._reader.empty:
            self._hear_last_words()
        if ended is not None and self.is_open:
            self._lose(ended)
        return not self.is_open

    # --- the end

    def _forget(self, parcel: Parcel) -> None:
        self._expected = deque(each for each in self._expected if each[1] is not parcel)

    def _lose(self, note: str, *, untried: bool = False) -> None:
        """Close, and say of every letter on the way what is known: of the first what happened, of others nothing."""
        if not self.is_open:
            return
        self.is_open, self.ended_because = False, note
        in_content = self._content if self._is_in_content else None
        dot_written = self._dot_is_written()
        self.socket.close()
        waiting = [*self._expected, *((step, parcel) for step, _, parcel in self._unsaid)]
        self._expected.clear()
        self._unsaid.clear()
        self._writing.clear()
        decided: set[int] = set()
        for step, parcel in waiting:
            if parcel is None or id(parcel) in decided:
                continue
            answer: Answer | None = None
            if step is Step.FINAL_DOT and parcel is in_content and not dot_written:
                answer = Answer(Step.BODY, None, final_dot_written=False, note=note)
            elif step is Step.FINAL_DOT:
                answer = Answer(step, None, final_dot_written=True, note=note)
            elif not decided and not untried:
                answer = self._refusal or Answer(
                    Step.MAIL if step is Step.RSET else step, None, final_dot_written=False, note=note
                )
            decided.add(id(parcel))
            self.ended.append(Ended(parcel, answer))

    def _set_deadline(self) -> None:
        if self._writing:
            self.deadline = self.ticks() + self._timeouts.block
        elif self._expected:
            self.deadline = self.ticks() + self._timeouts.of(self._expected[0][0])
        elif self._unsaid:
            self.deadline = self.ticks() + self._timeouts.of(self._unsaid[0][0])
        else:
            self.deadline = float("inf")
