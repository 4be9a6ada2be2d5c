"""The relay's twin without a wire, for tests of stories: it keeps what it gets and answers as it was told.

Law of the file: it refuses and closes where the real session does, so that a story true here is true there.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from mailer.core.address import AddressError
from mailer.core.envelope import Envelope
from mailer.core.reply import Answer, Reply, Step, parse
from mailer.transport.lane import Ended, Parcel, Source, ends_between_letters
from mailer.transport.payload import PayloadRefused, check_envelope
from mailer.transport.relay import FaultKind, RelayFault
from mailer.transport.session import SessionClosed, nothing


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the relay does with one letter: what it says, where, and whether it has the letter then."""

    step: Step
    reply: Reply | None
    kept: bool


def accepts(reply: str = "250 2.0.0 Kept in memory") -> Behaviour:
    return Behaviour(Step.FINAL_DOT, _parse(reply), kept=True)


def refuses(reply: str = "550 5.1.1 No such mailbox", step: Step = Step.RCPT) -> Behaviour:
    """A 5xx, or anything else that is not 2xx, at the step where it is said."""
    return Behaviour(step, _parse(reply), kept=False)


def defers(reply: str = "451 4.7.1 Not now", step: Step = Step.RCPT) -> Behaviour:
    return refuses(reply, step)


def drops_before_final_dot() -> Behaviour:
    return Behaviour(Step.BODY, None, kept=False)


def drops_after_final_dot(*, kept: bool = True) -> Behaviour:
    """The worst of all: nobody can know from the outside whether the letter was kept."""
    return Behaviour(Step.FINAL_DOT, None, kept=kept)


class MemoryRelay:
    """The recorder: `connect` is what a sender is given in place of the real one.

    `handed` holds every envelope that was tried, `caught` those that the relay kept, `answers` what it said.
    """

    def __init__(self) -> None:
        self.fault: RelayFault | None = None
        self.connections = 0
        self.handed: list[Envelope] = []
        self.caught: list[Envelope] = []
        self.answers: list[Answer] = []
        self._scripts: dict[str, list[Behaviour]] = {}

    def script(self, recipient: str, *behaviours: Behaviour) -> None:
        """What happens to this recipient's letters, one after the other; the last goes on for ever."""
        self._scripts[recipient] = list(behaviours)

    @property
    def copies(self) -> Counter[str]:
        """How often each recipient got a letter."""
        return Counter(envelope.recipient for envelope in self.caught)

    def connect(self) -> "MemorySession":
        if self.fault is not None:
            raise self.fault
        self.connections += 1
        return MemorySession(self)

    def next_for(self, recipient: str) -> Behaviour:
        script = self._scripts.get(recipient) or [accepts()]
        return script.pop(0) if len(script) > 1 else script[0]


class MemorySession:
    """What `mailer.transport.session.Session` is to a sender."""

    def __init__(self, relay: MemoryRelay) -> None:
        self.messages = 0
        self._relay = relay
        self._open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False

    @property
    def usable(self) -> bool:
        return self._open

    def hand_over(self, envelope: Envelope, before_content: Callable[[], None] = nothing) -> Answer:
        if not self._open:
            raise SessionClosed("This session is closed. Connect to the relay again.")
        check_envelope(envelope)
        self.messages += 1
        self._relay.handed.append(envelope)
        behaviour = self._relay.next_for(envelope.recipient)
        if behaviour.step in (Step.BODY, Step.FINAL_DOT):
            self._call(before_content)
        dot_written = behaviour.step is Step.FINAL_DOT
        if behaviour.kept:
            self._relay.caught.append(envelope)
        note = "" if behaviour.reply else "The server hung up."
        answer = Answer(behaviour.step, behaviour.reply, dot_written, note)
        self._relay.answers.append(answer)
        self._open = answer.reply is not None and answer.reply.code != 421
        return answer

    def quit(self) -> None:
        self._open = False

    def _call(self, before_content: Callable[[], None]) -> None:
        try:
            before_content()
        except BaseException:
            self._open = False
            raise


class _MayNotGo(Exception):
    """The last look said no."""


class MemoryPool:
    """What `mailer.transport.pool.Pool` is to a sender: one letter a step, over one session."""

    width = 1

    def __init__(self, relay: MemoryRelay) -> None:
        self._relay = relay
        self._session: MemorySession | None = None
        self._decided = 0
        self._fault: RelayFault | None = None

    @property
    def has_session(self) -> bool:
        return self._session is not None

    def bear(self, most: int) -> None:
        """There is only ever one."""

    def step(self, wait: float, source: Source) -> list[Ended]:
        del wait
        if self._session is None:
            try:
                self._session, self._decided = self._relay.connect(), 0
            except RelayFault as fault:
                self._fault = fault
                return []
        parcel = source()
        if parcel is None:
            return []
        answer = _handed_over(self._session, parcel)
        if not self._session.usable:
            self._part(fruitless=not self._decided and answer is not None)
        if answer is not None and self._decided and ends_between_letters(answer.step, answer.reply):
            answer = None
        if answer is not None:
            parcel.heard(answer)
            self._decided += answer.reply is not None and answer.reply.code != 421
        return [Ended(parcel, answer)]

    def _part(self, *, fruitless: bool) -> None:
        self._session = None
        if fruitless:
            self._fault = RelayFault(
                "The mail server ended the session.", kind=FaultKind.BUSY, retry_later=True, step=Step.MAIL
            )

    def take_fault(self) -> RelayFault | None:
        fault, self._fault = self._fault, None
        return fault

    def rest(self) -> None:
        self._session = None

    def drop(self) -> list[Ended]:
        self._session = None
        return []


def _handed_over(session: MemorySession, parcel: Parcel) -> Answer | None:
    """What a letter ends with; None if it may not go any more."""

    def look() -> None:
        if not parcel.may_go():
            raise _MayNotGo

    try:
        return session.hand_over(parcel.envelope, look)
    except (PayloadRefused, AddressError) as error:
        return Answer(Step.MAIL, Reply(554, "5.6.0", f"Not sent: {error}"), final_dot_written=False)
    except _MayNotGo:
        return None


def _parse(reply: str) -> Reply:
    return parse(reply.encode() + b"\r\n")
