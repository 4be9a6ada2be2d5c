"""The dialogue that never waits, reply by reply: standards T4-T11, F4; RFC 2920 section 3.1."""

import ssl
from dataclasses import replace

import pytest

from mailer.core.reply import Answer, Capabilities, Step
from mailer.transport.relay import Timeouts
from tests.transport.helpers import ANNE, BEA, CARL, LETTER, envelope
from tests.transport.peer import ONE_BY_ONE, PIPELINING, Peer, Post
from tests.transport.tls import TlsKit

BOTH = pytest.mark.parametrize("offers", [PIPELINING, ONE_BY_ONE], ids=["pipelining", "one by one"])
YES = {Step.MAIL: "250 2.1.0 ok", Step.RCPT: "250 2.1.5 ok", Step.DATA: "354 go", Step.FINAL_DOT: "250 2.0.0 kept"}
STEPS = list(YES)
LARGE = b"a: b\r\n\r\n" + b"x" * 70 + b"\r\n" * 400_000
DEAF = 4096


def said(answer: Answer | None) -> tuple[Step, int | None, bool] | None:
    """Step, code, and whether the dot was written; None: not tried."""
    return answer and (answer.step, answer.reply and answer.reply.code, answer.final_dot_written)


def told(peer: Peer) -> dict[str, tuple[Step, int | None, bool] | None]:
    ended = [(who, said(answer)) for who, answer in peer.ended]
    assert len(dict(ended)) == len(ended), "somebody was answered twice"
    return dict(ended)


def go_to(peer: Peer, step: Step) -> None:
    """Up to the reply that this step waits for."""
    for before in STEPS[: STEPS.index(step)]:
        peer.says(YES[before])


def content_of(peer: Peer) -> bytes:
    return peer.heard.split(b"DATA\r\n", 1)[1]


# --- in good order


def test_a_group_goes_out_in_one_write_and_the_next_behind_the_final_dot() -> None:
    with Peer() as peer:
        peer.gives(ANNE, BEA)
        group = b"MAIL FROM:<b+token@bounce.example.com>\r\nRCPT TO:<%s>\r\nDATA\r\n"
        assert peer.heard == group % b"anne@example.org"
        peer.says("250 a", "250 b")
        assert peer.heard == group % b"anne@example.org", "the content waits for its 354"
        peer.says("354 c")
        assert peer.heard == group % b"anne@example.org" + LETTER + b".\r\n" + group % b"bea@example.org"
        assert not peer.ended
        peer.says("250 kept", "250 a", "250 b", "354 c")
        peer.says("250 kept")
        assert told(peer) == {ANNE: (Step.FINAL_DOT, 250, True), BEA: (Step.FINAL_DOT, 250, True)}
        assert peer.lane.is_idle


def test_without_the_offer_each_line_waits_for_its_reply() -> None:
    with Peer(ONE_BY_ONE) as peer:
        peer.gives(ANNE, BEA)
        mail, rcpt = peer.heard, b"RCPT TO:<anne@example.org>\r\n"
        for reply, line in (("250 a", rcpt), ("250 b", b"DATA\r\n"), ("354 c", LETTER + b".\r\n"), ("250 kept", mail)):
            before = len(peer.heard)
            peer.says(reply)
            assert peer.heard[before:] == line


@BOTH
@pytest.mark.parametrize("at_once", [True, False], ids=["whole", "octet by octet"])
@pytest.mark.parametrize("more", ["", "250-more\r\n"])
def test_replies_may_come_in_any_pieces_and_lines(offers: Capabilities, at_once: bool, more: str) -> None:
    with Peer(offers) as peer:
        peer.gives(ANNE, BEA)
        for who in (ANNE, BEA):
            for step in STEPS:
                peer.says(YES[step] if step is Step.DATA else more + YES[step], at_once=at_once)
            assert told(peer)[who] == (Step.FINAL_DOT, 250, True)
        assert peer.lane.is_open


