"""One letter at a time, whatever the server does: standards T1, T2, T4-T6, T8, T11, T13, F17."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mailer.core.reply import Step
from mailer.transport.relay import Timeouts
from mailer.transport.session import SessionClosed
from mailer.transport.smtp import connect
from tests.transport.deeds import Misbehaviour
from tests.transport.helpers import ANNE, BEA, CARL, LETTER, MakeWire, envelope, hand_over, relay_to
from tests.transport.misbehaviours import (
    answers_421_and_resets_at,
    answers_421_at,
    answers_at,
    answers_bare_codes,
    answers_gibberish,
    answers_slowly_in_pieces,
    answers_very_long_lines,
    closes_after,
    drops_after_data,
    drops_at,
    drops_before_final_dot_reply,
    ends_lines_with_bare_lf,
    greylists_first_attempt,
    once,
    only_at,
    quota_545_after,
    refuses_recipient,
    resets_at,
    says_everything_twice,
    stalls_at,
)

COMMANDS = (Step.MAIL, Step.RCPT, Step.DATA)
ALL_STEPS = (*COMMANDS, Step.FINAL_DOT)


def test_a_letter_arrives_octet_for_octet(wire: MakeWire) -> None:
    server = wire()
    answer = hand_over(server)
    assert (answer.step, answer.final_dot_written, answer.note) == (Step.FINAL_DOT, True, "")
    assert answer.reply is not None
    assert str(answer.reply) == "250 2.0.0 Kept"
    assert server.messages[0].content == LETTER
    assert server.commands == [
        "EHLO mail.example.com",
        f"MAIL FROM:<b+token@bounce.example.com> SIZE={len(LETTER)}",
        "RCPT TO:<anne@example.org>",
        "DATA",
        "QUIT",
    ]


@pytest.mark.parametrize("step", ALL_STEPS)
@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("451 4.3.0 Not now", "4.3.0"),
        ("475 Unknown", None),
        ("550 5.1.1 No", "5.1.1"),
        ("550 4.1.1 No", None),
        ("599 Unknown", None),
        ("550 5.99.999 No", "5.99.999"),
    ],
)
def test_a_refusal_is_reported_and_the_session_goes_on(
    wire: MakeWire, step: Step, text: str, status: str | None
) -> None:
    server = wire(once(answers_at(step, text)))
    with connect(relay_to(server)) as session:
        answer = session.hand_over(envelope(ANNE))
        assert answer.reply is not None
        assert (answer.step, answer.reply.code, answer.reply.status) == (step, int(text[:3]), status)
        assert answer.reply.text == text[4:]
        assert answer.final_dot_written is (step is Step.FINAL_DOT)
        assert session.usable
        after = session.hand_over(envelope(BEA))
    assert after.reply is not None
    assert after.reply.code == 250
    assert server.copies == {BEA: 1}
    assert len(server.connections) == 1


@pytest.mark.parametrize("step", [*ALL_STEPS, Step.BODY])
def test_421_anywhere_is_reported_and_ends_the_session(wire: MakeWire, step: Step) -> None:
    server = wire(answers_421_at(step))
    with connect(relay_to(server)) as session:
        answer = session.hand_over(envelope())
        assert not session.usable
    assert answer.reply is not None
    assert answer.reply.code == 421
    # A word in mid-letter may be heard before or after the dot is written; 421 means the same either way.
    assert answer.step in ((Step.BODY, Step.FINAL_DOT) if step is Step.BODY else (step,))
    assert not server.messages


@pytest.mark.parametrize("how", [drops_at, resets_at, stalls_at, answers_gibberish])
@pytest.mark.parametrize("step", ALL_STEPS)
def test_no_answer_is_never_taken_for_one(wire: MakeWire, step: Step, how: Callable[[Step], Misbehaviour]) -> None:
    server = wire(how(step))
    with connect(relay_to(server, patience=0.1)) as session:
        answer = session.hand_over(envelope())
        assert not session.usable
        with pytest.raises(SessionClosed):
            session.hand_over(envelope())
    assert (answer.step, answer.reply) == (step, None)
    assert answer.final_dot_written is (step is Step.FINAL_DOT)
    assert answer.note


@pytest.mark.parametrize(
    ("step", "text"),
    [(Step.MAIL, "354 x"), (Step.RCPT, "334 x"), (Step.DATA, "250 x"), (Step.FINAL_DOT, "354 x")],
)
def test_a_reply_out_of_place_is_not_believed(wire: MakeWire, step: Step, text: str) -> None:
    server = wire(answers_at(step, text))
    with connect(relay_to(server)) as session:
        answer = session.hand_over(envelope())
        assert not session.usable
    assert (answer.step, answer.reply) == (step, None)
    assert text in answer.note


@pytest.mark.parametrize(
    ("offers", "doubled", "noticed"),
    [
        ((), Step.MAIL, Step.RCPT),
        ((), Step.RCPT, Step.DATA),
        ((), Step.EHLO, Step.MAIL),
        (("PIPELINING",), Step.MAIL, Step.DATA),
        (("PIPELINING",), Step.RCPT, Step.DATA),
        (("PIPELINING",), Step.DATA, Step.DATA),
        (("PIPELINING",), Step.EHLO, Step.MAIL),
    ],
)
def test_a_reply_too_many_is_not_taken_for_the_next_command(
    wire: MakeWire, offers: tuple[str, ...], doubled: Step, noticed: Step
) -> None:
    server = wire(says_everything_twice(doubled), offers=offers)
    answer = hand_over(server)
    assert (answer.step, answer.reply) == (noticed, None)
    assert "out of" in answer.note
    assert not server.messages


def test_a_second_250_after_one_letter_does_not_accept_the_next(wire: MakeWire) -> None:
    server = wire(says_everything_twice(Step.FINAL_DOT))
    with connect(relay_to(server)) as session:
        assert session.hand_over(envelope(ANNE)).reply is not None
        if session.usable:  # the second reply has not come yet
            answer = session.hand_over(envelope(BEA))
            assert (answer.step, answer.reply) == (Step.MAIL, None)
    assert server.copies == {ANNE: 1}


@pytest.mark.parametrize("code", [250, 251, 252, 299])
def test_any_2xx_to_rcpt_goes_on(wire: MakeWire, code: int) -> None:
    server = wire(answers_at(Step.RCPT, f"{code} 2.1.5 Will do"))
    answer = hand_over(server)
    assert answer.reply is not None
    assert answer.reply.code == 250
    assert server.copies == {ANNE: 1}


@pytest.mark.parametrize(
    "odd",
    [
        answers_bare_codes(),
        answers_very_long_lines(512),
        answers_very_long_lines(2000),
        answers_slowly_in_pieces(),
        ends_lines_with_bare_lf(),
    ],
)
def test_replies_in_odd_forms_are_understood(wire: MakeWire, odd: Misbehaviour) -> None:
    server = wire(odd, answers_slowly_in_pieces())
    answer = hand_over(server)
    assert answer.reply is not None
    assert answer.reply.code == 250
    assert server.copies == {ANNE: 1}


def test_a_reply_without_end_is_refused(wire: MakeWire) -> None:
    answer = hand_over(wire(only_at(Step.RCPT, answers_very_long_lines(80_000))))
    assert (answer.step, answer.reply) == (Step.RCPT, None)
    assert "65536 octets" in answer.note


def test_a_reply_that_drips_does_not_extend_its_time(wire: MakeWire) -> None:
    dripping = only_at(Step.RCPT, answers_slowly_in_pieces(pause=0.04))
    answer = hand_over(wire(dripping), patience=0.15)
    assert (answer.step, answer.reply, answer.note) == (Step.RCPT, None, "There was no answer in time.")


def test_a_letter_dropped_before_the_final_dot_says_so(wire: MakeWire) -> None:
    marked: list[str] = []
    server = wire(drops_after_data())
    large = LETTER + b"x" * 70 + b"\r\n" * 500_000
    with connect(relay_to(server)) as session:
        answer = session.hand_over(envelope(payload=large), lambda: marked.append("dot"))
    assert answer.reply is None
    # The server may hang up just after we looked; what is said of the dot must then be that it was written.
    assert answer.final_dot_written is (answer.step is Step.FINAL_DOT)
    assert marked == ["dot"], "once the content is begun, whoever finds only the journal must doubt"
    assert not server.messages


@pytest.mark.parametrize("kept", [True, False])
def test_a_letter_dropped_after_the_final_dot_is_in_doubt(wire: MakeWire, kept: bool) -> None:
    server = wire(drops_before_final_dot_reply(keeps=kept))
    answer = hand_over(server)
    assert (answer.step, answer.reply, answer.final_dot_written) == (Step.FINAL_DOT, None, True)
    assert server.copies[ANNE] == kept


@pytest.mark.parametrize("how", [answers_421_at, answers_421_and_resets_at])
def test_a_server_that_refuses_in_mid_letter_is_heard(wire: MakeWire, how: Callable[[Step], Misbehaviour]) -> None:
    """Its connection is closed without the final dot: what it has is no letter."""
    server = wire(how(Step.BODY))
    large = LETTER + b"x\r\n" * 3_000_000
    with connect(relay_to(server)) as session:
        answer = session.hand_over(envelope(payload=large))
    assert answer.reply is not None
    assert (answer.step, answer.reply.code, answer.final_dot_written) == (Step.BODY, 421, False)
    assert not server.messages


def test_a_server_that_stops_reading_is_not_waited_for(wire: MakeWire) -> None:
    server = wire(stalls_at(Step.BODY), offers=())
    with connect(relay_to(server, patience=0.2)) as session:
        answer = session.hand_over(envelope(payload=LETTER + b"x\r\n" * 5_000_000))
    assert (answer.step, answer.reply, answer.final_dot_written) == (Step.BODY, None, False)


def test_the_final_dot_is_announced_when_only_it_is_missing(wire: MakeWire) -> None:
    server = wire()
    seen: list[bool] = []
    with connect(relay_to(server)) as session:
        session.hand_over(envelope(), lambda: seen.append(bool(server.messages)))
    assert seen == [False]
    assert server.copies == {ANNE: 1}


def test_a_journal_that_fails_keeps_the_final_dot_back(wire: MakeWire) -> None:
    def full() -> None:
        raise OSError("No space left on device")

    server = wire()
    session = connect(relay_to(server))
    with pytest.raises(OSError, match="No space"):
        session.hand_over(envelope(), full)
    assert not session.usable
    server.close()
    assert not server.messages
    assert b"\r\n.\r\n" not in server.connections[0].octets


def test_a_session_notices_that_the_server_hung_up_meanwhile(wire: MakeWire) -> None:
    server = wire(closes_after(1))
    with connect(relay_to(server)) as session:
        session.hand_over(envelope(ANNE))
        assert session.usable
        answer = session.hand_over(envelope(BEA))
        assert (answer.step, answer.reply, answer.final_dot_written) == (Step.MAIL, None, False)
        assert "421" in answer.note
        assert not session.usable
    with connect(relay_to(server)) as session:
        server.close()
        assert not session.usable


def test_letters_are_counted_for_caps_on_a_connection(wire: MakeWire) -> None:
    server = wire(refuses_recipient(BEA))
    with connect(relay_to(server)) as session:
        for recipient in (ANNE, BEA, CARL):
            session.hand_over(envelope(recipient))
        assert session.messages == 3
    assert server.copies == {ANNE: 1, CARL: 1}
    assert server.said("RSET") == ["RSET"]


def test_a_session_that_cannot_begin_anew_is_closed(wire: MakeWire) -> None:
    server = wire(refuses_recipient(ANNE), answers_at(Step.RSET, "500 5.5.2 What?"))
    with connect(relay_to(server)) as session:
        answer = session.hand_over(envelope(ANNE))
        after = session.hand_over(envelope(BEA))
        assert not session.usable
    assert answer.reply is not None
    assert answer.reply.code == 550
    assert (after.step, after.reply) == (Step.MAIL, None)


def test_greylisting_is_a_refusal_for_now(wire: MakeWire) -> None:
    server = wire(greylists_first_attempt())
    with connect(relay_to(server)) as session:
        answers = [session.hand_over(envelope()) for _ in range(2)]
    assert [answer.reply and answer.reply.status for answer in answers] == ["4.7.1", "2.0.0"]


def test_a_quota_spent_in_mid_mailing_keeps_its_status(wire: MakeWire) -> None:
    server = wire(quota_545_after(1))
    with connect(relay_to(server)) as session:
        answers = [session.hand_over(envelope(recipient)) for recipient in (ANNE, BEA, CARL)]
    assert [answer.reply and answer.reply.status for answer in answers] == ["2.0.0", "5.4.5", "5.4.5"]


def test_the_size_is_said_when_it_is_asked_for(wire: MakeWire) -> None:
    """The stuffed dots are not counted (RFC 1870 section 3)."""
    dotted = b"a: b\r\n\r\n.\r\n..\r\n.x\r\n"
    server, silent = wire(), wire(offers=())
    with connect(relay_to(server)) as session:
        session.hand_over(envelope(payload=dotted))
    hand_over(silent)
    assert server.messages[0].mail.endswith(f" SIZE={len(server.messages[0].content)}")
    assert silent.messages[0].mail == "MAIL FROM:<b+token@bounce.example.com>"


@pytest.mark.parametrize(("limit", "sent"), [(len(LETTER), 1), (len(LETTER) - 1, 0), (0, 1)])
def test_a_letter_too_large_for_the_relay_is_not_begun(wire: MakeWire, limit: int, sent: int) -> None:
    server = wire(offers=(f"SIZE {limit}",))
    answer = hand_over(server)
    assert answer.reply is not None
    assert answer.reply.status == ("2.0.0" if sent else "5.3.4")
    assert len(server.said("MAIL")) == len(server.messages) == sent


def test_nothing_unasked_is_ever_said(wire: MakeWire) -> None:
    """No BDAT (T10), no DSN parameter; HELP, VRFY and EXPN are nobody's business."""
    server = wire(offers=("PIPELINING", "CHUNKING", "DSN", "SIZE 0", "8BITMIME", "SMTPUTF8"))
    hand_over(server)
    assert {line.split(" ")[0] for line in server.commands} == {"EHLO", "MAIL", "RCPT", "DATA", "QUIT"}
    assert "RET=" not in server.messages[0].mail
    assert "SMTPUTF8" not in server.messages[0].mail


