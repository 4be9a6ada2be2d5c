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
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import NamedTuple, Protocol

from mailer.core.envelope import Envelope
from mailer.core.reply import Answer, Capabilities, ProtocolError, Reply, ReplyReader, Step
from mailer.transport.outgoing import Outgoing
from mailer.transport.payload import dot_stuffed
from mailer.transport.relay import Timeouts
from mailer.transport.transaction import announcement, refusal_of_ours

# To look a member up in its enumeration takes six times as long as a name here, many times a letter.
_MAIL, _RCPT, _DATA, _BODY, _FINAL_DOT, _RSET = Step.MAIL, Step.RCPT, Step.DATA, Step.BODY, Step.FINAL_DOT, Step.RSET
#: Of a letter's announcement.
_STEPS: tuple[Step, ...] = (_MAIL, _RCPT, _DATA)
_GROUP = len(_STEPS)
_WANTED = {_RSET: 2, _MAIL: 2, _RCPT: 2, _DATA: 3}
#: Before either is answered the server has been told of no letter.
_BETWEEN_LETTERS = (_RSET, _MAIL)
#: Replies are short. A larger buffer would cost an mmap and a munmap each (performance.md section 2).
_READ = 4096
_HUNG_UP = "The server hung up."
_ENDED = "The server ended the session."
_OUT_OF_TURN = "The server spoke out of turn."


class Parcel(Protocol):
    """A letter on its way."""

    @property
    def envelope(self) -> Envelope: ...

    def may_go(self) -> bool:
        """The last look, when only the content and its final dot are missing; after True the dot may be written."""
        ...

    def heard(self, answer: Answer) -> None:
        """The server's answer, before the content of another letter is begun; it comes in `ended` besides."""
        ...


class Ended(NamedTuple):
    """A letter and what its hand-over ended with; None: nothing was decided, and it was not tried."""

    parcel: Parcel
    answer: Answer | None


Source = Callable[[], Parcel | None]
"""Gives the next letter, or None while there is none."""