def test_no_more_letters_are_begun_than_the_lane_may_carry() -> None:
    with Peer() as peer:
        peer.lane.most_letters = 2
        peer.gives(ANNE, BEA, CARL)
        for reply in [*YES.values()] * 2:
            peer.says(reply)
        assert list(told(peer)) == [ANNE, BEA]
        assert peer.lane.is_idle
        assert not peer.lane.pull(peer.source)
        assert len(peer.waiting) == 1


# --- refusals


@BOTH
@pytest.mark.parametrize("code", [451, 475, 550, 599])
@pytest.mark.parametrize("step", STEPS)
def test_a_refusal_at_any_step_is_that_letters_alone(offers: Capabilities, step: Step, code: int) -> None:
    with Peer(offers) as peer:
        peer.gives(ANNE, BEA)
        go_to(peer, step)
        peer.says(f"{code} no")
        if offers.pipelining and step in (Step.MAIL, Step.RCPT):
            peer.says(*["503 no"] * (2 if step is Step.MAIL else 1))
        assert told(peer) == {ANNE: (step, code, step is Step.FINAL_DOT)}
        if step is not Step.FINAL_DOT:
            assert peer.heard.count(b"RSET\r\n") == 1
            assert LETTER not in peer.heard
            peer.says("250 forgotten")
        for each in STEPS:
            peer.says(YES[each])
        assert told(peer)[BEA] == (Step.FINAL_DOT, 250, True)


@pytest.mark.parametrize("data", ["503 5.5.1 RCPT first", "554 5.5.1 no valid recipients", "451 later"])
def test_the_first_refusal_of_a_group_is_the_answer(data: str) -> None:
    with Peer() as peer:
        peer.gives(ANNE)
        peer.says("250 a", "550 5.1.1 unknown", data)
        assert told(peer) == {ANNE: (Step.RCPT, 550, False)}
        assert peer.lane.is_idle


def test_354_though_every_rcpt_was_refused_gets_a_lone_dot_which_sends_nothing() -> None:
    """RFC 2920 section 3.1 (T9)."""
    with Peer() as peer:
        peer.gives(ANNE, BEA)
        peer.says("250 a", "550 5.1.1 unknown")
        peer.says("354 go")
        assert content_of(peer) == b".\r\n"
        assert told(peer) == {ANNE: (Step.RCPT, 550, False)}
        peer.says("554 5.5.1 for nobody")
        assert told(peer) == {ANNE: (Step.RCPT, 550, False)}
        assert content_of(peer).startswith(b".\r\nRSET\r\nMAIL FROM")
        peer.says("250 forgotten", "250 a", "250 b", "354 go")
        assert peer.heard.endswith(b"DATA\r\n" + LETTER + b".\r\n")
        peer.says("250 kept")
        assert told(peer)[BEA] == (Step.FINAL_DOT, 250, True)


@pytest.mark.parametrize(("reply", "stays"), [("250 kept what?", True), ("421 bye", False), ("354 go", False)])
def test_whatever_is_said_to_a_lone_dot_is_no_letters_answer(reply: str, stays: bool) -> None:
    with Peer() as peer:
        peer.gives(ANNE)
        peer.says("250 a", "550 unknown", "354 go")
        peer.says(reply)
        assert told(peer) == {ANNE: (Step.RCPT, 550, False)}
        assert peer.lane.is_open is stays


def test_354_after_a_refused_sender_gets_no_dot() -> None:
    """The recipient may have been taken: a lone dot would be an empty letter to somebody."""
    with Peer() as peer:
        peer.gives(ANNE, BEA)
        peer.says("451 later", "250 b", "354 go")
        assert content_of(peer) == b""
        assert told(peer) == {ANNE: (Step.MAIL, 451, False)}
        assert not peer.lane.is_open
        assert [post.envelope.recipient for post in peer.waiting] == [BEA]


