"""Many lanes by one loop: standards T5, T25, T26; nobody is lost, no relay is hurried, nothing is left open."""

import gc
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import pytest

from mailer.core.reply import Answer, Step
from mailer.transport.dialler import Dialler
from mailer.transport.lane import Lane
from mailer.transport.pool import Pool
from mailer.transport.relay import FaultKind, RelayFault
from mailer.transport.smtp import connect
from mailer.transport.width import START
from tests.transport.deeds import Deed, Misbehaviour, Moment, Then, reply
from tests.transport.helpers import MakeWire, envelope, relay_to
from tests.transport.misbehaviours import (
    answers_421_at,
    answers_at,
    bears_connections,
    closes_after,
    drops_at,
    drops_before_final_dot_reply,
    once,
    stalls_at,
)
from tests.transport.peer import Post, goes
from tests.transport.wire import Wire

OFFERS = pytest.mark.parametrize("offers", [("PIPELINING",), ()], ids=["pipelining", "one by one"])
#: More steps than any test needs; each waits for at most `_WAIT` seconds.
_STEPS, _WAIT = 2000, 0.05


class Sending:
    """Letters to give, and what became of each; what was not tried is given again, as a sender does."""

    def __init__(self, letters: int, look: Callable[[], bool] = goes) -> None:
        self.waiting = [Post(envelope(f"m{n}@example.org"), look) for n in reversed(range(letters))]
        self.answers: dict[str, Answer] = {}
        self.given: Counter[str] = Counter()
        self.untried: Counter[str] = Counter()
        self.faults: list[RelayFault] = []

    def source(self) -> Post | None:
        if not self.waiting:
            return None
        post = self.waiting.pop()
        self.given[post.envelope.recipient] += 1
        return post

    def by(self, pool: Pool, until: Callable[[], bool] = lambda: False) -> "Sending":
        """Until all are answered, a fault comes, or this."""
        wanted = len(self.waiting)
        for _ in range(_STEPS):
            self.take(pool.step(_WAIT, self.source))
            if (fault := pool.take_fault()) is not None:
                self.faults.append(fault)
            if self.faults or len(self.answers) == wanted or until():
                return self
        raise AssertionError("the pool does not come to an end")

    def take(self, ended: object) -> None:
        for post, answer in ended:  # type: ignore[attr-defined]
            who = post.envelope.recipient
            assert who not in self.answers, f"{who} was answered twice"
            if answer is None:
                self.untried[who] += 1
                self.waiting.append(post)
            else:
                self.answers[who] = answer

    @property
    def codes(self) -> Counter[int | None]:
        return Counter(answer.reply and answer.reply.code for answer in self.answers.values())


@contextmanager
def pool_to(server: Wire, *, patience: float = 5.0, most: int = 64, letters_a_lane: int = 0) -> Iterator[Pool]:
    pool = Pool(
        lambda: connect(relay_to(server, patience=patience)).lane, monotonic, most=most, letters_a_lane=letters_a_lane
    )
    try:
        yield pool
    finally:
        pool.drop()


@OFFERS
def test_everyone_gets_one_letter(wire: MakeWire, offers: tuple[str, ...]) -> None:
    server = wire(offers=offers)
    with pool_to(server) as pool:
        sending = Sending(200).by(pool)
        assert sending.codes == {250: 200}
        assert sending.source() is None
    assert server.copies == sending.given


def test_one_letter_takes_one_connection(wire: MakeWire) -> None:
    """A sign-in code is no reason to log in four times."""
    server = wire()
    with pool_to(server) as pool:
        Sending(1).by(pool)
        assert pool.step(0, lambda: None) == []
    assert len(server.connections) == 1


@OFFERS
@pytest.mark.parametrize("most", [1, 7])
def test_no_connection_carries_more_letters_than_it_may(wire: MakeWire, offers: tuple[str, ...], most: int) -> None:
    server = wire(offers=offers)
    with pool_to(server, letters_a_lane=most) as pool:
        assert Sending(40).by(pool).codes == {250: 40}
    server.close()
    assert max(sum(line.startswith("MAIL") for line in each.commands) for each in server.connections) <= most


@OFFERS
@pytest.mark.parametrize("ends", [closes_after(1), closes_after(3)])
def test_a_server_that_ends_each_session_after_some_letters_gets_them_all(
    wire: MakeWire, offers: tuple[str, ...], ends: Misbehaviour
) -> None:
    server = wire(_without_status(ends), offers=offers)
    with pool_to(server) as pool:
        sending = Sending(30).by(pool)
    assert (sending.codes, sending.faults) == ({250: 30}, [])
    assert set(server.copies.values()) == {1}


def _without_status(misbehaviour: Misbehaviour) -> Misbehaviour:
    """As Exim says it: 421 and words, no status."""

    def act(moment: Moment, proper: Deed) -> Deed:
        deed = misbehaviour(moment, proper)
        return Deed((reply("421 too many messages in this connection"),), Then.DROP) if deed is not proper else proper

    return act


