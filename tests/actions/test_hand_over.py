"""Every answer at every step becomes the right outcome, and a fault of ours blames nobody (T3-T6, T19, B12)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mailer import access
from mailer.actions import steer_relay
from mailer.actions.adopt_lists import is_adopted
from mailer.actions.choose_relay import Chosen, relay_for
from mailer.actions.hand_over import SendingRefused
from mailer.actions.settle import Settled, final_answers, held_in_a_row
from mailer.actions.steer_mailing import resume
from mailer.actions.steer_relay import resume as resume_relay
from mailer.config.relays import RelayLimits
from mailer.core.address import WireAddressError
from mailer.core.delivery import judge
from mailer.core.envelope import Envelope
from mailer.core.errors import MailerError
from mailer.core.quiet import quiet_hours
from mailer.core.reply import Answer, Step, parse
from mailer.models import Bounce, Copy, Event, Mailbox, Notice, backlog
from mailer.models.outbox import Claimed
from mailer.models.site import Site
from mailer.transport.lane import Ended, Source
from mailer.transport.memory import (
    Behaviour,
    MemoryPool,
    accepts,
    defers,
    drops_after_final_dot,
    drops_before_final_dot,
    refuses,
)
from mailer.transport.payload import PayloadRefused
from mailer.transport.relay import FaultKind, RelayFault
from tests.actions.office import Office, Relay, copy_to
from tests.actions.relays import spare, with_relays
from tests.world import NOW, TODAY, Draw, anne, join, stream

pytestmark = pytest.mark.django_db
ANN = "ann@example.org"


def one(office: Office, *behaviours: Behaviour, others: int = 0) -> int:
    news = stream(office.house)
    join(office.house, "Ann Smith", ANN, consents=[news])
    for n in range(others):
        join(office.house, f"Other {n}", f"o{n}@example.org", consents=[news])
    office.relay.script(ANN, *behaviours)
    return office.begun(anne())


def hangs_up(step: Step) -> Behaviour:
    return Behaviour(step, None, kept=False)


_STEPS = (Step.MAIL, Step.RCPT, Step.DATA, Step.FINAL_DOT)
_TABLE: list[tuple[Behaviour, str, str]] = [
    *((refuses("421 4.3.2 Closing", step), "deferred", "") for step in (*_STEPS, Step.BODY)),
    *((refuses("451 4.7.1 Later", step), "deferred", "") for step in _STEPS),
    *((refuses("475 Odd", step), "deferred", "") for step in _STEPS),
    *((hangs_up(step), "deferred", "") for step in (Step.MAIL, Step.RCPT, Step.DATA, Step.BODY)),
    (drops_after_final_dot(kept=True), "uncertain", ""),
    (drops_after_final_dot(kept=False), "uncertain", ""),
    (accepts("250"), "accepted", ""),
    (accepts("299 2.0.0 Odd but fine"), "accepted", ""),
    (accepts("250 2.1.5 Fine"), "accepted", ""),
    (refuses("550 5.1.1 Unknown"), "refused", "hard"),
    (refuses("550 4.1.1 Unknown"), "refused", "unclassified_permanent"),
    (refuses("450 5.2.2 Full"), "deferred", ""),
    (refuses("599 5.99.999 Odd"), "refused", "unclassified_permanent"),
    (refuses("550 5.1.1 Unknown", Step.FINAL_DOT), "refused", "hard"),
    (refuses("552 5.2.2 Full"), "refused", "soft"),
    (refuses("550 5.7.1 Blocked"), "held", ""),
    (refuses("554 5.7.26 Unsigned", Step.FINAL_DOT), "held", ""),
    (refuses("550 5.4.5 Quota"), "held", ""),
    (refuses("530 5.7.0 Log in first", Step.MAIL), "held", ""),
    (refuses("550 5.1.1 Who are you", Step.MAIL), "held", ""),
    (refuses("552 5.3.4 Too big", Step.MAIL), "held", ""),
]


@pytest.mark.parametrize(("behaviour", "state", "bounce"), _TABLE, ids=lambda value: str(value)[:60])
def test_an_answer_becomes_its_outcome_and_blames_only_whom_it_speaks_of(
    office: Office, behaviour: Behaviour, state: str, bounce: str
) -> None:
    one(office, behaviour)
    office.sender.work()
    copy = copy_to(ANN)
    assert copy.state == state
    kind = "soft" if bounce == "unclassified_permanent" else bounce
    assert [row.kind for row in Bounce.unscoped.all()] == ([kind] if bounce else [])
    box = Mailbox.unscoped.get()
    assert (box.deliverability == "undeliverable") == (bounce == "hard")
    assert box.soft_count == {"": 0, "hard": box.soft_count, "soft": 1, "unclassified_permanent": 2}[bounce]
    if behaviour.reply is not None:
        assert copy.reply_code == behaviour.reply.code
        assert behaviour.reply.text.startswith(copy.reply_text)
    assert copy.attempts == 1


def test_a_deferred_letter_goes_again_as_the_same_letter_at_another_date(office: Office) -> None:
    one(office, defers(), defers(), accepts())
    seen = []
    while copy_to(ANN).state != "accepted":
        office.send_all()
        seen.append(office.now)
        copy = copy_to(ANN)
        if copy.next_attempt_at:
            office.now = copy.next_attempt_at - timedelta(seconds=1)
            office.ring()
            assert not office.sender.work()
            office.now = copy.next_attempt_at
            office.ring()
    letters = [dict(line.split(b": ", 1) for line in _head(e.payload)) for e in office.relay.handed]
    assert len(letters) == 3
    assert len({head[b"Message-ID"] for head in letters}) == 1
    assert len({head[b"Date"] for head in letters}) == 3
    assert timedelta(minutes=30) <= seen[1] - seen[0] <= timedelta(minutes=50)
    assert timedelta(hours=2) <= seen[2] - seen[1] <= timedelta(hours=3)


def _head(payload: bytes) -> list[bytes]:
    lines = payload.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").split(b"\r\n")
    return [line for line in lines if b": " in line]


def test_a_letter_that_is_always_deferred_expires(office: Office) -> None:
    issue = one(office, defers())
    ends = office.mailing(issue).not_after
    for _ in range(60):
        office.send_all()
        again = copy_to(ANN).next_attempt_at
        if again is None:
            break
        assert again <= ends
        office.now = again
        office.ring()
    assert copy_to(ANN).state == "expired"
    assert office.mailing(issue).state == "sent"
    assert Bounce.unscoped.get().reply_code == 451
    assert Mailbox.unscoped.get().soft_count == 0, "a fault of policy is nobody's at that address"


def test_a_mailbox_that_was_full_until_the_end_of_its_time_has_a_point_against_it(office: Office) -> None:
    one(office, defers("452 4.2.2 Mailbox full"))
    while (again := (office.send_all(), copy_to(ANN).next_attempt_at)[1]) is not None:
        office.now = again
        office.ring()
    assert copy_to(ANN).state == "expired"
    assert Mailbox.unscoped.get().soft_count == 1


def test_the_back_off_is_what_the_configuration_says(office: Office) -> None:
    config = office.house.config
    office.house = replace(office.house, config=replace(config, sending=replace(config.sending, retry_minutes=(90,))))
    one(office, defers("450 4.2.1 Busy"))
    office.send_all()
    again = copy_to(ANN).next_attempt_at
    assert again is not None
    assert timedelta(minutes=90) <= again - office.now <= timedelta(minutes=135)


def test_an_exhausted_quota_is_tried_again_when_the_relay_has_rested(office: Office) -> None:
    one(office, refuses("550 5.4.5 Daily quota"), accepts())
    office.send_all()
    office.now += timedelta(minutes=59)
    office.ring()
    assert not office.sender.work()
    office.now += timedelta(minutes=2)
    office.ring()
    office.send_all()
    assert copy_to(ANN).state == "accepted"


_REFUSES_US = ["550 5.4.5 Daily quota", "530 5.7.0 Authentication required"]


@pytest.mark.parametrize("said", _REFUSES_US)
def test_what_one_relay_refuses_for_its_own_sake_another_takes_at_once(office: Office, said: str) -> None:
    office.house = with_relays(office.house, spare("second"))
    second = office.relays["second"] = Relay()
    issue = one(office, refuses(said, Step.MAIL), others=8)
    for n in range(8):
        office.relay.script(f"o{n}@example.org", refuses(said, Step.MAIL))
    office.send_all()
    office.ring()
    office.send_all()
    assert office.mailing(issue).state == "sent"
    assert len(second.caught) == 9
    assert not Bounce.unscoped.exists()


@pytest.mark.parametrize("said", _REFUSES_US)
def test_letters_refused_with_a_login_or_a_quota_do_not_pause_their_mailing(said: str) -> None:
    """Dozens of connections hear it at once, before the relay is left; the mailing goes on by another."""
    judged = judge(Answer(Step.MAIL, parse(f"{said}\r\n".encode()), final_dot_written=False))
    claimed = Claimed(1, 1, 1, ANN, "en", frozenset(), (1,), ("Ann",), 1, NOW)
    results = [Settled(claimed, None, judged, NOW)] * 60
    assert judged.state == "held"
    assert held_in_a_row(0, results) == 0
    assert final_answers(results) == []


@pytest.mark.parametrize("said", _REFUSES_US)
def test_a_one_off_letter_goes_by_another_relay_at_once(office: Office, said: str) -> None:
    office.house = with_relays(office.house, spare("second"))
    second = office.relays["second"] = Relay()
    ann = join(office.house, "Ann Smith", ANN)
    Notice.unscoped.create(
        handle=5, kind="farewell", mailbox_id=ann.mailbox_id, subject="Bye", text="Bye", html="<p>Bye</p>",
        created_at=office.now,
    )  # fmt: skip
    office.relay.script(ANN, refuses(said, Step.MAIL))
    office.send_all()
    office.ring()
    office.send_all()
    assert len(second.caught) == 1
    assert Notice.unscoped.get().state == "accepted"


def test_a_relay_that_refuses_everyone_pauses_the_mailing_and_names_nobody(office: Office) -> None:
    news = stream(office.house)
    for n in range(8):
        box = f"o{n}@example.org"
        join(office.house, f"Other {n}", box, consents=[news])
        office.relay.script(box, refuses(f"550 5.7.1 <{box}>: blocked"))
    issue = office.begun(anne())
    office.send_all()
    mailing = office.mailing(issue)
    assert mailing.state == "paused"
    assert len(office.relay.handed) == 3
    assert "5.7.1" in mailing.state_reason
    assert "example.org" not in mailing.state_reason
    assert "example.org" not in repr(list(Event.unscoped.values_list("details", flat=True)))
    assert not Bounce.unscoped.exists()
    for n in range(8):
        office.relay.script(f"o{n}@example.org", accepts())
    resume(access.actor_by_email("anne@example.org", TODAY), office.house, issue, office.now)
    office.send_all()
    assert office.mailing(issue).state == "sent"
    assert len(office.reached()) == 8


def fault(*, retry_later: bool) -> RelayFault:
    if retry_later:
        return RelayFault("Cannot be reached.", kind=FaultKind.UNREACHABLE, retry_later=True, step=Step.CONNECT)
    reply = parse(b"535 5.7.8 Wrong password\r\n")
    return RelayFault("Wrong password.", kind=FaultKind.AUTH, retry_later=False, step=Step.AUTH, reply=reply)


def test_a_wrong_password_pauses_the_relay_and_blames_nobody(office: Office) -> None:
    issue = one(office, accepts(), others=3)
    office.relay.fault = fault(retry_later=False)
    office.send_all()
    office.now += timedelta(days=1)
    office.ring()
    office.relay.connecting = lambda: pytest.fail(
        "a refused login is not tried again by itself: it may lock the account"
    )
    office.send_all()
    assert office.mailing(issue).state == "sending"
    assert "password" in office.mailing(issue).state_reason
    assert {row.state for row in Copy.unscoped.all()} == {"queued"}
    assert not Bounce.unscoped.exists()
    office.relay.fault = office.relay.connecting = None
    resume_relay(access.actor_by_email("anne@example.org", TODAY), office.house, "smtp", office.now)
    office.send_all()
    assert len(office.reached()) == 4
    assert office.mailing(issue).state_reason == ""


def test_another_relay_takes_over_in_mid_mailing(office: Office) -> None:
    office.house = with_relays(office.house, spare("second"))
    second = office.relays["second"] = Relay()
    issue = one(office, accepts(), others=9)

    def break_down() -> None:
        office.relay.fault = fault(retry_later=True)
        for n in range(9):
            office.relay.script(f"o{n}@example.org", refuses("421 4.7.0 Slow down", Step.MAIL))

    office.relay.meanwhile[4] = break_down
    office.send_all()
    assert len(office.relay.caught) + len(second.caught) >= 8
    assert second.caught
    assert not office.relay.copies.keys() & second.copies.keys()
    assert {row.state for row in Copy.unscoped.all()} <= {"accepted", "deferred"}
    assert office.mailing(issue).state == "sending"


def test_a_relay_that_does_not_come_back_is_asked_in_passing_while_another_goes_on(office: Office) -> None:
    """Nobody stands by while it does not greet, once more after each rest."""
    office.house = with_relays(office.house, spare("second"), limits=[RelayLimits(name="second", per_minute=3)])
    second = office.relays["second"] = Relay()
    issue = one(office, accepts(), others=9)
    office.relay.fault = fault(retry_later=True)
    asked: list[int] = []
    office.relay.connecting = lambda: asked.append(Copy.unscoped.filter(state="claimed").count())
    sender = office.sender
    for _ in range(5):
        while sender.work():
            pass
        office.now += timedelta(minutes=2)
        office.ring()
    assert office.mailing(issue).state == "sent"
    assert len(second.caught) == 10
    assert len(asked) > 1, "it was asked again"
    assert set(asked[1:]) == {0}, "and no letter waited for it"


class Hangs(MemoryPool):
    """A relay that accepts a connection and never greets."""

    dials = 0
    _is_dialling = False

    def step(self, wait: float, source: Source) -> list[Ended]:
        del wait, source
        self.dials += not self._is_dialling
        self._is_dialling = True
        return []

    def rest(self) -> None:
        self._is_dialling = False


def test_a_relay_that_is_being_asked_is_not_asked_anew_with_each_claim(office: Office) -> None:
    """Each pause for a limit would begin one more connection, and none would ever be waited for to its end."""
    office.house = with_relays(office.house, spare("second"), limits=[RelayLimits(name="second", per_minute=3)])
    issue, second = one(office, accepts(), others=9), Relay()
    steer_relay.failed(office.house, "smtp", fault(retry_later=True), office.now)
    office.now += timedelta(minutes=2)
    hangs, sender = Hangs(Relay()), office.sender
    sender.wire_to = lambda via: hangs if via.name == "smtp" else MemoryPool(second)
    for _ in range(6):
        while sender.work():
            pass
        office.now += timedelta(minutes=2)
        office.ring()
    assert office.mailing(issue).state == "sent"
    assert len(second.caught) == 10
    assert hangs.dials == 1


def test_a_relay_that_lets_us_in_again_is_used_again(office: Office) -> None:
    office.house = with_relays(office.house, spare("second"))
    second = office.relays["second"] = Relay()
    issue = one(office, accepts(), others=2)
    steer_relay.failed(office.house, "smtp", fault(retry_later=True), office.now)
    office.now += timedelta(minutes=2)
    office.send_all()
    assert office.mailing(issue).state == "sent"
    assert (len(office.relay.caught), len(second.caught)) == (3, 0)
    chosen = relay_for(office.house, office.house.mail_domain, office.now)
    assert isinstance(chosen, Chosen)
    assert not chosen.was_ill


def test_letters_beyond_a_limit_go_when_there_is_room_again(office: Office) -> None:
    issue = one(office, accepts(), others=49)
    office.house = with_relays(office.house, limits=[RelayLimits(name="smtp", per_hour=30)])
    office.send_all()
    first = len(office.relay.caught)
    assert 0 < first < 30, "a part is kept for the priority lane"
    assert office.mailing(issue).state == "sending"
    office.now += timedelta(minutes=30)
    office.ring()
    office.send_all()
    assert len(office.relay.caught) == first
    while office.mailing(issue).state == "sending":
        office.now += timedelta(minutes=65)
        office.ring()
        office.send_all()
    assert len(office.relay.copies) == 50
    assert set(office.relay.copies.values()) == {1}


def test_a_destination_that_throttles_is_slowed_as_a_whole(office: Office) -> None:
    news = stream(office.house)
    for n in range(30):
        join(office.house, f"Other {n}", f"o{n}@example.net", consents=[news])
        office.relay.script(f"o{n}@example.net", defers("451 4.7.0 Too many messages, slow down", Step.FINAL_DOT))
    join(office.house, "Ann Smith", ANN, consents=[news])
    office.begun(anne())
    office.send_all()
    assert set(office.reached()) == {ANN}
    assert len(office.relay.handed) <= 12, "no hot loop: those in hand, and no more"
    deferred = Copy.unscoped.filter(state="deferred")
    assert deferred.count() == 30
    assert {row.attempts for row in deferred} == {0, 1}


def test_nothing_goes_in_quiet_hours_but_a_farewell(office: Office) -> None:
    issue = one(office, accepts())
    sending = replace(office.house.config.sending, quiet_hours=quiet_hours("00:00-23:59"))
    office.house = replace(office.house, config=replace(office.house.config, sending=sending))
    office.send_all()
    assert office.relay.handed == []
    assert "Quiet hours" in office.mailing(issue).state_reason
    assert backlog.waiting_since(office.now) is None, "nobody is alarmed about letters that rest"


def test_what_waits_for_a_limit_is_no_backlog_until_there_is_room(office: Office) -> None:
    one(office, accepts(), others=49)
    office.house = with_relays(office.house, limits=[RelayLimits(name="smtp", per_hour=30)])
    office.send_all()
    assert backlog.waiting_since(office.now) is None
    assert backlog.waiting_since(office.now + timedelta(hours=2)) is not None


def test_a_relay_that_cannot_be_reached_is_left_alone_for_a_while(office: Office) -> None:
    issue = one(office, accepts(), others=3)
    office.relay.fault = fault(retry_later=True)
    attempts = 0

    def counted() -> None:
        nonlocal attempts
        attempts += 1

    office.relay.connecting = counted
    for _ in range(5):
        office.send_all()
        office.now += timedelta(seconds=5)
    assert attempts == 1
    office.relay.fault = None
    office.now += timedelta(minutes=1)
    office.send_all()
    assert office.mailing(issue).state == "sent"
    assert [row.attempts for row in Copy.unscoped.all()] == [1] * 4


def test_days_without_a_relay_do_not_use_up_the_time_for_trying(office: Office) -> None:
    one(office, defers(), accepts())
    office.relay.fault = fault(retry_later=True)
    office.send_all()
    assert copy_to(ANN).first_attempt_at is None
    office.now += timedelta(hours=1)
    office.relay.fault = None
    office.send_all()
    assert copy_to(ANN).first_attempt_at == office.now


def test_a_server_that_hangs_up_is_met_again_and_nobody_is_forgotten(office: Office) -> None:
    issue = one(office, drops_before_final_dot(), accepts(), others=9)
    for _ in range(4):
        office.send_all()
        office.now += timedelta(hours=1)
        office.ring()
    assert office.mailing(issue).state == "sent"
    assert office.relay.copies == {ANN: 1} | {f"o{n}@example.org": 1 for n in range(9)}


def test_a_copy_that_cannot_be_written_is_held_alone(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    from mailer.core.batch import Batch
    from mailer.core.personalise import CopyError

    issue = one(office, accepts(), others=3)
    real = Batch.letter

    def letter(self: Batch, place: int, date: str) -> tuple[bytes, tuple[bytes, ...]]:
        path, parts = real(self, place, date)
        if ANN.encode() in b"".join(parts):
            raise CopyError("The name cannot stand in a letter.")
        return path, parts

    monkeypatch.setattr(Batch, "letter", letter)
    office.send_all()
    assert copy_to(ANN).state == "held"
    assert "cannot stand" in copy_to(ANN).reply_text
    assert len(office.reached()) == 3
    assert office.mailing(issue).state == "sending"


@pytest.mark.parametrize("error", [PayloadRefused, WireAddressError])
def test_a_copy_that_no_server_may_see_is_held_alone(
    office: Office, monkeypatch: pytest.MonkeyPatch, error: type[MailerError]
) -> None:
    issue = one(office, accepts(), others=3)

    def check(envelope: Envelope) -> None:
        if envelope.recipient == ANN:
            raise error("It must not reach any server.")

    monkeypatch.setattr("mailer.transport.memory.check_envelope", check)
    office.send_all()
    assert copy_to(ANN).state == "held"
    assert "must not reach" in copy_to(ANN).reply_text
    assert len(office.reached()) == 3
    assert office.mailing(issue).state == "sending"


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, SystemExit])
@pytest.mark.parametrize("step", [Step.RCPT, Step.FINAL_DOT])
def test_a_letter_cut_off_after_its_final_dot_is_in_doubt_and_not_sent_again(
    office: Office, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], step: Step
) -> None:
    """Whatever breaks in the worker itself while it waits for the answer."""
    from mailer.transport.memory import MemorySession

    one(office, accepts(), others=2)
    real = MemorySession.hand_over

    def breaks(self: MemorySession, envelope: Any, before_final_dot: Any) -> Any:
        if envelope.recipient != ANN:
            return real(self, envelope, before_final_dot)
        if step is Step.FINAL_DOT:
            real(self, envelope, before_final_dot)
        raise error

    monkeypatch.setattr(MemorySession, "hand_over", breaks)
    with pytest.raises(error):
        office.send_all()
    monkeypatch.undo()
    assert copy_to(ANN).state == ("uncertain" if step is Step.FINAL_DOT else "queued")
    office.send_all()
    assert office.relay.copies == {ANN: 1, "o0@example.org": 1, "o1@example.org": 1}


def test_the_worker_ends_cleanly_in_mid_claim(office: Office) -> None:
    issue = one(office, accepts(), others=6)
    asked = False

    def stopping() -> bool:
        return asked

    def stop() -> None:
        nonlocal asked
        asked = True

    office.relay.meanwhile[3] = stop
    sender = office.sender
    sender.stopping = stopping
    sender.work()
    assert len(office.relay.handed) == 3
    chair = access.actor_by_email("anne@example.org", TODAY)
    assert office.report(chair, issue).copies == {"accepted": 2, "queued": 5}, "the third was only announced"
    office.send_all()
    assert len(office.relay.copies) == 7
    assert set(office.relay.copies.values()) == {1}


def test_a_worker_with_other_list_files_sends_nothing(office: Office) -> None:
    one(office, accepts())
    Site.unscoped.update(lists_digest="0" * 64)
    assert not is_adopted(office.house)
    with pytest.raises(SendingRefused, match="list files"):
        office.sender.work()
    assert office.relay.connections == 0


def test_a_clock_with_other_list_files_prepares_nothing(office: Office) -> None:
    join(office.house, "Ann Smith", ANN, consents=[stream(office.house)])
    issue = office.scheduled(anne())
    Site.unscoped.update(lists_digest="0" * 64)
    office.now += timedelta(hours=1)
    office.ring()
    assert office.mailing(issue).state == "scheduled"


def test_the_letters_of_a_crowd_name_nobody_else(office: Office) -> None:
    """F18: one recipient a letter, and no other member's address anywhere in its octets; F14: no Message-ID twice."""
    news = stream(office.house)
    draw = Draw(7)
    boxes = [f"{draw.word().lower()}.{n}@example.{('org', 'net', 'com')[n % 3]}" for n in range(200)]
    for n, box in enumerate(boxes):
        join(office.house, f"Person Number{n}", box, consents=[news], at=NOW - timedelta(days=9))
    office.begun(anne())
    office.send_all()
    assert office.relay.copies == dict.fromkeys(boxes, 1)
    ids = set()
    for envelope in office.relay.caught:
        whole = envelope.payload.replace(b"=\r\n", b"").replace(b"\r\n ", b" ")
        named = [box for box in boxes if box.encode() in whole]
        assert named == [envelope.recipient]
        head = _head(envelope.payload)
        assert [line for line in head if line.lower().startswith((b"to:", b"cc:", b"bcc:"))] == [
            next(line for line in head if line.startswith(b"To: "))
        ]
        ids.update(line for line in head if line.startswith(b"Message-ID: "))
    assert len(ids) == len(boxes)