@BOTH
@pytest.mark.parametrize("reply", ["500 what?", "354 what?"])
def test_a_transaction_that_cannot_be_begun_anew_ends_the_session_and_blames_nobody(
    offers: Capabilities, reply: str
) -> None:
    with Peer(offers) as peer:
        peer.gives(ANNE, BEA)
        peer.says("550 no", *["503 no"] * (2 if offers.pipelining else 0))
        peer.says(reply)
        assert told(peer) == {ANNE: (Step.MAIL, 550, False), BEA: None}
        assert not peer.lane.is_open


# --- the end of a session


@BOTH
@pytest.mark.parametrize("step", STEPS)
def test_421_at_the_first_letter_is_its_answer(offers: Capabilities, step: Step) -> None:
    with Peer(offers) as peer:
        peer.gives(ANNE, BEA)
        go_to(peer, step)
        peer.says("421 4.3.2 bye")
        expected: dict[str, object] = {ANNE: (step, 421, step is Step.FINAL_DOT)}
        if step is Step.FINAL_DOT and offers.pipelining:
            expected[BEA] = None  # announced behind the dot, and never tried
        assert told(peer) == expected
        assert (peer.lane.is_open, peer.lane.decided) == (False, 0)


@BOTH
@pytest.mark.parametrize("reply", ["421 bye", "421 4.3.2 bye", None])
def test_a_session_that_ends_between_letters_says_nothing_of_the_next(offers: Capabilities, reply: str | None) -> None:
    with Peer(offers) as peer:
        peer.gives(ANNE, BEA)
        for step in STEPS:
            peer.says(YES[step])
        peer.says(reply) if reply else peer.hangs_up()
        assert told(peer) == {ANNE: (Step.FINAL_DOT, 250, True), BEA: None}


@BOTH
def test_421_of_policy_is_an_answer_even_between_letters(offers: Capabilities) -> None:
    """It asks us to slow down, and must be heard (T26)."""
    with Peer(offers) as peer:
        peer.gives(ANNE, BEA)
        for step in STEPS:
            peer.says(YES[step])
        peer.says("421 4.7.0 too fast")
        assert told(peer)[BEA] == (Step.MAIL, 421, False)


def test_421_after_a_refused_rcpt_leaves_the_refusal_standing() -> None:
    with Peer() as peer:
        peer.gives(ANNE, BEA)
        peer.says("250 a", "550 unknown", "421 bye")
        assert told(peer) == {ANNE: (Step.RCPT, 550, False)}
        assert not peer.lane.is_open


@BOTH
@pytest.mark.parametrize("how", ["hangs_up", "resets"])
@pytest.mark.parametrize("step", STEPS)
def test_a_lost_connection_says_where_it_was(offers: Capabilities, step: Step, how: str) -> None:
    with Peer(offers) as peer:
        peer.gives(ANNE, BEA)
        go_to(peer, step)
        getattr(peer, how)()
        answers = told(peer)
        assert answers.pop(ANNE) == (step, None, step is Step.FINAL_DOT)
        assert set(answers.values()) <= {None}
        assert list(answers) == ([BEA] if step is Step.FINAL_DOT and offers.pipelining else [])


def test_an_answer_that_came_before_the_reset_is_heard_though_writing_fails() -> None:
    with Peer(room=DEAF) as peer:
        peer.gives(ANNE)
        peer.says("250 a", "250 b", "354 c")
        peer.end.sendall(b"250 kept\r\n")
        peer.resets()
        assert told(peer) == {ANNE: (Step.FINAL_DOT, 250, True)}


# --- replies that belong to nothing


@BOTH
@pytest.mark.parametrize("doubled", STEPS)
def test_a_doubled_reply_never_accepts_a_letter(offers: Capabilities, doubled: Step) -> None:
    with Peer(offers) as peer:
        peer.gives(ANNE, BEA)
        for step in STEPS * 2:
            if peer.lane.is_open:
                peer.says(*[YES[step]] * (2 if step is doubled else 1))
        assert not peer.lane.is_open
        accepted = {who: answer for who, answer in told(peer).items() if answer and answer[1] == 250}
        assert set(accepted) <= ({ANNE} if doubled is Step.FINAL_DOT else set())