@pytest.mark.parametrize("how", [drops_at, stalls_at, answers_gibberish])
def test_leaving_is_polite_but_does_not_depend_on_the_server(
    wire: MakeWire, how: Callable[[Step], Misbehaviour]
) -> None:
    server = wire(how(Step.QUIT))
    answer = hand_over(server, patience=0.1)
    assert answer.reply is not None
    assert answer.reply.code == 250


def test_the_default_timeouts_are_those_of_the_standard() -> None:
    steps = (Step.CONNECT, Step.MAIL, Step.RCPT, Step.DATA, Step.BODY, Step.FINAL_DOT)
    assert [Timeouts().of(step) for step in steps] == [300, 300, 300, 120, 180, 600]


def test_no_two_kinds_of_waiting_share_a_time() -> None:
    waits = Timeouts(connect=1, greeting=2, command=3, mail=4, rcpt=5, data=6, block=7, final_dot=8, quit=9)
    steps = (Step.CONNECT, Step.EHLO, Step.STARTTLS, Step.AUTH, Step.MAIL, Step.RCPT, Step.DATA, Step.BODY)
    assert [waits.of(step) for step in steps] == [2, 3, 3, 3, 4, 5, 6, 7]
    assert [waits.of(step) for step in (Step.FINAL_DOT, Step.RSET, Step.QUIT)] == [8, 3, 9]


@pytest.mark.parametrize("step", [Step.MAIL, Step.RCPT, Step.DATA, Step.FINAL_DOT])
def test_each_step_waits_by_its_own_time(wire: MakeWire, step: Step) -> None:
    """Only this step is impatient: had it taken another's time, the test would not end."""
    relay = relay_to(wire(stalls_at(step)), patience=30)
    impatient = {step.value: 0.05, "quit": 0.05}
    with connect(replace(relay, timeouts=replace(relay.timeouts, **impatient))) as session:
        assert session.hand_over(envelope()).step is step
