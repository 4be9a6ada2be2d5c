"""A lane for one who waits: one letter, one answer. For a test letter, an alarm, and whoever tests the dialogue.

The sender of mailings drives many lanes at once (transport/pool.py); the dialogue is the same.
"""

import select
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

from mailer.core.envelope import Envelope
from mailer.core.errors import MailerError
from mailer.core.reply import Answer, Capabilities, ProtocolError, Step
from mailer.transport.connection import Connection
from mailer.transport.lane import Lane, Parcel
from mailer.transport.payload import check_envelope
from mailer.transport.relay import Timeouts


class SessionClosed(MailerError, ConnectionError):
    """A letter was given to a session that is over."""


class HandsOverOne(Protocol):
    """Takes one letter and waits for its answer: what the session and its twin in memory have in common."""

    @property
    def messages(self) -> int: ...

    @property
    def usable(self) -> bool: ...

    def hand_over(self, envelope: Envelope, before_content: Callable[[], None] = ...) -> Answer: ...

    def quit(self) -> None: ...


def nothing() -> None:
    """What happens before the content when nobody keeps a journal."""


class Session:
    """A greeted, secured connection that hands over letters until it is closed."""

    def __init__(self, connection: Connection, capabilities: Capabilities, timeouts: Timeouts) -> None:
        self.capabilities = capabilities
        self._connection = connection
        self._timeouts = timeouts
        self._lane = connection.lane(capabilities, timeouts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.quit()
        self._lane.close()

    @property
    def lane(self) -> Lane:
        """The lane itself, for whoever drives many."""
        return self._lane

    @property
    def messages(self) -> int:
        """How many letters were begun."""
        return self._lane.letters

    @property
    def usable(self) -> bool:
        """Whether it can take another letter; a server that hung up or spoke meanwhile is noticed here."""
        if self._lane.is_open:
            self._lane.read(_no_more)
        return self._lane.is_open

    def hand_over(self, envelope: Envelope, before_content: Callable[[], None] = nothing) -> Answer:
        """One transaction for one recipient; `before_content` comes when only the content and its dot are missing."""
        if not self._lane.is_open:
            raise SessionClosed("This session is closed. Connect to the relay again.")
        check_envelope(envelope)
        waiting: list[Parcel] = [_Single(envelope, before_content)]
        try:
            self._lane.read(_no_more)
            self._lane.pull(lambda: waiting.pop() if waiting else None)
            while self._lane.is_open and not self._lane.ended:
                self._wait()
        except BaseException:
            self._lane.close()
            raise
        answer = self._lane.ended.popleft().answer if self._lane.ended else None
        return answer or Answer(Step.MAIL, None, final_dot_written=False, note=self._lane.ended_because)

    def _wait(self) -> None:
        lane = self._lane
        poll = select.poll()
        poll.register(lane.socket, select.POLLIN | (select.POLLOUT if lane.is_writing else 0))
        left = lane.deadline - lane.ticks()
        ready = poll.poll(max(0.0, left) * 1000)
        if not ready:
            lane.give_up()
        for _, event in ready:
            if event & ~select.POLLOUT:
                lane.read(_no_more)
            if event & select.POLLOUT and lane.is_open:
                lane.write()

    def quit(self) -> None:
        """Take leave politely; whether the server hears it no longer matters."""
        with suppress(OSError, ProtocolError):
            if self._lane.is_idle:
                self._connection.ask(b"QUIT", self._timeouts.quit)
        self._lane.close()


def _no_more() -> None:
    """There is never a second letter at once."""


class _Single:
    """The one letter of a hand-over."""

    def __init__(self, envelope: Envelope, before_content: Callable[[], None]) -> None:
        self.envelope = envelope
        self._before_content = before_content

    def may_go(self) -> bool:
        self._before_content()
        return True

    def heard(self, answer: Answer) -> None:
        """Whoever waits for one letter has its answer at once."""
