"""The sender: claim, check again, build, hand over, write down. Exactly once, or said to be uncertain.

The order is the promise (design.md section 4): a claim is durable before its first MAIL FROM; the journal is marked
before the final dot and at each answer; answers reach the database in one write a claim. `changes` is read before every
MAIL FROM that comes more than `FRESH` after the last reading, and when it moved everyone still in hand is checked again
(standards L8).
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mailer.actions.adopt_lists import is_adopted
from mailer.actions.compose import builder
from mailer.actions.keep_time import AuthorGone, rule_now
from mailer.actions.leave import Draw
from mailer.actions.pause_mailing import pause
from mailer.actions.send_notices import send_notices
from mailer.actions.settle import Settled, settle
from mailer.core.address import AddressError
from mailer.core.delivery import CopyState, Judged, judge, not_sent
from mailer.core.dkim import Signer
from mailer.core.envelope import Envelope
from mailer.core.errors import MailerError
from mailer.core.letter import Letter
from mailer.core.message import format_date
from mailer.core.personalise import Builder, CopyValues
from mailer.core.reply import Answer
from mailer.house import House
from mailer.models import Copy, Mailing, outbox, preparing, recheck, steering
from mailer.models.base import writing
from mailer.models.outbox import Claimed, signed
from mailer.models.site import Counter, current
from mailer.transport.journal import Journal, Mark
from mailer.transport.payload import PayloadRefused
from mailer.transport.relay import RelayFault
from mailer.transport.session import HandsOver

#: Copies in one claim: about a second of work for one connection.
CHUNK = 50
LEASE = timedelta(minutes=15)
#: How old, in seconds, a reading of `changes` may be before a MAIL FROM.
FRESH = 0.05
#: Nobody tries a relay again sooner after a fault that may pass (T3: not at once).
REST = timedelta(seconds=60)


class SendingRefused(MailerError, RuntimeError):
    """This worker must not send."""


@dataclass
class Sender:
    """One worker's hands: one connection, one claim at a time.

    `connect` gives a session with the relay or raises RelayFault; `clock` gives aware UTC, `ticks` seconds that only
    grow; `draw` random 64-bit handles.
    """

    house: House
    journal: Journal
    connect: Callable[[], HandsOver]
    clock: Callable[[], datetime]
    ticks: Callable[[], float]
    draw: Draw
    signers: Sequence[Signer] = ()
    stopping: Callable[[], bool] = lambda: False
    _session: HandsOver | None = None
    _builders: dict[int, Builder] = field(default_factory=dict)

    def work(self) -> bool:
        """Hand over one claim, the one-off letters first; False when there was nothing to do."""
        if not is_adopted(self.house):
            raise SendingRefused(
                "The list files of this worker are not those that the database adopted: run `mailer migrate` with"
                " the right files, or bring this host's files up to date. Nothing is sent until then."
            )
        if send_notices(self):
            return True
        mailing = steering.next_to_send(self.clock())
        if mailing is None:
            self.rest()
            return False
        return _Round(self, mailing).run()

    def rest(self) -> None:
        """Take leave of the relay; the next letter connects anew."""
        if self._session is not None:
            self._session.quit()
            self._session = None

    def session(self) -> HandsOver:
        """A session that can take a letter."""
        if self._session is None or not self._session.usable:
            self._session = self.connect()
        return self._session

    def builder(self, mailing: Mailing) -> Builder:
        """The builder of a mailing's letter, made once a mailing."""
        found = self._builders.get(mailing.pk)
        if found is None:
            letter = Letter.from_json(json.loads(steering.letter_of(mailing.pk).pieces))
            found = builder(self.house, mailing.issue, letter, self.signers, self.clock)
            self._builders = {mailing.pk: found}
        return found

    def envelope(self, build: Builder, copy: Claimed, now: datetime) -> Envelope:
        """One copy as octets, with its signed return path."""
        house = self.house
        payload = build.build(
            CopyValues(
                address=copy.address,
                names=copy.names,
                message_id=house.message_id(copy.handle),
                leave_url=house.leave_url(copy.handle),
                date=format_date(now.astimezone(house.zone)),
                segments=copy.segments,
            )
        )
        return Envelope(house.return_path(copy.handle), copy.address, payload, smtputf8=not copy.address.isascii())


