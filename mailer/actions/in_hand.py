"""What a worker holds: batches, each one claim, with those still to go, those on the way and those answered.

A letter is made just before it is handed over. Whoever leaves meanwhile is taken off the batch, and a letter that was
announced already, but whose content was not written, is not written (standards L8, P8).
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from mailer.actions.choose_relay import Chosen
from mailer.actions.hold_back import HeldBack, domain_of, hold_back
from mailer.actions.keep_time import rule_now
from mailer.actions.pause_when_too_much import pause_if_too_much_comes_back
from mailer.actions.settle import Settled, final_answers, held_in_a_row, pause_if_all_are_held, settle
from mailer.core.batch import Batch as Made
from mailer.core.delivery import CopyState, Judged, judge, not_sent
from mailer.core.envelope import Envelope
from mailer.core.errors import MailerError
from mailer.core.reply import Answer
from mailer.core.schedule import brief
from mailer.models import Copy, Mailing, Outgoing, outbox, preparing, quota, recheck, steering
from mailer.models.base import writing
from mailer.models.outbox import Claimed, signed
from mailer.models.quota import Grant
from mailer.models.site import Counter, current
from mailer.transport.journal import Mark

if TYPE_CHECKING:
    from mailer.actions.hand_over import Sender

_MARKS = {2: Mark.ACCEPTED, 4: Mark.NOT_NOW, 5: Mark.REFUSED}
_FINAL_DOT = Mark.FINAL_DOT


@dataclass(slots=True, eq=False)
class Letter:
    """One letter on its way: what the wire is given (`mailer.transport.lane.Parcel`)."""

    batch: "Batch"
    claimed: Claimed
    envelope: Envelope

    def may_go(self) -> bool:
        """The last look before its content is written; from then on the journal says so."""
        return self.batch.begin(self.claimed)

    def heard(self, answer: Answer) -> None:
        """Into the journal before the next letter on this connection is begun: so one at most is in doubt on each."""
        self.batch.note(self.claimed, answer)


@dataclass(eq=False)
class Batch(ABC):
    """One claim. `kept_at` are the ticks at which it was last renewed; `checked_to` the change it was checked up to."""

    sender: "Sender"
    number: int
    waiting: deque[Claimed]
    kept_at: float
    checked_to: int
    table: type[Outgoing] = Copy
    places: dict[int, int] = field(default_factory=dict)
    _held: dict[int, Claimed] = field(default_factory=dict)
    #: Announced to the server, content not begun.
    opening: dict[int, Claimed] = field(default_factory=dict)
    #: Announced, and not to be sent after all: until the wire gives it back, it is on its way.
    taken_back: set[int] = field(default_factory=set)
    #: Content begun, no answer yet: if nothing more is heard, each of these is in doubt.
    begun: dict[int, Claimed] = field(default_factory=dict)
    answered: list[Settled] = field(default_factory=list)
    untouched: set[int] = field(default_factory=set)
    #: What was counted against the relay's limits for it.
    grant: Grant = field(default_factory=lambda: Grant(0))
    back: HeldBack = field(default_factory=HeldBack)

    @property
    def on_the_way(self) -> int:
        """Letters in the hands of the wire."""
        return len(self.opening) + len(self.taken_back) + len(self.begun)

    @property
    def is_over(self) -> bool:
        """Whether nothing of it waits, is on its way, or is still to be written down."""
        return not (self.waiting or self.on_the_way or self.answered or self.untouched)

    def enter(self) -> None:
        """Into the journal, when the claim is durable and before anything is said to a server."""
        ids = [claimed.copy for claimed in self.waiting]
        # Notices have numbers of their own: below zero they are told apart from copies.
        sign = 1 if self.table is Copy else -1
        self.places = dict(zip(ids, self.sender.journal.begin(self.number, [sign * i for i in ids]), strict=True))

    def next_letter(self) -> Letter | None:
        """The next letter, made now; one that cannot be made is answered here and waits for a person."""
        while self.waiting:
            claimed = self.waiting.popleft()
            try:
                letter = Letter(self, claimed, self.envelope(claimed))
            except MailerError as error:
                self._decide(claimed, not_sent(error), self.sender.clock())
                continue
            self.opening[claimed.copy] = claimed
            return letter
        return None

    def begin(self, claimed: Claimed) -> bool:
        """Whether its content may be written now: nobody stopped, nobody on it left since it was announced."""
        self.sender.look_around()
        if self.sender.stopping() or self.opening.pop(claimed.copy, None) is not claimed:
            return False
        self.sender.journal.mark(self.places[claimed.copy], _FINAL_DOT)
        self.begun[claimed.copy] = claimed
        return True

    def hold_back(self, held: Sequence[Claimed], now: datetime, *, priority: bool = False) -> None:
        """Take in what may go to its destination now; the others rest untouched until their time (T26)."""
        self.back = hold_back(self.sender.house, held, now, priority=priority)
        self._held = {claimed.copy: claimed for claimed in held}
        self.waiting.extend(claimed for claimed in held if claimed.copy not in self.back.until)
        if self.back.until:
            with writing():
                self._put_off(self.back.until)
                quota.give_back([(self.grant, len(self.back.until))])

    def _put_off(self, until: Mapping[int, datetime]) -> None:
        """Let these rest, each until its time, untouched: a destination has one time for all its copies."""
        for moment in set(until.values()):
            outbox.put_off(self.table, [number for number, its in until.items() if its == moment], self.number, moment)

    def _those(self, numbers: Iterable[int]) -> list[Claimed]:
        return [self._held[number] for number in numbers if number in self._held]

    def heard(self, claimed: Claimed, answer: Answer | None, now: datetime) -> None:
        """What became of a letter; None: it was not tried."""
        number = claimed.copy
        if self.begun.pop(number, None) is None:
            self.opening.pop(number, None)
            self.taken_back.discard(number)
        if answer is None:
            self.sender.journal.mark(self.places[number], Mark.UNTOUCHED)
            self.untouched.add(number)
        else:
            self._decide(claimed, answer, now)

    def note(self, claimed: Claimed, answer: Answer) -> None:
        """Into the journal, what is known of a letter."""
        if answer.reply is not None:
            self.sender.journal.mark(self.places[claimed.copy], _MARKS[answer.reply.code // 100])
        elif not answer.final_dot_written:
            self.sender.journal.mark(self.places[claimed.copy], Mark.UNTOUCHED)

    def _decide(self, claimed: Claimed, answer: Answer, now: datetime) -> None:
        if not answer.accepted:  # what was is noted already (`Letter.heard`)
            self.note(claimed, answer)
        self.answered.append(Settled(claimed, answer, judge(answer), now))

    def abandon(self) -> None:
        """Send nothing more of it: what is not on its way goes back."""
        self.untouched.update(claimed.copy for claimed in self.waiting)
        self.waiting.clear()

    def take_back(self, numbers: Iterable[int]) -> None:
        """Send these not, though they were announced; the wire gives them back."""
        for number in list(numbers):
            del self.opening[number]
            self.taken_back.add(number)

    def stop(self) -> None:
        """Send nothing more of it, not even what was announced."""
        self.abandon()
        self.take_back(self.opening)

    def doubt(self) -> None:
        """The wire is gone: what was begun is in doubt, what was only announced was not tried."""
        self.abandon()
        self.untouched.update(self.opening, self.taken_back)
        self.opening.clear()
        self.taken_back.clear()
        doubt = Judged(CopyState.UNCERTAIN, None, None)
        self.answered += [Settled(claimed, None, doubt, self.sender.clock()) for claimed in self.begun.values()]
        self.begun.clear()

    def write_down(self) -> tuple[list[int], list[tuple[Grant, int]]]:
        """All that is known, inside `writing()`: the journal's places to free, once that is durable, and grants.

        The latter last in the transaction, since the rows of limits are shared by all workers.
        """
        settled = [result.copy.copy for result in self.answered]
        self.settle(self.answered)
        outbox.give_back(self.table, self.untouched, self.number)
        returned = [(self.grant, len(self.untouched)), *self.back.returns(self._those(self.untouched))]
        # What could not even be entered has none.
        places = [self.places[number] for number in (*settled, *self.untouched) if number in self.places]
        self.answered, self.untouched = [], set()
        return places, returned

    def is_ours(self, ticks: float) -> bool:
        """Whether nobody can have called the claim lost; it is renewed in good time, by a clock that is right."""
        age, lease = ticks - self.kept_at, self.sender.lease
        if age >= lease.total_seconds():
            return False
        if age >= lease.total_seconds() / 3:
            if self.sender.clock_fault() is not None:
                return False
            self.kept_at = ticks
            with writing():
                # None: it was called lost meanwhile, and its rows are no longer ours to send.
                return outbox.renew(self.table, self.number, self.sender.clock() + lease) > 0
        return True

    @property
    def is_in_time(self) -> bool:
        """Whether it may still be sent at this hour."""
        return True

    @abstractmethod
    def envelope(self, claimed: Claimed) -> Envelope:
        """The letter as octets."""

    def is_checked(self, changes: int) -> bool:
        """Whether nothing has changed since it was checked."""
        return changes == self.checked_to

    @abstractmethod
    def check_again(self, changes: int) -> None:
        """Something has changed: take out whoever may not be written to any more."""

    @abstractmethod
    def settle(self, results: Sequence[Settled]) -> None:
        """Write the answers down."""


#: Nobody need be told of a wait that is over before they have read of it.
_WORTH_SAYING = timedelta(minutes=1)


@dataclass(eq=False)
class MailingBatch(Batch):
    """Copies of one mailing."""

    mailing: Mailing = field(kw_only=True)
    ids: Sequence[int] = field(kw_only=True)
    checked_on: date | None = field(kw_only=True)
    _made: Made = field(init=False)
    #: Where each copy is in `_made`, as it was when it was last looked at.
    _made_at: dict[int, int] = field(default_factory=dict)

    @classmethod
    def claim(cls, sender: "Sender", mailing: Mailing, via: Chosen, most: int) -> "MailingBatch | None":
        """Claim, inside `writing()`: `enter` looks at it after that, since others wait for this transaction."""
        now, kept_at = sender.clock(), sender.ticks()
        waited_for = steering.waits_for(mailing.pk)
        if waited_for is None:
            return None
        grant = quota.take(via.name, most, now, via.limits)
        sender.wait(grant.again_at)
        if not grant.letters:
            if grant.again_at is not None and grant.again_at - now >= _WORTH_SAYING:
                again = brief(grant.again_at, sender.house.config.organisation.time_zone, now)
                steering.explain_waiting(f"The relay's limit is used up until {again}.", grant.again_at)
            return None
        number, ids = outbox.claim(mailing.pk, sender.journal.worker, now=now, lease=sender.lease, most=grant.letters)
        quota.give_back([(grant, grant.letters - len(ids))])
        if not number:
            return None
        if waited_for:
            steering.goes_on(mailing.pk)
        # Everyone was checked as a whole when the mailing started; if nobody knows when, all changes count.
        return cls(
            sender, number, deque(), kept_at, mailing.checked_at_change or 0,
            mailing=mailing, ids=ids, checked_on=mailing.checked_on, grant=grant,
        )  # fmt: skip

    def enter(self) -> None:
        """Check again those whom something has touched since the start: only who may be written to is in hand (P8)."""
        # Read before anything is judged: whatever changes from here on will be noticed.
        changes = current(Counter.CHANGES)
        held: Sequence[Claimed] = outbox.held_by(self.number)
        if missing := set(self.ids) - {claimed.copy for claimed in held}:
            with writing():
                # Nobody is left on these, or only who was erased, whom no change names.
                self._check(missing, self.sender.clock())
                recheck.withdraw_empty(missing)
        held = self._checked(held, changes)
        # To give back what was withdrawn changes nothing, but for the limits.
        self.untouched = set(self.ids) - {claimed.copy for claimed in held}
        self.hold_back(held, self.sender.clock())
        self._made = self.sender.being_sent.copier(self.mailing).batch(())
        self._make_ready(list(self.waiting))
        super().enter()

    def _checked(self, held: Sequence[Claimed], changes: int) -> Sequence[Claimed]:
        """The claim as it is now, if something has touched those on these copies; the very same if nothing has."""
        before, self.checked_to = self.checked_to, changes
        today, touched = self.sender.house.today(self.sender.clock()), self.sender.touched
        touched.cover(before, changes)
        # Memberships of regions begin and end with a day, and no change says so.
        everyone = today != self.checked_on or touched.everyone(before)
        self.checked_on = today
        members = touched.members(before)
        ids = [each.copy for each in held if everyone or not members.isdisjoint(each.members)]
        if not ids:
            return held
        with writing():
            if not steering.is_sending(self.mailing.pk):
                return ()
            self._check(ids, self.sender.clock())
            return outbox.held_by(self.number)

    def _check(self, copies: Iterable[int], now: datetime) -> None:
        """Of those on these copies: who may not be written to goes on none, who has moved on another copy.

        In this order, since the other copy may be out, or in other hands, and nobody asks there about who joins it.
        """
        house, mailing, ids = self.sender.house, self.mailing, list(copies)
        rule = rule_now(house, mailing, now)
        # Not the whole claim: a letter that was handed over is not taken back, though its answer is not written yet.
        riding = recheck.carried_by_claim(self.number, ids)
        recheck.withdraw_those_out(riding, rule, house.today(now), house.allow_list)
        preparing.follow_moves(mailing.pk, lambda: signed(self.sender.draw()), ids)

    def is_checked(self, changes: int) -> bool:
        return super().is_checked(changes) and self.checked_on == self.sender.house.today(self.sender.clock())

    def check_again(self, changes: int) -> None:
        known = [*self.waiting, *self.opening.values()]
        held = self._checked(known, changes)
        if held is known:
            return
        before, fresh = set(known), {claimed.copy: claimed for claimed in held}
        # To give back what was withdrawn changes nothing, and frees its place in the journal.
        self.untouched.update(claimed.copy for claimed in self.waiting if claimed.copy not in fresh)
        self.waiting = deque(fresh[claimed.copy] for claimed in self.waiting if claimed.copy in fresh)
        self._make_ready([claimed for claimed in self.waiting if claimed not in before])
        # Who rides on it has changed since it was announced: it is taken back, and made anew later.
        self.take_back(number for number, claimed in list(self.opening.items()) if fresh.get(number) != claimed)

    @property
    def is_in_time(self) -> bool:
        return self.sender.clock() < self.mailing.not_after

    def _make_ready(self, copies: Sequence[Claimed]) -> None:
        """Make ready what can be made ready for all at once: tokens, addresses, names."""
        self._made_at.update(zip((claimed.copy for claimed in copies), self._made.add(copies), strict=True))

    def envelope(self, claimed: Claimed) -> Envelope:
        """The letter as octets that its maker vouches for (core.batch)."""
        path, parts = self._made.letter(self._made_at[claimed.copy], self.sender.date)
        is_ascii = claimed.address.isascii()
        return Envelope(path.decode(), claimed.address, parts, not is_ascii, is_ascii)

    def settle(self, results: Sequence[Settled]) -> None:
        number, held = self.mailing.pk, self.sender.held_in_a_row
        worker, slowed = self.sender.journal.worker, self.back.slowed
        resting = settle(self.sender.house, self.mailing, self.number, worker, results, slowed)
        self._rest_with_their_destinations(resting)
        held[number] = held_in_a_row(held[number], results)
        if pause_if_all_are_held(self.mailing, held[number], results):
            held[number] = 0
        troubled = self.sender.troubled
        if not all(each.answer is not None and each.answer.accepted for each in results):
            troubled.add(number)
        if number in troubled:
            pause_if_too_much_comes_back(self.sender.house, self.mailing, self.sender.clock(), final_answers(results))

    def _rest_with_their_destinations(self, resting: Mapping[str, datetime]) -> None:
        """A destination that asked us to slow down gets no more of this claim for now (T26)."""
        if not resting:
            return
        later = [claimed for claimed in self.waiting if domain_of(claimed.address) in resting]
        self._put_off({claimed.copy: resting[domain_of(claimed.address)] for claimed in later})
        # To give back what rests already changes nothing, and frees its place in the journal.
        self.untouched.update(claimed.copy for claimed in later)
        self.waiting = deque(claimed for claimed in self.waiting if claimed.copy not in self.untouched)
