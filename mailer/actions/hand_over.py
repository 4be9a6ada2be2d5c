"""The sender: claim, check again, build, hand over, write down. Exactly once, or said to be uncertain.

The order is the promise (design.md section 4): a claim is durable before its first MAIL FROM; the journal is marked
before a letter's content and at each answer; answers reach the database together with the next claim. No letter is
announced, and no content written, on a reading of `changes` that is older than `FRESH`, and when it moved everyone
whom a change touched is checked again (standards L8).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mailer.actions import steer_relay
from mailer.actions.adopt_lists import is_adopted
from mailer.actions.being_sent import BeingSent
from mailer.actions.choose_relay import Chosen, Waiting, relay_for
from mailer.actions.compose import copier
from mailer.actions.face_restore import note_claim
from mailer.actions.in_hand import Batch, Letter, MailingBatch
from mailer.actions.keep_time import AuthorGone
from mailer.actions.leave import Draw
from mailer.actions.pause_mailing import pause
from mailer.actions.pulse import Pulse
from mailer.actions.replay_departures import SecondLook
from mailer.actions.send_notices import NoticeBatch
from mailer.actions.share_connections import own_part
from mailer.actions.touched import Touched
from mailer.actions.watch_site import disk_is_low
from mailer.core.dkim import Signer
from mailer.core.errors import MailerError
from mailer.core.message import format_date
from mailer.core.reply import Answer
from mailer.core.turns import Turns
from mailer.core.watch import WorkerState
from mailer.house import House
from mailer.models import Mailing, outbox, quota, site, steering
from mailer.models.base import Busy, writing
from mailer.models.quota import Grant
from mailer.transport.journal import Journal
from mailer.transport.pool import HandsOver

LEASE = timedelta(minutes=15)
#: How often, in seconds, the free space and the clock are looked at.
_HOST_LOOK = 1.0
#: How old, in seconds, a reading of `changes` may be.
FRESH = 0.025
#: Looks around one after the other, while each had to wait.
_LOOKS = 3
#: How often, in seconds, what was written down of departures is looked at: the pages carry most of it out before.
_DEPARTURES_LOOK = 0.04


class SendingRefused(MailerError, RuntimeError):
    """This worker must not send."""


@dataclass
class Sender:
    """One worker's hands.

    `wire_to` gives a pool of connections to a relay; `clock` gives aware UTC, `ticks` seconds that only grow; `draw`
    random 64-bit handles.
    """

    house: House
    journal: Journal
    wire_to: Callable[[Chosen], HandsOver]
    clock: Callable[[], datetime]
    ticks: Callable[[], float]
    draw: Draw
    pulse: Pulse
    signers: Sequence[Signer] = ()
    stopping: Callable[[], bool] = lambda: False
    #: What is wrong with this host's clock.
    clock_fault: Callable[[], str | None] = lambda: None
    lease: timedelta = LEASE
    #: By mailing: letters refused one after the other for a fault of ours.
    held_in_a_row: Counter[int] = field(default_factory=Counter)
    #: Mailings of which something was not taken: whether too much comes back is asked of these.
    troubled: set[int] = field(default_factory=set)
    #: When there may be something to do again, if that is known: a limit, quiet hours, a relay that rests.
    ready_at: datetime | None = None
    #: The Date of letters handed over now: of a moment ago, when it was last looked around.
    date: str = ""
    touched: Touched = field(default_factory=Touched)
    being_sent: BeingSent = field(init=False)
    _departures: SecondLook = field(init=False)
    _wires: dict[str, HandsOver] = field(default_factory=dict)
    _via: Chosen | None = None
    #: Relays that were ill and are being asked whether they let us in again.
    _asked: set[str] = field(default_factory=set)
    #: Of the connections that the relay in use bears, this worker's, if they are limited.
    _part: int = 1
    _shared_at: float = 0.0
    _batches: list[Batch] = field(default_factory=list)
    #: Claims that are durable and not yet in hand.
    _claimed: list[Batch] = field(default_factory=list)
    _turns: Turns = field(default_factory=Turns)
    _read_at: float = 0.0
    _last_mailing: int = 0
    _host_seen_at: float = -_HOST_LOOK
    _host_fault: str | None = None

    def __post_init__(self) -> None:
        self.being_sent = BeingSent(
            lambda mailing, letter: copier(self.house, mailing.issue, letter, self.signers, self.clock)
        )
        # Whichever clocks it has then.
        clock, ticks = (lambda: self.clock()), (lambda: self.ticks())  # noqa: PLW0108
        self._departures = SecondLook(self.house, clock, ticks, _DEPARTURES_LOOK)

    def work(self) -> bool:
        """Hand over all that can be handed over now, one-off letters first; False when there was nothing to do."""
        self.ready_at = None
        self.pulse.is_now(WorkerState.IDLE)
        found = self._turn()
        self.pulse.beat(self.clock())
        if not self._batches:
            if not found:
                self.rest()
            return found
        self.pulse.is_now(WorkerState.WORKING)
        try:
            while self._batches:
                self._go_on()
        finally:
            self._let_go()
            self.touched = Touched()
        return True

    def rest(self) -> None:
        """Take leave of every relay; the next letter connects anew.

        Not of one that is being asked whether it lets us in again: that takes longer than many pauses.
        """
        for name, wire in self._wires.items():
            if name not in self._asked:
                wire.rest()

    def _go_on(self) -> None:
        """One step of the wire, and what follows from it."""
        via = self._via
        assert via is not None  # noqa: S101 - nothing is claimed before a relay is chosen
        wire = self._wires[via.name]
        ended = wire.step(0 if self._claimed else FRESH, self._next)
        now = self.clock()
        if ended:
            self._turns.heard(self.ticks(), sum(answer is not None for _, answer in ended))
        for letter, answer in ended:
            assert isinstance(letter, Letter)  # noqa: S101 - the wire gives back what it was given
            letter.batch.heard(letter.claimed, answer, now)
            if answer is not None and (via.was_ill or not answer.accepted):
                self._heard(via, answer)
        if self.stopping() or not self._part:
            self._abandon_all()
        # A slow server asks for nothing for a long time, and claims are renewed here.
        self.look_around()
        fault = wire.take_fault()
        if fault is not None:
            steer_relay.failed(self.house, via.name, fault, self.clock())
            self._write_all_down()
            self._via = None
        elif self._claimed:
            self._take_in()
        elif self._is_time_to_turn:
            self._turn()

    def _heard(self, via: Chosen, answer: Answer) -> None:
        """What an answer says of the relay itself: all is well, or it takes no more letters of ours."""
        reply = answer.reply
        if reply is None:
            return
        if not answer.accepted and steer_relay.heard(self.house, via.name, answer, self.clock()):
            self._abandon_all()
        elif via.was_ill and reply.code != 421:
            steer_relay.is_well(via.name, self.clock())
            self._via = replace(via, was_ill=False)

    def _abandon_all(self) -> None:
        if self._claimed:
            self._take_in()
        for batch in self._batches:
            batch.abandon()

    def _next(self) -> Letter | None:
        """What the wire takes next: the one-off letters first."""
        self.look_around()
        if self.stopping() or not self._part:
            return None
        for batch in self._batches:
            if batch.waiting and (letter := batch.next_letter()) is not None:
                return letter
        return None

    def look_around(self) -> None:
        """Hear of every leave, suppression, scope change and stop, unless that was done a moment ago.

        Once more after a look that had to wait for the database; but not for ever, where that takes long each time.
        """
        looks = 0
        while self.ticks() - self._read_at >= FRESH and looks < _LOOKS:
            looks += 1
            self._look()

    def _look(self) -> None:
        # Whatever waits from here on makes what was heard before as old as that.
        self._read_at = self.ticks()
        self._departures.carry_out()
        changes = site.current(site.Counter.CHANGES)
        self.date = format_date(self.clock().astimezone(self.house.zone))
        self._share_connections()
        for batch in self._batches:
            if not batch.is_in_time or not batch.is_ours(self.ticks()):
                batch.stop()
            elif not batch.is_checked(changes):
                self._check_again(batch, changes)

    def _check_again(self, batch: Batch, changes: int) -> None:
        try:
            batch.check_again(changes)
        except AuthorGone as error:
            batch.stop()
            if isinstance(batch, MailingBatch):
                pause(batch.mailing, self.clock(), str(error))

    # --- claiming and writing down, in one transaction

    @property
    def _waiting(self) -> int:
        return sum(len(batch.waiting) for batch in self._batches)

    @property
    def _width(self) -> int:
        return self._wires[self._via.name].width if self._via is not None else 1

    @property
    def _is_time_to_turn(self) -> bool:
        waiting = self._waiting
        all_is_done = not waiting and not any(batch.on_the_way for batch in self._batches)
        return self._turns.is_due(self.ticks(), waiting, self._width, all_is_done=all_is_done)

    def _turn(self) -> bool:
        """Write down what was answered and claim what comes next, in one wait for the disk; whether there was any.

        While there are letters to go on with, and no answer has waited for long, nobody who writes is waited for.
        """
        self.pulse.beat(self.clock())
        self._departures.carry_out()
        is_fit = is_adopted(self.house)
        claimed: list[Batch] = []
        waiting = self._waiting
        claims = is_fit and not self.stopping() and self._turns.runs_low(waiting, self._width) and self._host_is_sound()
        mailing = self._next_mailing() if claims else None
        must_wait = self._turns.must_wait(self.ticks(), waiting)
        with ExitStack() as lock:
            try:
                lock.enter_context(writing(None if must_wait else 0.0))
            except Busy:
                if must_wait:
                    raise
                self._turns.give_way(self.ticks())
                return False
            if answers := self._turns.begin(self.ticks()):
                self.pulse.handed(answers, self.clock())
            freed, returned = self._write_down()
            if claims:
                claimed = list(self._claim(mailing))
            quota.give_back(returned)
        self._turns.end(bool(claimed) if claims else None)
        self.journal.clear(freed)
        self._claimed = claimed
        # All lanes wait meanwhile: the wire is heard between the two halves, if it has letters to go on with.
        if not (claimed and self._waiting):
            self._take_in()
        if not is_fit:
            raise SendingRefused(
                "The list files of this worker are not those that the database adopted: run `mailer migrate` with"
                " the right files, or bring this host's files up to date. Nothing is sent until then."
            )
        return bool(claimed)

    def _next_mailing(self) -> Mailing | None:
        """The mailing whose turn it is."""
        number = steering.next_to_send(self.clock(), after=self._last_mailing)
        if number is None:
            return None
        in_hand = {batch.mailing.pk for batch in self._batches if isinstance(batch, MailingBatch)}
        return self.being_sent.mailing(number, in_hand)

    def _write_down(self) -> tuple[list[int], list[tuple[Grant, int]]]:
        """What all batches know, inside `writing()`; places to be freed, and what to give back of limits."""
        freed, returned = [], []
        for batch in self._batches:
            places, unused = batch.write_down()
            freed += places
            returned += unused
        return freed, returned

    def _take_in(self) -> None:
        """Claims that are durable come into hand: into mirror and journal, before a server hears of them."""
        claimed, self._claimed = self._claimed, []
        if claimed:
            # Not before they are durable: the mirror must never be ahead of the database by itself.
            note_claim(self.house, max(batch.number for batch in claimed))
        for batch in claimed:
            self._enter(batch)
        together = [batch for batch in (*self._batches, *claimed) if not batch.is_over]
        # One-off letters overtake every mailing.
        self._batches = sorted(together, key=lambda batch: isinstance(batch, MailingBatch))

    def _enter(self, batch: Batch) -> None:
        try:
            batch.enter()
        except MailerError as error:
            if not isinstance(batch, MailingBatch):
                raise
            batch.abandon()
            # What rests with its destination was given back by then.
            batch.untouched.update(set(batch.ids).difference(batch.back.until))
            pause(batch.mailing, self.clock(), f"It cannot be sent: {error}")

    def _host_is_sound(self) -> bool:
        """Whether what is sent could be written down, and a claim's end is the same to others; looked at once a second.

        What a clock that is behind claims is over for every other host before it is sent, and called lost by them.
        """
        if self.ticks() - self._host_seen_at >= _HOST_LOOK:
            self._host_seen_at = self.ticks()
            clock = self.clock_fault()
            self._host_fault = f"The clock is wrong. {clock}" if clock else disk_is_low(self.house)
        if self._host_fault:
            self.pulse.is_now(WorkerState.WAITING, self._host_fault)
        return self._host_fault is None

    def _claim(self, mailing: Mailing | None) -> Iterator[Batch]:
        """One-off letters, then copies of a mailing, as far as a relay takes them now."""
        # The relay is asked for them only when there are some: this is done for every claim.
        if outbox.has_notices() and self._may_go(priority=True):
            notices = NoticeBatch.claim(self, self._chosen)
            if notices is not None:
                yield notices
        if mailing is None or not self._may_go(priority=False):
            return
        self._last_mailing = mailing.pk
        batch = MailingBatch.claim(self, mailing, self._chosen, min(self._turns.chunk(self._width), self.journal.room))
        if batch is not None:
            yield batch

    @property
    def _chosen(self) -> Chosen:
        assert self._via is not None  # noqa: S101 - asked only when letters may go
        return self._via

    def _may_go(self, *, priority: bool) -> bool:
        """Whether a relay takes letters now; the one in use is kept until nothing is on its way by another."""
        now = self.clock()
        chosen = relay_for(self.house, self.house.mail_domain, now, priority=priority)
        if isinstance(chosen, Waiting):
            if not priority:
                self.wait(chosen.until)
                steering.explain_waiting(chosen.reason, chosen.until)
                self.pulse.is_now(WorkerState.WAITING, chosen.reason)
            return False
        if chosen.meanwhile is not None and not self._lets_us_in(chosen):
            chosen = chosen.meanwhile
        if self._via is None or chosen.name != self._via.name:
            if any(batch.on_the_way or batch.waiting for batch in self._batches):
                return False
            self._via, self._part, self._shared_at = chosen, 1, -_HOST_LOOK
            self._asked.discard(chosen.name)
        self._wire_to(chosen)
        self._share_connections()
        return self._part > 0

    def _share_connections(self) -> None:
        """Of a relay that bears so many connections only, this worker opens its part; looked at once a second."""
        via = self._via
        if via is None or not via.limits.connections or self.ticks() - self._shared_at < _HOST_LOOK:
            return
        self._shared_at = self.ticks()
        self._part = own_part(via.limits.connections, self.pulse.sign, self.clock())
        if self._part:
            self._wires[via.name].bear(self._part)

    def _lets_us_in(self, ill: Chosen) -> bool:
        """Whether a relay that was ill does again; asked in passing, while letters go by another."""
        if self._via is not None and self._via.name == ill.name:
            return True  # letters go by it already
        wire = self._wire_to(ill)
        self._asked.add(ill.name)
        wire.step(0, lambda: None)
        fault = wire.take_fault()
        if fault is not None:
            steer_relay.failed(self.house, ill.name, fault, self.clock())
        if fault is not None or wire.has_session:
            self._asked.discard(ill.name)
        return wire.has_session

    def _wire_to(self, relay: Chosen) -> HandsOver:
        if relay.name not in self._wires:
            self._wires[relay.name] = self.wire_to(relay)
        return self._wires[relay.name]

    def wait(self, until: datetime | None) -> None:
        """Nothing can be done before this, if it is known; the soonest of several counts."""
        if until is not None:
            self.ready_at = min(until, self.ready_at or until)

    # --- the end

    def _let_go(self) -> None:
        """Whatever happened, nothing stays in hand."""
        if not self._batches:
            return
        for wire in self._wires.values():
            for letter, answer in wire.drop():
                assert isinstance(letter, Letter)  # noqa: S101 - as above
                letter.batch.heard(letter.claimed, answer, self.clock())
        self._write_all_down()

    def _write_all_down(self) -> None:
        for batch in self._batches:
            batch.doubt()
        with writing():
            freed, returned = self._write_down()
            quota.give_back(returned)
        self.journal.clear(freed)
        self._batches.clear()
        if self._claimed:
            # After what was sent is written down, whatever becomes of this.
            self._take_in()
            self._write_all_down()
