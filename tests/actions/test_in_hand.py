"""What a worker holds when things happen between two of its letters, with lanes that answer apart (T6, L8)."""

import errno
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from mailer.actions import hand_over
from mailer.actions import in_hand as in_hand_module
from mailer.actions.being_sent import BeingSent
from mailer.actions.carry_out import carry_out
from mailer.actions.hand_over import Sender, SendingRefused
from mailer.actions.recover import recover
from mailer.actions.replay_departures import DeparturesUnreadable
from mailer.actions.steer_mailing import resume, stop
from mailer.actions.write_down import write_down
from mailer.config.relays import RelayLimits
from mailer.core.batch import Batch as Made
from mailer.core.configkind import Uncertain
from mailer.core.consent import Channel
from mailer.core.departing import Act, Departure
from mailer.core.limits import Limits, Window
from mailer.core.personalise import CopyError
from mailer.core.reply import Answer, Step, parse
from mailer.core.turns import Turns
from mailer.models import Copy, Event, Mailbox, Mailing, MemberRegion, Notice, destination, quota
from mailer.models.base import Busy, writing
from mailer.models.outbox import Claimed, unsigned
from mailer.models.site import Site
from mailer.transport.journal import CAPACITY, Journal
from mailer.transport.lane import Ended, Source
from mailer.transport.memory import refuses
from mailer.transport.relay import FaultKind, RelayFault
from tests.actions.office import Office, copy_to
from tests.actions.relays import with_relays
from tests.actions.test_last_moment import bumped, crowd
from tests.world import anne, bart, join, stream, withdraw

pytestmark = pytest.mark.django_db


class Slow:
    """A relay that answers MAIL/RCPT/DATA only `late` steps after they were announced; `width` lanes."""

    def __init__(self, width: int = 3, late: int = 3) -> None:
        self.width, self.late, self.steps = width, late, 0
        self.lanes: list[tuple[int, object]] = []
        self.sent: list[str] = []
        self.meanwhile: dict[int, Callable[[], object]] = {}

    def step(self, _wait: float, source: Source) -> list[Ended]:
        self.steps += 1
        act = self.meanwhile.pop(self.steps, None)
        if act:
            act()
        ended = []
        for lane, (since, parcel) in enumerate(list(self.lanes)):
            # Each connection answers in its own time.
            if self.steps - since >= self.late + 2 * lane:
                self.lanes.remove((since, parcel))
                if parcel.may_go():
                    self.sent.append(parcel.envelope.recipient)
                    ended.append(Ended(parcel, Answer(Step.FINAL_DOT, parse(b"250 ok\r\n"), final_dot_written=True)))
                else:
                    ended.append(Ended(parcel, None))
        while len(self.lanes) < self.width and (parcel := source()) is not None:
            self.lanes.append((self.steps, parcel))
        return ended

    def take_fault(self) -> None:
        return None

    def rest(self) -> None:
        pass

    def drop(self) -> list[Ended]:
        ended = [Ended(parcel, None) for _, parcel in self.lanes]
        self.lanes.clear()
        return ended


def slow_sender(office: Office, pool: Slow) -> Sender:
    sender = office.sender
    sender.wire_to = lambda _: pool  # type: ignore[assignment,return-value]
    return sender


def stopped_on_the_way(office: Office) -> tuple[int, Slow, Sender]:
    """Six letters, of which the first are announced when their mailing is stopped; with the sender's wire."""
    issue = crowd(office, 6)
    pool = Slow()
    pool.meanwhile[2] = lambda: stop(anne(), office.house, issue, office.now)
    sender = slow_sender(office, pool)
    sender.work()
    return issue, pool, sender


def test_a_letter_announced_when_its_mailing_is_stopped_goes_back_to_the_queue(office: Office) -> None:
    _, pool, _ = stopped_on_the_way(office)
    states = sorted(Copy.unscoped.values_list("state", flat=True))
    assert pool.sent == []
    assert states == ["queued"] * 6, states