@BOTH
def test_half_a_reply_before_a_letter_is_not_taken_for_its_answer(offers: Capabilities) -> None:
    with Peer(offers) as peer:
        peer.end.sendall(b"25")
        peer.is_read()
        peer.gives(ANNE)
        assert not peer.lane.is_open
        assert (peer.ended, [post.envelope.recipient for post in peer.waiting]) == ([], [ANNE])


@BOTH
@pytest.mark.parametrize(("step", "reply"), [(Step.MAIL, "354 x"), (Step.RCPT, "334 x"), (Step.DATA, "250 x"),
                                             (Step.FINAL_DOT, "354 x"), (Step.DATA, "what?")])  # fmt: skip
def test_a_reply_out_of_place_ends_the_session(offers: Capabilities, step: Step, reply: str) -> None:
    with Peer(offers) as peer:
        peer.gives(ANNE)
        go_to(peer, step)
        peer.says(reply)
        assert told(peer) == {ANNE: (step, None, step is Step.FINAL_DOT)}
        assert not peer.lane.is_open


# --- the last look


@BOTH
def test_a_letter_that_may_not_go_is_not_sent_and_not_blamed_on_the_server(offers: Capabilities) -> None:
    with Peer(offers) as peer:
        peer.gives(ANNE, BEA, look=lambda: False)
        for step in STEPS[:3]:
            peer.says(YES[step])
        assert told(peer) == {ANNE: None}
        assert content_of(peer) == b""
        assert (peer.lane.is_open, peer.lane.was_closed_by_us) == (False, True)
        assert len(peer.waiting) == 1


def fails() -> bool:
    raise OSError("No space left on device")


@BOTH
def test_a_last_look_that_fails_sends_nothing_and_loses_nobody(offers: Capabilities) -> None:
    with Peer(offers) as peer:
        peer.gives(ANNE, BEA, look=fails)
        peer.says(*[YES[step] for step in STEPS[:2]][: 2 if offers.pipelining else 1])
        if not offers.pipelining:
            peer.says(YES[Step.RCPT])
        with pytest.raises(OSError, match="No space"):
            peer.says(YES[Step.DATA])
        assert told(peer) == {ANNE: None}
        assert content_of(peer) + peer.listen() == b""
        assert not peer.lane.is_open


def test_a_source_that_fails_behind_a_letter_keeps_that_letter_back() -> None:
    def broken() -> Post | None:
        raise OSError("The database is away")

    with Peer() as peer:
        peer.gives(ANNE)
        peer.says("250 a", "250 b")
        peer.end.sendall(b"354 c\r\n")
        with pytest.raises(OSError, match="away"):
            peer.lane.read(broken)
        assert told(peer) == {ANNE: None}
        assert peer.listen() == b""


# --- what is refused by ourselves


@pytest.mark.parametrize(
    ("offers", "letter", "status"),
    [
        (Capabilities(size=10), {}, "5.3.4"),
        (Capabilities(), {"recipient": "änne@example.org", "smtputf8": True, "is_fit": False}, "5.6.7"),
        (Capabilities(smtputf8=True), {"recipient": "änne@example.org", "smtputf8": True, "is_fit": False,
                                       "parts": ("a: ä\r\n\r\n".encode(),)}, "5.6.3"),
        (Capabilities(), {"parts": (b"no line end",), "is_fit": False}, "5.6.0"),
        (Capabilities(), {"recipient": "a@example.org>\r\nRSET", "is_fit": False}, "5.6.0"),
    ],
)  # fmt: skip
def test_what_a_server_cannot_take_is_answered_here_and_the_next_letter_goes_on(
    offers: Capabilities, letter: dict[str, object], status: str
) -> None:
    with Peer(replace(offers, pipelining=True)) as peer:
        peer.gives()
        odd, plain = Post(replace(envelope(is_fit=True), **letter)), Post(envelope(BEA, b"a: b\r\n"))
        peer.waiting += (odd, plain)
        assert peer.lane.pull(peer.source)
        assert peer.lane.letters == 1
        ((_, answer),) = peer.ended
        assert answer is not None
        assert answer.reply is not None
        assert (answer.step, answer.reply.status, answer.final_dot_written) == (Step.MAIL, status, False)
        assert peer.listen().count(b"MAIL FROM") == 1


