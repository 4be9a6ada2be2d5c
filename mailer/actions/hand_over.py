"""The sender: claim, check again, build, hand over, write down. Exactly once, or said to be uncertain.

The order is the promise (design.md section 4): a claim is durable before its first MAIL FROM; the journal is marked
before a letter's content and at each answer; answers reach the database together with the next claim. `changes` is
read at least every `FRESH`, before a letter is announced and again before its content is written, and when it moved
everyone whom a change touched is checked again (standards L8).
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mailer.actions.adopt_lists import is_adopted
from mailer.actions.compose import copier
from mailer.actions.in_hand import Batch, Letter, MailingBatch
from mailer.actions.keep_time import AuthorGone
from mailer.actions.leave import Draw
from mailer.actions.pause_mailing import pause
from mailer.actions.send_notices import NoticeBatch
from mailer.core import letter as letters
from mailer.core.batch import Copier
from mailer.core.dkim import Signer
from mailer.core.errors import MailerError
from mailer.core.message import format_date
from mailer.house import House
from mailer.models import Mailing, site, steering
from mailer.models.base import writing
from mailer.transport.journal import Journal
from mailer.transport.pool import HandsOver
from mailer.transport.relay import RelayFault

#: Copies in a first claim, and in any; between the two, about half a second of work at the rate of the moment.
FIRST, MOST = 50, 1000
_CLAIM_SECONDS = 0.5
LEASE = timedelta(minutes=15)
#: How old, in seconds, a reading of `changes` may be.
FRESH = 0.05
#: How long, in seconds, an answer may wait to be written down, and an empty queue to be asked again.
_PATIENCE = 0.25
#: Nobody tries a relay again sooner after a fault that may pass (T3: not at once), or that somebody must mend.
REST, LONG_REST = timedelta(seconds=60), timedelta(minutes=30)


class SendingRefused(MailerError, RuntimeError):
    """This worker must not send."""


@dataclass
class Sender:
    """One worker's hands.

    `wire` is a pool of connections to the relay; `clock` gives aware UTC, `ticks` seconds that only grow; `draw` random
    64-bit handles.
    """

    house: House
    journal: Journal
    wire: HandsOver
    clock: Callable[[], datetime]
    ticks: Callable[[], float]
    draw: Draw
    signers: Sequence[Signer] = ()
    stopping: Callable[[], bool] = lambda: False
    lease: timedelta = LEASE
    #: By mailing: letters refused one after the other for a fault of ours.
    held_in_a_row: Counter[int] = field(default_factory=Counter)
    _batches: list[Batch] = field(default_factory=list)
    _copiers: dict[int, Copier] = field(default_factory=dict)
    _read_at: float = 0.0
    _turned_at: float = 0.0
    _asked_in_vain_at: float | None = None
    _answers: int = 0
    _rate: float = 0.0
    _last_mailing: int = 0
    _date: tuple[int, str] = (0, "")

    def work(self) -> bool:
        """Hand over all that can be handed over now, one-off letters first; False when there was nothing to do."""
        self._asked_in_vain_at = None
        self._turn()
        if not self._batches:
            self.wire.rest()
            return False
        try:
            while self._batches:
                self._go_on()
        finally:
            self._let_go()
        return True

    def _go_on(self) -> None:
        """One step of the wire, and what follows from it."""
        for letter, answer in self.wire.step(FRESH, self._next):
            assert isinstance(letter, Letter)  # noqa: S101 - the wire gives back what it was given
            letter.batch.heard(letter.claimed, answer)
            self._answers += answer is not None
        if self.stopping():
            for batch in self._batches:
                batch.abandon()
        fault = self.wire.take_fault()
        if fault is not None:
            self._part(fault)
        elif self._is_time_to_turn():
            self._turn()

    def _next(self) -> Letter | None:
        """What the wire takes next: the one-off letters first."""
        if self.stopping():
            return None
        self.look_around()
        for batch in self._batches:
            if batch.waiting and (letter := batch.next_letter()) is not None:
                return letter
        return None

    def look_around(self) -> None:
        """Hear of every leave, suppression, scope change and stop, unless that was done a moment ago."""
        ticks = self.ticks()
        if ticks - self._read_at < FRESH:
            return
        changes = site.current(site.Counter.CHANGES)
        self._read_at = self.ticks()
        for batch in self._batches:
            if not batch.is_in_time or not batch.is_ours(ticks):
                batch.abandon()
                batch.opening.clear()
            elif changes != batch.checked_to:
                self._check_again(batch, changes)

    def _check_again(self, batch: Batch, changes: int) -> None:
        try:
            batch.check_again(changes)
        except AuthorGone as error:
            batch.abandon()
            batch.opening.clear()
            if isinstance(batch, MailingBatch):
                pause(batch.mailing, self.clock(), str(error))

    # --- claiming and writing down, in one transaction

    def _is_time_to_turn(self) -> bool:
        waiting = sum(len(batch.waiting) for batch in self._batches)
        if not waiting and not any(batch.on_the_way for batch in self._batches):
            return True
        since = self.ticks() - self._turned_at
        low = waiting <= 2 * self.wire.width and since >= _PATIENCE / 5 and not self._asked_in_vain(since)
        return low or since >= _PATIENCE

    def _asked_in_vain(self, since: float) -> bool:
        return self._asked_in_vain_at == self._turned_at and since < _PATIENCE

    def _turn(self) -> None:
        """Write down what was answered and claim what comes next: one wait for the disk."""
        self._measure()
        trouble: tuple[Mailing, MailerError] | None = None
        freed: list[int] = []
        claimed: list[Batch] = []
        with writing():
            for batch in self._batches:
                freed += batch.write_down()
            if not self.stopping():
                self._must_be_adopted()
                mailing = self._mailing_to_claim()
                try:
                    with writing():
                        claimed = list(self._claim(mailing))
                except MailerError as error:
                    if mailing is None:
                        raise
                    trouble = mailing, error
        self.journal.clear(freed)
        self._batches = [batch for batch in (*claimed, *self._batches) if not batch.is_over]
        for batch in claimed:
            batch.enter()
        self._batches.sort(key=lambda batch: isinstance(batch, MailingBatch))
        self._read_at = self.ticks() if claimed else self._read_at
        if not claimed:
            self._asked_in_vain_at = self._turned_at
        if trouble is not None:
            pause(trouble[0], self.clock(), f"It cannot be sent: {trouble[1]}")

    def _must_be_adopted(self) -> None:
        if not is_adopted(self.house):
            raise SendingRefused(
                "The list files of this worker are not those that the database adopted: run `mailer migrate` with"
                " the right files, or bring this host's files up to date. Nothing is sent until then."
            )

    def _mailing_to_claim(self) -> Mailing | None:
        if sum(len(batch.waiting) for batch in self._batches) > 2 * self.wire.width:
            return None
        return steering.next_to_send(self.clock(), after=self._last_mailing)

    def _claim(self, mailing: Mailing | None) -> Iterator[Batch]:
        notices = NoticeBatch.claim(self)
        if notices is not None:
            yield notices
        most = min(self._chunk(), self.journal.room)
        if mailing is not None and most > 0:
            self._last_mailing = mailing.pk
            self.copier(mailing)
            batch = MailingBatch.claim(self, mailing, most)
            if batch is not None:
                yield batch

    def _chunk(self) -> int:
        """About half a second of work, so that a lost host leaves no more than that in doubt."""
        return min(MOST, max(int(self._rate * _CLAIM_SECONDS), 2 * self.wire.width)) if self._rate else FIRST

    def _measure(self) -> None:
        """Letters a second since the last turn, smoothed."""
        now = self.ticks()
        span, self._turned_at = now - self._turned_at, now
        if self._answers and span > 0:
            fresh, self._answers = self._answers / span, 0
            self._rate = (self._rate + fresh) / 2 if self._rate else fresh

    # --- the end

    def _part(self, fault: RelayFault) -> None:
        """No connection came about, or none can be kept: everything goes back, and the relay is left alone."""
        now = self.clock()
        mailings = {batch.mailing.pk: batch.mailing for batch in self._batches if isinstance(batch, MailingBatch)}
        for batch in self._batches:
            batch.doubt()
            if isinstance(batch, NoticeBatch):
                batch.rests_until = now + (REST if fault.retry_later else LONG_REST)
        self._write_all_down()
        for mailing in mailings.values():
            self._blame_relay(mailing, fault, now)

    def _blame_relay(self, mailing: Mailing, fault: RelayFault, now: datetime) -> None:
        if not fault.retry_later:
            pause(mailing, now, f"The mail server: {fault}")
            return
        with writing():
            steering.note(mailing.pk, wait_until=now + REST, state_reason=str(fault)[:500])

    def _let_go(self) -> None:
        """Whatever happened, nothing stays in hand."""
        if not self._batches:
            return
        for letter, answer in self.wire.drop():
            assert isinstance(letter, Letter)  # noqa: S101 - as above
            letter.batch.heard(letter.claimed, answer)
        for batch in self._batches:
            batch.doubt()
        self._write_all_down()

    def _write_all_down(self) -> None:
        with writing():
            freed = [place for batch in self._batches for place in batch.write_down()]
        self.journal.clear(freed)
        self._batches.clear()

    # --- making letters

    def copier(self, mailing: Mailing) -> Copier:
        """What makes the copies of a mailing, itself made once a mailing."""
        found = self._copiers.get(mailing.pk)
        if found is None:
            letter = letters.Letter.from_json(json.loads(steering.letter_of(mailing.pk).pieces))
            found = copier(self.house, mailing.issue, letter, self.signers, self.clock)
            kept = {batch.mailing.pk for batch in self._batches if isinstance(batch, MailingBatch)}
            self._copiers = {number: each for number, each in self._copiers.items() if number in kept}
            self._copiers[mailing.pk] = found
        return found

    def date_now(self) -> str:
        """The Date of letters handed over now; all of one second share it."""
        now = self.clock()
        second = int(now.timestamp())
        if self._date[0] != second:
            self._date = second, format_date(now.astimezone(self.house.zone))
        return self._date[1]
