"""A session hands over one letter at a time (RFC 5321, standards T1-T6, T11, F17).

Law of the file: a hand-over ends with exactly one Answer, whatever the server does; what the Answer means is
said in core/delivery.py. A session that has lost step with its server, or in which anything was interrupted,
is closed, since its next reply could be taken for another letter's.
"""

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

from mailer.core.envelope import Envelope
from mailer.core.errors import MailerError
from mailer.core.reply import Answer, Capabilities, ProtocolError, Reply, Step, parse
from mailer.transport.connection import Connection, describe
from mailer.transport.payload import check_envelope, dot_stuffed
from mailer.transport.relay import Timeouts

_NEEDS_SMTPUTF8 = parse(b"553 5.6.7 Not sent: this address needs SMTPUTF8, which the relay does not offer\r\n")
_NEEDS_8BITMIME = parse(b"554 5.6.3 Not sent: this letter needs 8BITMIME, which the relay does not offer\r\n")
_TOO_LARGE = parse(b"552 5.3.4 Not sent: this letter is larger than the relay takes\r\n")


class SessionClosed(MailerError, ConnectionError):
    """A letter was given to a session that is over."""


class HandsOver(Protocol):
    """What a sender needs of a session; transport/memory.py is the twin of the one here."""

    messages: int

    @property
    def usable(self) -> bool: ...

    def hand_over(self, envelope: Envelope, before_final_dot: Callable[[], None] = ...) -> Answer: ...

    def quit(self) -> None: ...


def nothing() -> None:
    """What happens before the final dot when nobody keeps a journal."""


class Session:
    """A greeted, secured connection that hands over letters until it is closed."""

    def __init__(self, connection: Connection, capabilities: Capabilities, timeouts: Timeouts) -> None:
        self.capabilities = capabilities
        self.messages = 0
        self._connection = connection
        self._timeouts = timeouts
        self._open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.quit()
        self._close()

    @property
    def usable(self) -> bool:
        """Whether it can take another letter; a server that hung up or said 421 meanwhile is noticed here."""
        try:
            if self._open and self._connection.spoken():
                self._close()
        except OSError:
            self._close()
        return self._open

    def hand_over(self, envelope: Envelope, before_final_dot: Callable[[], None] = nothing) -> Answer:
        """One transaction for one recipient; `before_final_dot` comes when only the final dot is missing."""
        if not self._open:
            raise SessionClosed("This session is closed. Connect to the relay again.")
        check_envelope(envelope)
        refusal = self._refusal_of_ours(envelope)
        if refusal is not None:
            return Answer(Step.MAIL, refusal, final_dot_written=False)
        self.messages += 1
        try:
            return self._transaction(envelope, before_final_dot)
        except BaseException:
            self._close()
            raise

    def quit(self) -> None:
        """Take leave politely; whether the server hears it no longer matters."""
        with suppress(OSError, ProtocolError):
            if self._open:
                self._connection.ask(b"QUIT", self._timeouts.quit)
        self._close()

    def _refusal_of_ours(self, envelope: Envelope) -> Reply | None:
        if envelope.smtputf8 and not self.capabilities.smtputf8:
            return _NEEDS_SMTPUTF8
        if not (envelope.payload.isascii() or self.capabilities.eight_bit_mime):
            return _NEEDS_8BITMIME
        if 0 < (self.capabilities.size or 0) < len(envelope.payload):
            return _TOO_LARGE
        return None

    def _transaction(self, envelope: Envelope, before_final_dot: Callable[[], None]) -> Answer:
        commands = (
            (Step.MAIL, self._mail_from(envelope), 2),
            (Step.RCPT, f"RCPT TO:<{envelope.recipient}>".encode(), 2),
            (Step.DATA, b"DATA", 3),
        )
        for step, line, wanted in commands:
            answer = self._command(step, line, wanted)
            if answer is not None:
                self._begin_anew()
                return answer
        return self._write_letter(envelope.payload, before_final_dot)

    def _mail_from(self, envelope: Envelope) -> bytes:
        parameters = [f"MAIL FROM:<{envelope.sender}>"]
        if self.capabilities.size is not None:
            parameters.append(f"SIZE={len(envelope.payload)}")
        if not envelope.payload.isascii():
            parameters.append("BODY=8BITMIME")
        if envelope.smtputf8:
            parameters.append("SMTPUTF8")
        return " ".join(parameters).encode()

    def _command(self, step: Step, line: bytes, wanted: int) -> Answer | None:
        """Say one line: None when the server goes on as wanted, else what the hand-over ends with."""
        try:
            reply = self._connection.ask(line, self._timeouts.of(step))
        except (OSError, ProtocolError) as error:
            return self._lost(step, error)
        return None if reply.first_digit == wanted else self._refused(step, reply)

    def _begin_anew(self) -> None:
        if self._open and self._command(Step.RSET, b"RSET", 2) is not None:
            self._close()

    def _write_letter(self, payload: bytes, before_final_dot: Callable[[], None]) -> Answer:
        try:
            self._connection.write(dot_stuffed(payload), self._timeouts.of(Step.BODY))
            if self._connection.spoken():
                # Closed without the dot, so that the server cannot take what it has for the whole letter.
                answer = self._refused(Step.BODY, self._connection.read(self._timeouts.of(Step.BODY)))
                self._close()
                return answer
        except (OSError, ProtocolError) as error:
            return self._lost(Step.BODY, error)
        before_final_dot()
        return self._write_final_dot()

    def _write_final_dot(self) -> Answer:
        written = False
        try:
            self._connection.write(b".\r\n", self._timeouts.of(Step.BODY))
            written = True
            reply = self._connection.read(self._timeouts.of(Step.FINAL_DOT))
        except (OSError, ProtocolError) as error:
            return self._lost(Step.FINAL_DOT, error, written=written)
        if reply.first_digit == 2:
            return Answer(Step.FINAL_DOT, reply, final_dot_written=True)
        return self._refused(Step.FINAL_DOT, reply, written=True)

    def _refused(self, step: Step, reply: Reply, *, written: bool = False) -> Answer:
        if reply.first_digit not in (4, 5):
            self._close()
            return Answer(step, None, written, f"The server answered out of place: {reply}.")
        if reply.code == 421:
            self._close()
        return Answer(step, reply, written)

    def _lost(self, step: Step, error: Exception, *, written: bool = False) -> Answer:
        reply = self._last_words() if step is Step.BODY else None
        self._close()
        if reply is not None and reply.first_digit in (4, 5):
            return Answer(step, reply, written)
        return Answer(step, None, written, describe(error))

    def _last_words(self) -> Reply | None:
        """A server that stops reading in mid-letter has often said why before it hung up."""
        with suppress(OSError, ProtocolError):
            if self._connection.spoken():
                return self._connection.read(self._timeouts.quit)
        return None

    def _close(self) -> None:
        self._open = False
        self._connection.close()