# --- time


@pytest.mark.parametrize("step", STEPS)
@BOTH
def test_each_step_has_its_own_time_and_a_drip_does_not_extend_it(offers: Capabilities, step: Step) -> None:
    waits = Timeouts(mail=4, rcpt=5, data=6, block=7, final_dot=8)
    with Peer(offers, timeouts=waits) as peer:
        peer.gives(ANNE)
        go_to(peer, step)
        assert peer.lane.deadline == waits.of(step)
        peer.clock.now = 1
        peer.end.sendall(b"25")
        peer.is_read()
        assert peer.lane.deadline == waits.of(step)
        peer.lane.give_up()
        assert told(peer) == {ANNE: (step, None, step is Step.FINAL_DOT)}
    assert not peer.lane.is_open


def test_an_idle_lane_waits_for_nothing() -> None:
    with Peer() as peer:
        assert peer.lane.deadline == float("inf")
        peer.gives(ANNE)
        for step in STEPS:
            peer.says(YES[step])
        assert peer.lane.deadline == float("inf")


# --- letters that the socket takes in parts


@pytest.fixture(params=["clear", "tls"])
def deaf(request: pytest.FixtureRequest, tls_kit: TlsKit) -> Peer:
    """A peer with small buffers that does not read by itself."""
    trust = ssl.create_default_context(cafile=tls_kit.ca_file)
    secure = {"tls": tls_kit.good, "trust": trust} if request.param == "tls" else {}
    return Peer(room=64 * 1024, timeouts=Timeouts(block=7), **secure)  # type: ignore[arg-type]


def ask_for(peer: Peer, payload: bytes) -> None:
    """Up to the content, of which the socket takes a part."""
    peer.gives(ANNE, BEA, payload=payload)
    peer.says("250 a", "250 b")
    peer.end.sendall(b"354 c\r\n")
    peer.is_read()
    while peer.lane.is_open and peer.lane.is_writing and not peer.listen():
        peer.lane.write()


@pytest.mark.parametrize("payload", [LARGE, LARGE[:250_000] + b"\r\n"], ids=["dot held", "at once"])
def test_a_letter_arrives_whole_however_little_the_socket_takes(deaf: Peer, payload: bytes) -> None:
    with deaf as peer:
        ask_for(peer, payload)
        peer.drain()
        assert content_of(peer).startswith(payload + b".\r\nMAIL FROM:")
        peer.says("250 kept")
        assert told(peer) == {ANNE: (Step.FINAL_DOT, 250, True)}


def deaf_to_the_rest(peer: Peer) -> None:
    peer.gives(ANNE, BEA, payload=LARGE)
    peer.says("250 a", "250 b")
    peer.end.sendall(b"354 c\r\n")
    peer.is_read()
    assert peer.lane.is_writing
    assert peer.lane.deadline == 7


@pytest.mark.parametrize(("reply", "answer"), [
    ("552 too large", (Step.BODY, 552, False)), ("421 bye", (Step.BODY, 421, False)),
    ("250 kept?", (Step.BODY, None, False)), ("what?", (Step.BODY, None, False)),
])  # fmt: skip
@pytest.mark.parametrize("in_pieces", [False, True])
def test_whoever_speaks_in_mid_letter_does_not_have_it(deaf: Peer, reply: str, answer: object, in_pieces: bool) -> None:
    with deaf as peer:
        deaf_to_the_rest(peer)
        octets = f"{reply}\r\n".encode()
        for piece in (octets[:2], octets[2:]) if in_pieces else (octets,):
            peer.end.sendall(piece)
            peer.is_read()
        assert told(peer) == {ANNE: answer, BEA: None}
        assert not peer.lane.is_open
        assert b"\r\n.\r\n" not in content_of(peer) + peer.listen()