class Lane:
    """A connection in the hands of whoever waits for its socket: pull, then `read` and `write` as it becomes ready.

    `ended` collects what was decided; the owner takes it from there.
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
        self.ticks = ticks
        self.is_open = True
        self.ended_because = ""
        self.was_closed_by_us = False
        #: Letters begun, and letters of which the server decided something: a 421 decides nothing.
        self.letters = 0
        self.decided = 0
        #: How many it may carry; 0 is no end.
        self.most_letters = 0
        #: For the owner: whether it has been told when the socket takes octets again.
        self.is_watched_for_room = False
        self.ended: deque[Ended] = deque()
        self._heard_at = 0.0
        self._reader = reader
        self._patience = {step: timeouts.of(step) for step in Step}
        self._out = Outgoing(sock)
        self._secure = sock if isinstance(sock, ssl.SSLSocket) else None
        self._expected: deque[tuple[Step, Parcel | None]] = deque()
        self._unsaid: deque[tuple[Step, bytes, Parcel]] = deque()
        self._refusal: Answer | None = None
        self._must_reset = False
        #: In words, how the connection ended; there may be replies that came before.
        self._gone: str | None = None

    @property
    def is_idle(self) -> bool:
        """Whether it could begin a letter."""
        return self.is_open and not (self._expected or self._unsaid or self._out.waits)

    @property
    def is_spent(self) -> bool:
        """Whether it has carried as many letters as it may."""
        return 0 < self.most_letters <= self.letters

    @property
    def is_writing(self) -> bool:
        """Whether octets wait for the socket to take them."""
        return self._out.waits

    def pull(self, source: Source) -> bool:
        """Begin a letter if it is idle; whether it did."""
        if not self.is_idle:
            return False
        if not self._reader.empty:  # the rest of it would be taken for an answer
            self._lose(_OUT_OF_TURN)
            return False
        if (parcel := self._next(source)) is None:
            return False
        self._out.say(self._opening(parcel))
        self._write()
        self._heard_at = self.ticks()
        return True

    def read(self, source: Source) -> None:
        """The socket has something: take it in, and go on as far as the replies allow."""
        self._receive()
        heard = self._hear(source)
        if self._gone is not None:
            self._lose(self._gone)
        if heard:  # a reply that drips does not extend its time
            self._heard_at = self.ticks()

    def write(self) -> None:
        """The socket takes octets again."""
        self._write()
        self._heard_at = self.ticks()

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
            self.was_closed_by_us = True
            self._lose("We closed the connection.")

    # --- beginning a letter

    def _next(self, source: Source) -> Parcel | None:
        """The next letter that this server may be shown; what it may not be shown is answered here."""
        if self.is_spent:
            return None
        while (parcel := source()) is not None:
            reply = refusal_of_ours(parcel.envelope, self.capabilities)
            if reply is None:
                self.letters += 1
                return parcel
            self.ended.append(Ended(parcel, Answer(_MAIL, reply, final_dot_written=False)))
        return None

    def _opening(self, parcel: Parcel) -> bytes:
        """What begins a letter, all of it or its first line; the rest waits for the replies."""
        lines, steps = announcement(parcel.envelope, self.capabilities), _STEPS
        if self._must_reset:
            self._must_reset = False
            lines, steps = b"RSET\r\n" + lines, (_RSET, *steps)
        if self.capabilities.pipelining:
            self._expected += zip(steps, repeat(parcel))
            return lines
        self._unsaid += zip(steps, lines.splitlines(keepends=True), repeat(parcel), strict=False)
        return self._next_line()

    def _next_line(self) -> bytes:
        step, line, parcel = self._unsaid.popleft()
        self._expected.append((step, parcel))
        return line

    # --- hearing

    def _receive(self) -> None:
        """Take in what has come, though not all of it if there is much: the socket then stays ready."""
        try:
            while True:
                octets = self.socket.recv(_READ)
                if not octets:
                    self._gone = _HUNG_UP
                    return
                self._reader.feed(octets)
                # What TLS has deciphered already makes no socket ready.
                if self._secure is None or not self._secure.pending():
                    return
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            self._gone = f"The connection was lost ({error})."

    def _hear(self, source: Source) -> bool:
        """Judge what is there; whether any of it was a reply to what was said."""
        try:
            return self._hear_each(source)
        except ProtocolError as error:
            self._lose(str(error))
            return False

    def _hear_each(self, source: Source) -> bool:
        """Every reply is judged by itself, by what was said."""
        reader, expected, heard_any = self._reader, self._expected, False
        while self.is_open and not reader.empty:
            is_in_turn = expected and self._out.left <= 0
            # So many are expected when MAIL, RCPT and DATA went out in one write and none of them is answered.
            if is_in_turn and len(expected) == _GROUP and reader.skip_opened():
                heard_any = True
                _, parcel = expected[0]
                expected.clear()
                assert parcel is not None  # noqa: S101 - only a lone dot is nobody's
                self._write_content(parcel, source)
            elif (reply := reader.take()) is None:
                break
            elif is_in_turn:
                heard_any = True
                step, parcel = expected.popleft()
                self._judge(step, parcel, reply, source)
            else:
                self._heard_out_of_turn(reply)
                continue
            if not expected and self.is_open:
                self._go_on(source)
        return heard_any

    def _judge(self, step: Step, parcel: Parcel | None, reply: Reply, source: Source) -> None:
        """One reply."""
        if parcel is None:  # the answer to a lone dot: the letter was refused before
            if reply.code == 421 or reply.first_digit not in (2, 4, 5):
                self._lose(_ENDED)
        elif step is _FINAL_DOT:
            self._end(parcel, reply)
        elif reply.first_digit != _WANTED[step]:
            self._refused(step, parcel, reply)
        elif step is _DATA:
            self._write_content(parcel, source)

    def _go_on(self, source: Source) -> None:
        """Say what comes next, unless the server has spoken already: that would be taken for the answer."""
        if self._gone is not None or not self._reader.empty:
            return
        if self._unsaid:
            self._out.say(self._next_line())
            self._write()
        else:
            self.pull(source)

    def _end(self, parcel: Parcel, reply: Reply) -> None:
        if reply.first_digit not in (2, 4, 5):
            self._expected.appendleft((_FINAL_DOT, parcel))
            self._lose(f"The server answered out of place: {reply}.")
            return
        self._decide(parcel, Answer(_FINAL_DOT, reply, final_dot_written=True))

    def _refused(self, step: Step, parcel: Parcel, reply: Reply) -> None:
        if reply.first_digit not in (4, 5) or (step is _RSET and reply.code != 421):
            self._expected.appendleft((step, parcel))
            self._lose(f"The server answered out of place: {reply}.")
        elif self.decided and ends_between_letters(step, reply):
            self._expected.appendleft((step, parcel))
            self._lose(f"The server ended the session: {reply}.")
        else:
            # A letter's first step is MAIL, whatever was said before to begin anew.
            told = _MAIL if step is _RSET else step
            self._refusal = self._refusal or Answer(told, reply, final_dot_written=False)
            if reply.code == 421:
                self._forget(parcel)
                self._finish_refusal(parcel)
                self._lose(_ENDED, untried=True)
            elif step is _DATA or self._unsaid:
                self._unsaid.clear()
                self._finish_refusal(parcel)

    def _finish_refusal(self, parcel: Parcel) -> None:
        """The letter is answered with the first refusal of its group; the transaction is begun anew."""
        assert self._refusal is not None  # noqa: S101 - nobody comes here without one
        refusal, self._refusal, self._must_reset = self._refusal, None, True
        self._decide(parcel, refusal)

    def _decide(self, parcel: Parcel, answer: Answer) -> None:
        """The server has said what becomes of a letter."""
        parcel.heard(answer)
        self.ended.append(Ended(parcel, answer))
        if answer.reply is not None and answer.reply.code != 421:
            self.decided += 1
        else:
            self._lose(_ENDED, untried=True)

    def _heard_out_of_turn(self, reply: Reply) -> None:
        """Only 421 may come at any time (RFC 5321 section 3.8); in mid-letter a refusal may, too."""
        _, parcel = self._expected[0] if self._expected else (None, None)
        if parcel is not None and reply.first_digit in (4, 5):
            self._expected.popleft()
            self._decide(parcel, Answer(_BODY, reply, final_dot_written=False))
            self._lose(_ENDED, untried=True)
        elif reply.code == 421:
            self._lose(f"The server ended the session: {reply}.")
        else:
            self._lose(f"{_OUT_OF_TURN[:-1]}: {reply}.")

    # --- writing

    def _write_content(self, parcel: Parcel, source: Source) -> None:
        """The server asks for the letter."""
        self._expected.appendleft((_DATA, parcel))
        if self._gone is not None or not self._reader.empty:
            self._lose(self._gone or _OUT_OF_TURN)
        elif self._refusal is not None:
            self._write_lone_dot(parcel)
        elif (following := self._last_look(parcel, source)) is not None:
            self._expected[0] = _FINAL_DOT, parcel
            self._out.say_letter(*_as_written(parcel.envelope), following)
            self._write()

    def _last_look(self, parcel: Parcel, source: Source) -> bytes | None:
        """What is to follow the letter; None if it may not go.

        After 354 there is no polite way back: whatever was said instead of the letter would be one.
        """
        try:
            if parcel.may_go():
                following = self._next(source) if self.capabilities.pipelining else None
                return b"" if following is None else self._opening(following)
        except BaseException:
            self._keep_back()
            raise
        self._keep_back()
        return None

    def _keep_back(self) -> None:
        self.was_closed_by_us = True
        self._lose("It may not go any more.", untried=True)

    def _write_lone_dot(self, parcel: Parcel) -> None:
        """RFC 2920 section 3.1: every RCPT failed, and DATA was answered 354 all the same."""
        self._expected.popleft()
        refused_at_rcpt = self._refusal is not None and self._refusal.step is _RCPT
        self._finish_refusal(parcel)
        if not refused_at_rcpt:  # it may have taken a recipient: the dot would be an empty letter
            self._lose("The server asked for a letter after it had refused its sender.")
            return
        self._expected.append((_FINAL_DOT, None))
        self._out.say_lone_dot()
        self._write()

    def _write(self) -> None:
        """Give the socket what it takes."""
        try:
            self._out.flush()
            if self._out.is_at_dot and not self._speaks_against_it():
                self._out.say_dot()
                self._out.flush()
        except OSError as error:
            self._lose_writing(error)

    def _lose_writing(self, error: OSError) -> None:
        """A server that stops reading has often answered the last letter, or said why, before it hung up."""
        self._receive()
        self._gone = self._gone or f"The connection was lost ({error})."
        self._hear(_no_more)
        self._lose(self._gone)

    def _speaks_against_it(self) -> bool:
        """Whether the server says something, or hung up, before a large letter's final dot was written."""
        self._receive()
        self._hear(_no_more)
        if self._gone is not None:
            self._lose(self._gone)
        # In mid-word it is waited for: what was begun before the dot cannot be an answer to it.
        return not (self.is_open and self._reader.empty)

    # --- the end

    def _forget(self, parcel: Parcel) -> None:
        kept = [each for each in self._expected if each[1] is not parcel]
        self._expected.clear()
        self._expected += kept
        self._unsaid.clear()  # only ever one letter's

    def _lose(self, note: str, *, untried: bool = False) -> None:
        """Close, and say of every letter on the way what is known: of the first what happened, of others nothing."""
        if not self.is_open:
            return
        self.is_open, self.ended_because = False, note
        has_no_dot = self._out.left > 0 or (self._gone is _HUNG_UP and self._out.cannot_have_come())
        self.socket.close()
        first = True
        for step, parcel in self._on_the_way():
            answer = self._last_of(step, note, has_no_dot) if first and not untried else None
            self.ended.append(Ended(parcel, answer))
            first = False

    def _on_the_way(self) -> list[tuple[Step, Parcel]]:
        """Each letter that was begun and not answered, with the first step that is open; they are forgotten here."""
        found: dict[int, tuple[Step, Parcel]] = {}
        for step, parcel in (*self._expected, *((step, parcel) for step, _, parcel in self._unsaid)):
            if parcel is not None:
                found.setdefault(id(parcel), (step, parcel))
        self._expected.clear()
        self._unsaid.clear()
        return list(found.values())

    def _last_of(self, step: Step, note: str, has_no_dot: bool) -> Answer | None:
        """What is known of the first letter; None: the session ended after others, before this one was taken up."""
        if step is _FINAL_DOT:
            told = _BODY if has_no_dot else step
            return Answer(told, None, final_dot_written=not has_no_dot, note=note)
        if self._refusal is not None:
            return self._refusal
        if self.decided and ends_between_letters(step, None):
            return None
        return Answer(step, None, final_dot_written=False, note=note)

    @property
    def deadline(self) -> float:
        """When the server has been silent for too long, in the seconds of `ticks`."""
        if self._out.waits:
            return self._heard_at + self._patience[_BODY]
        for said in (self._expected, self._unsaid):
            if said:
                return self._heard_at + self._patience[said[0][0]]
        return float("inf")


def ends_between_letters(step: Step, reply: Reply | None) -> bool:
    """Whether a server that has decided about letters ends the session before the next, as many do after so many.

    That is no word about the next letter, which goes by another connection. A status of policy is one: it asks us to
    slow down (T26).
    """
    if reply is None:
        return step in _BETWEEN_LETTERS
    return reply.code == 421 and step in _BETWEEN_LETTERS and not (reply.status or "").startswith("4.7.")


def _as_written(envelope: Envelope) -> tuple[Sequence[bytes], int]:
    """A letter's content as it goes over the wire, and how many octets that is."""
    if envelope.is_fit:
        return envelope.parts, envelope.size
    stuffed = dot_stuffed(envelope.payload)
    return (stuffed,), len(stuffed)


def _no_more() -> None:
    """The source of a lane that is ending: it begins no letter."""