def test_nobody_is_called_uncertain_because_a_person_stopped_and_resumed(office: Office) -> None:
    issue, _, sender = stopped_on_the_way(office)
    resume(anne(), office.house, issue, office.now)
    while sender.work():
        pass
    office.now += timedelta(minutes=16)
    office.ring()
    assert sorted(Copy.unscoped.values_list("state", flat=True)) == ["accepted"] * 6


def test_who_shares_a_box_with_a_leaver_still_gets_the_last_letter(office: Office) -> None:
    news = stream(office.house)
    leaver = join(office.house, "Ann Smith", "ann@example.org", consents=[news])
    join(office.house, "Bob Smith", "ann@example.org", consents=[news])
    office.begun(anne())
    pool = Slow()
    pool.meanwhile[2] = bumped(lambda: withdraw(office.house, leaver, news, office.now))
    sender = slow_sender(office, pool)
    while sender.work():
        pass
    assert copy_to("ann@example.org").state == "accepted", copy_to("ann@example.org").state


def test_what_was_claimed_first_goes_first(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the rest of each claim lies in hand until the mailing is over: late, and in doubt if the host is lost."""
    monkeypatch.setattr(Turns, "chunk", lambda *_: 3)
    crowd(office, 6)
    sender, went = office.sender, []
    for _ in range(2):
        sender._turn()
        sender._take_in()
        letter = sender._next()
        assert letter is not None
        went.append(letter.claimed.copy)
    went += [letter.claimed.copy for letter in iter(sender._next, None)]
    assert went == list(Copy.unscoped.order_by("position").values_list("pk", flat=True))


def test_only_what_changed_in_a_claim_is_made_anew_and_each_letter_is_still_its_own(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    news = stream(office.house)
    singles = [join(office.house, f"Member {n}", f"m{n}@example.org", consents=[news]) for n in range(6)]
    leaver = join(office.house, "Ann Smith", "both@example.org", consents=[news])
    join(office.house, "Bob Smith", "both@example.org", consents=[news])
    office.begun(anne())
    sender, made = office.sender, []
    add = Made.add
    monkeypatch.setattr(Made, "add", lambda self, copies: made.append(len(copies)) or add(self, copies))
    sender._turn()
    for member in (leaver, singles[0]):
        bumped(lambda member=member: withdraw(office.house, member, news, office.now))()
        sender._read_at = 0.0
        sender.look_around()
    letters = list(iter(sender._batches[0].next_letter, None))
    assert [len(letters), *filter(None, made)] == [6, 7, 1]
    greeted = {letter.envelope.recipient: letter.envelope.payload for letter in letters}
    for n in range(1, 6):
        assert f"Member {n}".encode() in greeted[f"m{n}@example.org"]
    assert b"Bob Smith" in greeted["both@example.org"]
    assert b"Ann Smith" not in greeted["both@example.org"]


def test_a_turn_that_takes_long_does_not_make_an_old_reading_fresh(office: Office) -> None:
    """After a turn that claimed something, a batch of before is handed over without another look at `changes`."""
    news = stream(office.house)
    members = [join(office.house, f"M {n}", f"m{n}@example.org", consents=[news]) for n in range(4)]
    office.begun(anne())
    sender = office.sender
    clock = [1000.0]
    sender.ticks = lambda: clock[0]
    sender._turn()
    batch = sender._batches[0]
    first = batch.next_letter()
    assert first is not None
    leaver = next(m for m in members if m.mailbox.address == first.claimed.address)
    sender.look_around()  # read now
    clock[0] += 0.04
    with writing():
        withdraw(office.house, leaver, news, office.now)  # answered at 1000.04
    clock[0] += 0.02
    # A turn: something else to claim, and two seconds of waiting for the write lock.
    join(office.house, "New", "new@example.org", consents=[news])
    Copy.unscoped.filter(pk__in=[c.copy for c in list(batch.waiting)]).update(state="queued", claimed_by="", claim=None)
    batch.waiting.clear()
    clock[0] += 2.0
    sender._turn()
    clock[0] += 0.04
    assert not first.may_go(), "content written two seconds after the leave was answered"


def test_a_letter_in_hand_over_midnight_is_asked_again(office: Office) -> None:
    """A move dated to begin tomorrow needs no write at midnight, so `changes` does not move."""
    news = stream(office.house, "local-notices", "norfolk")
    member = join(office.house, "Ann", "ann@example.org", regions=["norfolk"], consents=[news])
    office.begun(bart(), "local-notices", "norfolk")
    today = office.house.today(office.now)
    MemberRegion.unscoped.filter(member=member).update(ends=today + timedelta(days=1))
    sender = office.sender
    sender._turn()
    letter = sender._batches[0].next_letter()
    assert letter is not None
    office.now += timedelta(
        hours=13
    )  # a mailing ends 48 hours after its time; the wait only stands for the last second
    assert office.house.today(office.now) > today
    assert not letter.may_go(), "she does not live in the region any more"


def test_resend_is_once_however_often_workers_die(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    object.__setattr__(office.house.config.sending, "uncertain", Uncertain.RESEND)
    try:
        crowd(office, 1)
        went = 0
        for n in range(4):
            sender = office.sender
            office.now += timedelta(seconds=1)
            sender._turn()
            if not sender._batches:
                break
            letter = sender._batches[0].next_letter()
            assert letter is not None
            assert letter.may_go()
            went += 1
            office.journal.leave()
            recover(_house(office), office.now)
            office.journal = Journal(office.journal.path.parent, f"worker-{n + 2}")
        assert went <= 2, f"{went} times"
    finally:
        object.__setattr__(office.house.config.sending, "uncertain", Uncertain.KEEP)


def _house(office: Office):
    class H:
        config = office.house.config
        journals = office.journal.path.parent

    return H()


def test_no_address_a_relay_quoted_gets_into_the_audit_log(office: Office) -> None:
    join(office.house, "Ann", "ann@example.org", consents=[stream(office.house)])
    office.relay.script(
        "ann@example.org", refuses("450 4.7.0 <ann@example.org>: too many letters, rate limited", Step.MAIL)
    )
    office.begun(anne())
    office.sender.work()
    told = [(e.verb, e.details) for e in Event.unscoped.all() if "@" in str(e.details)]
    assert told == []


def test_what_was_answered_is_kept_when_the_list_files_are_no_longer_adopted(office: Office) -> None:
    news = stream(office.house)
    for n in range(3):
        join(office.house, f"M {n}", f"m{n}@example.org", consents=[news])
    office.begun(anne())
    first = Copy.unscoped.select_related("mailbox").order_by("position").first()
    assert first is not None
    office.relay.script(first.mailbox.address, refuses("550 5.1.1 No such user"))
    office.relay.meanwhile[1] = lambda: Site.unscoped.update(lists_digest="another")
    with pytest.raises(SendingRefused):
        office.sender.work()
    first.refresh_from_db()
    assert first.state == "refused", first.state


def test_a_farewell_that_the_relay_refuses_is_not_forgotten_for_ever(office: Office) -> None:
    """A held notice has no time, no person's command releases it, and no alarm or figure names it."""
    news = stream(office.house)
    box = join(office.house, "Ann", "ann@example.org", consents=[news]).mailbox
    Notice.unscoped.create(
        handle=7, kind="farewell", mailbox=box, subject="s", text="t", html="h", created_at=office.now
    )
    office.relay.script("ann@example.org", refuses("554 5.7.1 Relay access denied"), refuses("554 5.7.1 no"))
    office.sender.work()
    row = Notice.unscoped.get()
    assert row.state == "held"
    assert row.next_attempt_at is not None


def test_no_other_regions_author_reads_an_address_that_a_relay_quoted(office: Office) -> None:
    join(office.house, "Ann", "ann@example.org", consents=[stream(office.house)])
    join(
        office.house,
        "Bea",
        "bea@example.org",
        regions=["norfolk"],
        consents=[stream(office.house, "local-notices", "norfolk")],
    )
    office.relay.script("ann@example.org", refuses("550 5.4.5 <ann@example.org>: daily sending quota exceeded"))
    office.scheduled(anne())
    norfolk = office.scheduled(bart(), "local-notices", "norfolk")
    office.now += timedelta(hours=1, minutes=1)
    office.ring()
    office.relay.script("bea@example.org", refuses("451 4.3.0 later"))
    sender = office.sender
    sender._last_mailing = 0
    for _ in range(3):
        sender.work()
    Copy.unscoped.filter(mailing__issue=norfolk).update(state="queued", next_attempt_at=None)
    sender.work()
    assert "ann@example.org" not in office.mailing(norfolk).state_reason


def test_a_claim_that_cannot_be_made_ready_gives_back_once_what_it_took_of_a_limit(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of its letters rests with its destination; who sent before is still counted."""
    for address in ("a@example.org", "b@example.org", "c@example.net"):
        join(office.house, "Ann Smith", address, consents=[stream(office.house)])
    office.house = with_relays(office.house, limits=[RelayLimits(name="smtp", per_day=100)])
    office.begun(anne())
    with writing():
        quota.take("smtp", 10, office.now, Limits(per_day=100))
        destination.slow("example.net", parse(b"421 4.7.0 Too many\r\n"), office.now)

    def cannot(*_: object) -> None:
        raise CopyError("It begins no link to leave by.")

    monkeypatch.setattr(BeingSent, "copier", cannot)
    office.sender.work()
    assert Mailing.unscoped.get().state == "paused"
    assert sorted(Copy.unscoped.values_list("state", flat=True)) == ["deferred", "queued", "queued"]
    assert quota.used_by(["relay:smtp"])["relay:smtp"].total(Window.DAY, office.now) == 10


class Between(Slow):
    """It sees the claims that are durable and not in hand while it is heard; `fault` is then what it has to say."""

    def __init__(self, fault: RelayFault | None = None) -> None:
        super().__init__()
        self.seen, self.fault = 0, fault
        self.sender: Sender | None = None

    def step(self, wait: float, source: Source) -> list[Ended]:
        assert self.sender is not None
        assert wait == 0 or not self.sender._claimed, "a claim waits for a silent server"
        self.seen += len(self.sender._claimed)
        return super().step(wait, source)

    def take_fault(self) -> RelayFault | None:  # type: ignore[override]
        fault, self.fault = (self.fault, None) if self.seen else (None, self.fault)
        return fault


def sends_through(office: Office, pool: Between) -> Sender:
    """A sender that claims before the letters in its hands are all gone."""
    sender = pool.sender = slow_sender(office, pool)
    ticks = itertools.count(step=0.01)
    sender.ticks = lambda: next(ticks)
    return sender


def test_the_wire_is_heard_before_a_new_claim_is_made_ready(office: Office) -> None:
    crowd(office, 120)
    pool = Between()
    sender = sends_through(office, pool)
    while sender.work():
        pass
    assert pool.seen, "no claim waited for the wire"
    assert len(pool.sent) == len(set(pool.sent)) == 120
    assert set(Copy.unscoped.values_list("state", flat=True)) == {"accepted"}


def test_whoever_writes_is_waited_for_only_without_letters_or_with_old_answers(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many letters are in hand: answers that are not written down would be in doubt if the host were lost."""
    crowd(office, 120)
    pool = Between()
    pool.late = 12
    sender = sends_through(office, pool)
    refused, waited = 0, []

    @contextmanager
    def locked(patience: float | None = None) -> Iterator[None]:
        nonlocal refused
        if patience == 0.0:
            refused += 1
            raise Busy("database is locked")
        waited.append((sender._waiting, sender.ticks() - sender._turns._last))
        with writing(patience):
            yield

    monkeypatch.setattr(hand_over, "writing", locked)
    while sender.work():
        pass
    assert refused, "it never asked while it had letters"
    with_letters = [since for letters, since in waited if letters]
    assert with_letters, "answers grew old"
    assert min(with_letters) >= 0.25
    assert set(Copy.unscoped.values_list("state", flat=True)) == {"accepted"}
    assert office.journal.room == CAPACITY


def test_whoever_writes_is_asked_again_a_millisecond_later(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd(office, 60)
    sender, clock = slow_sender(office, Slow()), [1000.0]
    sender.ticks = lambda: clock[0]
    sender._turn()
    clock[0] += 0.26

    @contextmanager
    def locked(patience: float | None = None) -> Iterator[None]:
        raise Busy("database is locked")
        yield

    monkeypatch.setattr(hand_over, "writing", locked)
    assert sender._waiting
    assert sender._is_time_to_turn
    assert not sender._turn()
    assert not sender._is_time_to_turn
    clock[0] += 0.0011
    assert sender._is_time_to_turn


def test_who_left_by_a_line_while_the_sender_waited_for_the_lock_gets_no_letter(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(office, 4)
    sender, clock, left = office.sender, [1000.0], list[str]()
    sender.ticks = lambda: clock[0]

    @contextmanager
    def slow(patience: float | None = None) -> Iterator[None]:
        """Somebody else writes for two seconds, in which a click is answered."""
        if not left:
            first = Copy.unscoped.select_related("mailbox").order_by("position").first()
            assert first is not None
            handle = unsigned(first.handle)
            write_down(office.house, Departure(5, Act.LEAVE, handle, office.now, Channel.ONE_CLICK), office.now)
            left.append(first.mailbox.address)
            clock[0] += 2.0
        with writing(patience):
            yield

    monkeypatch.setattr(hand_over, "writing", slow)
    sender.work()
    assert len(left) == 1
    everyone = set(Mailbox.unscoped.values_list("address", flat=True))
    assert sorted(office.reached()) == sorted(everyone - set(left))


def clicks(office: Office, claimed: Claimed, seed: int) -> None:
    """A mail program's click that was answered by its line alone, and the process of the pages died after that."""
    handle = unsigned(Copy.unscoped.get(pk=claimed.copy).handle)
    write_down(office.house, Departure(seed, Act.LEAVE, handle, office.now, Channel.ONE_CLICK), office.now)


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def in_hand(office: Office, clock: list[float]) -> Sender:
    """A sender with a claim of four in hand, and ticks of its own."""
    crowd(office, 4)
    sender = slow_sender(office, Slow(width=3))
    sender.ticks = lambda: clock[0]
    sender._turn()
    return sender


def test_who_clicks_while_a_look_waits_for_the_lock_gets_no_letter(
    office: Office, in_hand: Sender, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What such a look read of the file is as old as it waited."""
    (batch,) = in_hand._batches
    in_hand.look_around()
    first, last = batch.waiting[0], batch.waiting[3]
    clicked: list[float] = []

    @contextmanager
    def locked(patience: float | None = None) -> Iterator[None]:
        """Somebody else writes for two seconds, in which a click is answered."""
        if patience == 0.0:
            raise Busy("database is locked")
        if not clicked:
            clicked.append(clock[0])
            clicks(office, last, 7)
            clock[0] += 2.0
        with writing(patience):
            yield

    monkeypatch.setattr("mailer.actions.replay_departures.writing", locked)
    clicks(office, first, 5)
    while not clicked:
        clock[0] += 0.05
        in_hand.look_around()
    assert last not in batch.waiting


def test_who_leaves_while_the_sender_waits_to_check_another_letter_gets_no_letter(
    office: Office, in_hand: Sender, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reading of `changes` is as old as it took to act on it."""
    (batch,) = in_hand._batches
    first, last = batch.waiting[0], batch.waiting[3]
    waited: list[float] = []

    def leaves(claimed: Claimed) -> None:
        act = Departure(claimed.copy, Act.LEAVE, claimed.handle, office.now, Channel.PAGE)
        with writing():
            carry_out(office.house, act, office.now)

    @contextmanager
    def locked(patience: float | None = None) -> Iterator[None]:
        """Somebody else writes for two seconds: the page of another who leaves."""
        if not waited:
            waited.append(clock[0])
            leaves(last)
            clock[0] += 2.0
        with writing(patience):
            yield

    in_hand.look_around()
    leaves(first)
    monkeypatch.setattr(in_hand_module, "writing", locked)
    clock[0] += 0.03
    in_hand.look_around()
    assert waited
    assert last not in batch.waiting


@pytest.mark.parametrize("every", [0.001, 0.0255, 0.03, 0.0395, 0.049, 0.07, 0.15])
def test_a_letter_may_begin_a_fifth_of_a_second_after_the_click_and_no_later(
    office: Office, in_hand: Sender, clock: list[float], monkeypatch: pytest.MonkeyPatch, every: float
) -> None:
    """However often the sender comes by, and though somebody else writes when it does not wait for the lock."""

    @contextmanager
    def locked(patience: float | None = None) -> Iterator[None]:
        if patience == 0.0:
            raise Busy("database is locked")
        with writing(patience):
            yield

    monkeypatch.setattr("mailer.actions.replay_departures.writing", locked)
    (batch,) = in_hand._batches
    clock[0] += 5
    in_hand.look_around()
    last, clicked = batch.waiting[3], clock[0]
    clicks(office, last, 7)
    while last in batch.waiting:
        begins = clock[0] + min(every, hand_over.FRESH)
        clock[0] += every
        in_hand.look_around()
    assert begins - clicked < 0.2


def test_a_sender_without_letters_is_told_that_somebody_writes_for_too_long(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(office, 3)

    @contextmanager
    def locked(patience: float | None = None) -> Iterator[None]:
        assert patience is None
        raise Busy("database is locked")
        yield

    monkeypatch.setattr(hand_over, "writing", locked)
    with pytest.raises(Busy):
        office.sender.work()
    assert set(Copy.unscoped.values_list("state", flat=True)) == {"queued"}


def test_a_claim_that_is_not_in_hand_when_the_relay_fails_goes_back(office: Office) -> None:
    crowd(office, 120)
    pool = Between(RelayFault("It went away.", kind=FaultKind.UNREACHABLE, retry_later=True, step=Step.CONNECT))
    sends_through(office, pool).work()
    assert pool.seen, "no claim waited for the wire"
    states = Counter(Copy.unscoped.values_list("state", flat=True))
    assert states["claimed"] == 0, states
    assert states["queued"], states


class TurnsAway(Between):
    """From the step in which a claim waits, it takes nothing without a login; `came_late` letters came after that."""

    came_late = 0

    def step(self, wait: float, source: Source) -> list[Ended]:
        assert self.sender is not None
        if not (self.seen or self.sender._claimed):
            return super().step(wait, source)
        refused = Answer(Step.RCPT, parse(b"530 5.7.0 Authentication required\r\n"), final_dot_written=False)
        ended = [Ended(parcel, refused) for _, parcel in self.lanes]
        self.lanes.clear()
        while self.seen and len(self.lanes) < self.width and (parcel := source()) is not None:
            self.lanes.append((self.steps, parcel))
            self.came_late += 1
        self.seen += 1
        return ended


def test_a_claim_that_is_not_in_hand_when_the_relay_turns_us_away_is_not_announced(office: Office) -> None:
    crowd(office, 120)
    pool = TurnsAway()
    sends_through(office, pool).work()
    assert pool.seen, "no claim waited for the wire"
    assert pool.came_late == 0
    assert Counter(Copy.unscoped.values_list("state", flat=True))["claimed"] == 0


class Fails(Between):
    """Something fails while a claim waits; `act` happens then."""

    act: Callable[[], None]

    def step(self, wait: float, source: Source) -> list[Ended]:
        assert self.sender is not None
        if self.sender._claimed:
            self.act()
        return super().step(wait, source)


def test_what_is_in_hand_is_written_down_though_a_waiting_claim_cannot_come_into_hand(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same disk fails at both: who settles it finds the claim that was on its way into hand, and no other."""
    crowd(office, 120)
    pool = Fails()

    def cannot(*_: object) -> None:
        raise OSError(errno.EIO, "The disk")

    def act() -> None:
        monkeypatch.setattr(hand_over, "note_claim", cannot)
        raise DeparturesUnreadable("The disk")

    pool.act = act
    with pytest.raises(OSError, match="The disk"):
        sends_through(office, pool).work()
    assert Copy.unscoped.filter(state="accepted").count() == len(pool.sent)
    assert len(set(Copy.unscoped.filter(state="claimed").values_list("claim", flat=True))) == 1