@OFFERS
@pytest.mark.parametrize("how", [answers_421_at, drops_at])
@pytest.mark.parametrize("step", [Step.MAIL, Step.RCPT, Step.DATA])
def test_a_server_that_takes_no_letter_is_a_fault_and_not_tried_at_once_again(
    wire: MakeWire, offers: tuple[str, ...], step: Step, how: Callable[[Step], Misbehaviour]
) -> None:
    server = wire(how(step), offers=offers)
    with pool_to(server) as pool:
        sending = Sending(10).by(pool)
    (fault,) = sending.faults
    assert (fault.kind, fault.retry_later) == (FaultKind.BUSY, True)
    assert (len(server.connections), len(sending.answers)) == (1, 1)
    assert sending.codes == {421 if how is answers_421_at else None: 1}


def test_a_server_that_loses_every_letter_leaves_one_in_doubt_and_not_all(wire: MakeWire) -> None:
    server = wire(drops_before_final_dot_reply())
    with pool_to(server) as pool:
        sending = Sending(10).by(pool)
    assert [answer.final_dot_written for answer in sending.answers.values()] == [True]
    assert len(sending.faults) == 1


def test_a_server_that_refuses_everybody_is_well(wire: MakeWire) -> None:
    server = wire(answers_at(Step.RCPT, "550 5.1.1 unknown"))
    with pool_to(server) as pool:
        sending = Sending(20).by(pool)
    assert (sending.codes, sending.faults) == ({550: 20}, [])


def test_a_letter_taken_back_at_the_last_moment_is_no_fault_of_the_relay(wire: MakeWire) -> None:
    server = wire()
    with pool_to(server) as pool:
        sending = Sending(1, look=lambda: False)
        sending.by(pool, until=lambda: bool(sending.untried))
    assert (sending.faults, sending.answers) == ([], {})
    server.close()
    assert not server.messages


def test_a_last_look_that_fails_ends_all_and_loses_nobody(wire: MakeWire) -> None:
    def full() -> bool:
        raise OSError("No space left on device")

    with pool_to(wire()) as pool:
        sending = Sending(3, look=full)
        with pytest.raises(OSError, match="No space"):
            sending.by(pool)
        sending.take(pool.drop())
    assert sending.given == sending.untried


def test_fewer_connections_may_be_borne_from_now_on(wire: MakeWire) -> None:
    server = wire()
    with pool_to(server, most=8) as pool:
        sending, lanes = Sending(400), Counter[int]()

        def fewer() -> bool:
            lanes[len(pool._lanes)] += 1
            if len(pool._lanes) > 2:
                pool.bear(2)
            return False

        sending.by(pool, until=fewer)
        assert max(lanes) > 2
        assert len(pool._lanes) <= 2
    assert (sending.codes, sending.faults) == ({250: 400}, [])


@pytest.mark.parametrize("borne", [1, 2])
def test_connections_that_are_turned_away_are_not_asked_for_again(wire: MakeWire, borne: int) -> None:
    server = wire(bears_connections(borne))
    with pool_to(server) as pool:
        sending = Sending(300).by(pool)
        assert pool.width <= borne
    assert (sending.codes, sending.faults) == ({250: 300}, [])
    assert len(server.connections) <= borne + START


def test_a_relay_that_cannot_be_reached_is_a_fault(wire: MakeWire) -> None:
    server = wire()
    server.close()
    with pool_to(server) as pool:
        sending = Sending(3).by(pool)
    (fault,) = sending.faults
    assert fault.kind is FaultKind.UNREACHABLE
    assert not sending.given


def test_a_silent_server_costs_its_own_letter_only(wire: MakeWire) -> None:
    server = wire(once(stalls_at(Step.FINAL_DOT)))
    with pool_to(server, patience=0.3) as pool:
        sending = Sending(1).by(pool)
    (answer,) = sending.answers.values()
    assert (answer.step, answer.reply, answer.final_dot_written) == (Step.FINAL_DOT, None, True)


def test_whoever_is_on_the_way_when_all_is_dropped_is_answered(wire: MakeWire) -> None:
    server = wire(stalls_at(Step.FINAL_DOT))
    with pool_to(server) as pool:
        sending = Sending(3)
        sending.by(pool, until=lambda: server.reached[Step.FINAL_DOT] > 0)
        sending.take(pool.drop())
    assert len(sending.answers) + len(sending.untried) == len(sending.given)
    assert sum(answer.final_dot_written for answer in sending.answers.values()) == 1


def test_a_rest_takes_leave_of_the_idle_and_keeps_those_on_the_way(wire: MakeWire) -> None:
    server = wire(once(stalls_at(Step.FINAL_DOT)))
    with pool_to(server) as pool:
        sending = Sending(1)
        sending.by(pool, until=lambda: server.reached[Step.FINAL_DOT] > 0)
        pool.rest()
        assert not sending.answers
        sending.take(pool.drop())
    assert len(sending.answers) == 1


# --- dialling