def test_the_dot_is_held_while_the_server_is_in_mid_word(deaf: Peer) -> None:
    """What was begun before the dot cannot be an answer to it."""
    with deaf as peer:
        deaf_to_the_rest(peer)
        peer.end.sendall(b"25")
        peer.drain()
        assert peer.lane.is_open
        assert not peer.heard.endswith(b".\r\n")
        peer.end.sendall(b"0 kept\r\n")
        peer.is_read()
        assert told(peer) == {ANNE: (Step.BODY, None, False), BEA: None}


@pytest.mark.parametrize("end", ["give_up", "close"])
def test_a_letter_written_in_part_is_not_in_doubt(deaf: Peer, end: str) -> None:
    with deaf as peer:
        deaf_to_the_rest(peer)
        getattr(peer.lane, end)()
        assert told(peer) == {ANNE: (Step.BODY, None, False), BEA: None}


@pytest.mark.parametrize("size", range(20_000, 250_000, 23_000))
def test_of_the_dot_is_said_what_the_server_can_have_read(deaf: Peer, size: int) -> None:
    """Wherever the socket stops taking: who was told that the dot is not written does not have it."""
    with deaf as peer:
        letter = b"a: b\r\n\r\n" + b"x" * size + b"\r\n"
        following = BEA.replace("bea", "b" * 200_000)  # so long that it may be this that is written in part
        peer.gives(ANNE, following, payload=letter)
        peer.says("250 a", "250 b")
        peer.end.sendall(b"354 c\r\n")
        peer.is_read()
        peer.lane.give_up()
        (step, _, dot_written) = told(peer)[ANNE] or (None, None, None)
        peer.listen()
        has_it = letter + b".\r\n" in peer.heard
        assert (step, dot_written) == ((Step.FINAL_DOT, True) if has_it else (Step.BODY, False))


def test_replies_deciphered_together_are_all_heard(tls_kit: TlsKit) -> None:
    """More than one read takes, in one record: no socket becomes ready for the rest."""
    trust = ssl.create_default_context(cafile=tls_kit.ca_file)
    with Peer(tls=tls_kit.good, trust=trust) as peer:
        peer.gives(ANNE)
        peer.says("\r\n".join(["250-" + "x" * 500] * 20 + ["250 a"]), "250 b", "354 c")
        assert content_of(peer).startswith(LETTER)


# --- a server that hung up before it had the dot


def test_a_server_that_hung_up_before_the_letter_came_leaves_no_doubt() -> None:
    """TCP tells: what it acknowledged when it hung up ends before the dot."""
    with Peer() as peer:
        peer.gives(ANNE, BEA)
        peer.says("250 a", "250 b")
        peer.end.sendall(b"354 c\r\n")
        peer.end.close()
        peer.is_read()  # writes the letter
        peer.is_read()  # reads the end
        assert told(peer) == {ANNE: (Step.BODY, None, False), BEA: None}


@pytest.mark.parametrize("secure", [False, True])
def test_a_server_that_had_the_dot_when_it_hung_up_leaves_a_doubt(tls_kit: TlsKit, secure: bool) -> None:
    trust = ssl.create_default_context(cafile=tls_kit.ca_file)
    with Peer(**({"tls": tls_kit.good, "trust": trust} if secure else {})) as peer:  # type: ignore[arg-type]
        peer.gives(ANNE, BEA)
        go_to(peer, Step.FINAL_DOT)
        peer.hangs_up()
        assert told(peer) == {ANNE: (Step.FINAL_DOT, None, True), BEA: None}


def test_inside_tls_the_same_is_told_by_records(tls_kit: TlsKit) -> None:
    trust = ssl.create_default_context(cafile=tls_kit.ca_file)
    with Peer(tls=tls_kit.good, trust=trust) as peer:
        peer.gives(ANNE, payload=LARGE[:60] + b"x" * 12_000 + b"\r\n")
        peer.says("250 a", "250 b")
        peer.end.sendall(b"354 c\r\n")
        peer.end.close()
        peer.is_read()
        peer.is_read()
        assert told(peer) == {ANNE: (Step.BODY, None, False)}