class _Round:
    """One claim of one mailing, from the claim to the last mark.

    A worker's own clock says how long it has held the claim: frozen for longer than its lease, it mails nobody.
    """

    def __init__(self, sender: Sender, mailing: Mailing) -> None:
        self._sender = sender
        self._house = sender.house
        self._mailing = mailing
        self._claim = 0
        self._held: list[Claimed] = []
        self._places: dict[int, int] = {}
        self._results: list[Settled] = []
        self._begun: dict[int, Claimed] = {}
        self._changes = 0
        self._read_at = 0.0
        self._kept_at = 0.0

    def run(self) -> bool:
        now = self._sender.clock()
        self._kept_at = self._sender.ticks()
        try:
            build = self._sender.builder(self._mailing)
            self._take(now)
        except MailerError as error:
            pause(self._mailing, now, f"It cannot be sent: {error}")
            return False
        if not self._claim:
            return False
        self._sender.journal.begin(self._claim, [copy.copy for copy in self._held])
        self._places = {copy.copy: index for index, copy in enumerate(self._held)}
        unsent = {copy.copy for copy in self._held}
        fault: RelayFault | None = None
        dropped = False
        try:
            while self._held and not self._sender.stopping():
                # Connecting may take long, so the last look comes after it.
                session = self._sender.session()
                self._look_around()
                if not self._held:
                    break
                copy = self._held.pop(0)
                answer = self._hand_over(build, session, copy)
                unsent.discard(copy.copy)
                if answer.reply is None or answer.reply.code == 421:
                    dropped = True
                    break
        except RelayFault as error:
            fault = error
        finally:
            self._write_down(unsent)
        if fault is not None:
            self._blame_relay(fault)
        elif dropped:
            self._rest_if_useless()
        return fault is None

    def _take(self, now: datetime) -> None:
        """Claim and check in one transaction: only who may be written to now stays in hand (P8)."""
        number = self._mailing.pk
        with writing():
            # Read before anything is judged: whatever changes from here on will be noticed.
            self._changes = current(Counter.CHANGES)
            if not steering.is_sending(number):
                return
            claim, ids = outbox.claim(number, self._sender.journal.worker, now=now, lease=LEASE, most=CHUNK)
            if not claim:
                return
            self._check(claim, ids, now)
            recheck.withdraw_empty(ids)
            self._claim, self._held = claim, outbox.held_by(claim)
        self._read_at = self._sender.ticks()

    def _check(self, claim: int, copies: Iterable[int], now: datetime) -> None:
        """Of those on the copies in hand: who has moved goes on another copy, who may not be written to on none."""
        house, mailing, waiting = self._house, self._mailing, list(copies)
        rule = rule_now(house, mailing, now)
        preparing.follow_moves(mailing.pk, lambda: signed(self._sender.draw()), waiting)
        # Not the whole claim: a letter that was handed over is not taken back, though its answer is not written yet.
        riding = recheck.carried_by_claim(claim).filter(copy__in=waiting)
        recheck.withdraw_those_out(riding, rule, house.today(now), house.allow_list)

    def _look_around(self) -> None:
        """Hear of every leave, suppression, scope change and stop before the next MAIL FROM."""
        if self._sender.clock() >= self._mailing.not_after or not self._keep_claim():
            self._held = []
            return
        if self._sender.ticks() - self._read_at < FRESH:
            return
        changes = current(Counter.CHANGES)
        self._read_at = self._sender.ticks()
        if changes == self._changes:
            return
        self._changes = changes
        waiting = {copy.copy for copy in self._held}
        self._held, now = [], self._sender.clock()
        try:
            with writing():
                if steering.is_sending(self._mailing.pk):
                    self._check(self._claim, waiting, now)
                    self._held = [copy for copy in outbox.held_by(self._claim) if copy.copy in waiting]
        except AuthorGone as error:
            self._held = []
            pause(self._mailing, now, str(error))

    def _keep_claim(self) -> bool:
        """Whether the claim is surely still ours; renewed in good time."""
        age = self._sender.ticks() - self._kept_at
        if age >= LEASE.total_seconds():
            return False
        if age >= LEASE.total_seconds() / 3:
            self._kept_at += age
            with writing():
                # None: the claim was called lost meanwhile, and its copies are no longer ours to send.
                return outbox.renew(self._claim, self._sender.clock() + LEASE) > 0
        return True

    def _hand_over(self, build: Builder, session: HandsOver, copy: Claimed) -> Answer:
        sender, place = self._sender, self._places[copy.copy]
        try:
            envelope = sender.envelope(build, copy, sender.clock())
        except MailerError as error:
            answer = not_sent(error)
        else:
            try:
                answer = session.hand_over(envelope, lambda: self._before_final_dot(copy))
            except (PayloadRefused, AddressError) as error:
                answer = not_sent(error)
        judged = judge(answer)
        if answer.reply is not None:
            sender.journal.mark(place, _MARKS[answer.reply.code // 100])
        elif not answer.final_dot_written:
            sender.journal.mark(place, Mark.UNTOUCHED)
        self._results.append(Settled(copy, judged, sender.clock()))
        return answer

    def _before_final_dot(self, copy: Claimed) -> None:
        self._sender.journal.mark(self._places[copy.copy], Mark.FINAL_DOT)
        self._begun[copy.copy] = copy

    def _write_down(self, unsent: set[int]) -> None:
        """All answers in one write, and what was not tried goes back."""
        answered = {result.copy.copy for result in self._results}
        cut_off = [copy for copy in self._begun.values() if copy.copy not in answered]
        doubt = Judged(CopyState.UNCERTAIN, None, None)
        self._results += [Settled(copy, doubt, self._sender.clock()) for copy in cut_off]
        with writing():
            settle(self._house, self._mailing, self._claim, self._results)
            outbox.give_back(Copy, unsent - self._begun.keys(), self._claim)
        self._sender.journal.clear()

    def _blame_relay(self, fault: RelayFault) -> None:
        now, mailing = self._sender.clock(), self._mailing
        if not fault.retry_later:
            pause(mailing, now, f"The mail server: {fault}")
            return
        with writing():
            steering.note(mailing.pk, wait_until=now + REST, state_reason=str(fault)[:500])

    def _rest_if_useless(self) -> None:
        """A server that ends a session after taking letters is met again at once; one that took none, later (T5)."""
        if any(result.judged.reply is not None and result.judged.reply.code // 100 == 2 for result in self._results):
            return
        until = self._sender.clock() + REST
        with writing():
            steering.note(self._mailing.pk, wait_until=until, state_reason="The mail server ended the session.")


_MARKS = {2: Mark.ACCEPTED, 4: Mark.NOT_NOW, 5: Mark.REFUSED}