class Slow:
    """A dial that ends when the test says so."""

    def __init__(self, make: Callable[[], Lane]) -> None:
        self._make = make
        self.began, self.goes_on, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.made: list[Lane] = []

    def __call__(self) -> Lane:
        self.began.set()
        assert self.goes_on.wait(5)
        self.made.append(self._make())
        return self.made[-1]


@pytest.mark.parametrize("leave", ["rest", "drop"])
@pytest.mark.parametrize("late", [True, False])
def test_a_connection_that_is_made_when_everybody_goes_home_is_closed(wire: MakeWire, leave: str, late: bool) -> None:
    server = wire()
    slow = Slow(lambda: connect(relay_to(server)).lane)
    pool = Pool(slow, monotonic)
    pool.step(0, lambda: None)
    assert slow.began.wait(5)
    if late:
        getattr(pool, leave)()
    slow.goes_on.set()
    for thread in [each for each in threading.enumerate() if each.name == "dial"]:
        thread.join(5)
    if not late:
        getattr(pool, leave)()
    assert [lane.is_open for lane in slow.made] == [False]


def test_who_has_another_server_to_go_to_waits_not_long_for_the_first_connection(wire: MakeWire) -> None:
    """It may still come about, as the RFC wants it; then it is taken leave of."""
    server, now = wire(), 0.0
    slow = Slow(lambda: connect(relay_to(server)).lane)
    pool = Pool(slow, lambda: now, patience=20.0)
    pool.step(0, lambda: None)
    assert slow.began.wait(5)
    now = 19.0
    pool.step(0, lambda: None)
    assert pool.take_fault() is None
    now = 20.0
    pool.step(0, lambda: None)
    fault = pool.take_fault()
    assert fault is not None
    assert (fault.kind, fault.retry_later) == (FaultKind.UNREACHABLE, True)
    assert "within 20 seconds" in str(fault)
    slow.goes_on.set()
    for thread in [each for each in threading.enumerate() if each.name == "dial"]:
        thread.join(5)
    assert [lane.is_open for lane in slow.made] == [False]
    assert not pool.has_session


def test_a_server_that_let_us_in_is_waited_for_anew_when_the_connection_ends(wire: MakeWire) -> None:
    """More connections had been on their way for long when the only one ended; that alone is no fault."""
    server, now = wire(), 0.0
    dials, goes_on = iter(range(1000)), threading.Event()

    def make() -> Lane:
        if next(dials) == 0:
            return connect(relay_to(server)).lane
        goes_on.wait(5)
        raise ConnectionRefusedError("late")

    pool, sending = Pool(make, lambda: now, patience=20.0, letters_a_lane=2), Sending(2)
    last = sending.waiting.pop(0)
    sending.by(pool)
    now = 100.0
    sending.waiting.append(last)
    for _ in range(_STEPS):
        sending.take(pool.step(_WAIT, sending.source))
        if not pool.has_session:
            break
    assert len(sending.answers) == 2
    assert not pool.has_session
    for now, is_fault in ((100.0, False), (119.0, False), (120.0, True)):
        pool.step(0, sending.source)
        assert (pool.take_fault() is not None) == is_fault, now
    goes_on.set()
    pool.drop()


def test_a_connection_that_is_there_waits_for_no_other(wire: MakeWire) -> None:
    now = 0.0
    pool = Pool(lambda: connect(relay_to(server)).lane, lambda: now, patience=20.0)
    server = wire()
    sending = Sending(2).by(pool)
    now = 100.0
    assert not sending.faults
    assert pool.take_fault() is None
    pool.drop()


@pytest.mark.parametrize("error", [ValueError("a defect"), UnicodeError("a host that is no name")])
def test_a_defect_while_dialling_is_raised_where_it_is_seen(error: Exception) -> None:
    def make() -> Lane:
        raise error

    pool = Pool(make, monotonic)
    with pytest.raises(type(error)):
        Sending(1).by(pool)


def test_while_one_greeting_is_awaited_the_refused_are_not_asked_again_and_again(wire: MakeWire) -> None:
    """Some wait in the queue of a busy server, others are sent away at once."""
    dials = iter(range(1000))
    hangs = threading.Event()
    server = wire(closes_after(1))

    def make() -> Lane:
        match next(dials):
            case 0:
                return connect(relay_to(server)).lane
            case 1:
                hangs.wait(5)
                raise ConnectionRefusedError("late")
            case _:
                raise ConnectionRefusedError("busy")

    pool = Pool(make, monotonic)
    sending = Sending(5)
    for _ in range(20):
        sending.take(pool.step(0.01, sending.source))
    assert next(dials) <= 2 * START
    hangs.set()
    sending.by(pool)
    assert [fault.kind for fault in sending.faults] == [FaultKind.UNREACHABLE]


def test_a_dialler_leaves_no_bell_behind() -> None:
    dialler = Dialler(lambda: pytest.fail("never"))
    bell = dialler.bell
    os.fstat(bell)
    del dialler
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(bell)
