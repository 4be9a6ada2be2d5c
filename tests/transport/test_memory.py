"""The relay's twin does to a story what the real one would."""

import pytest

from mailer.core.reply import Step
from mailer.transport.memory import (
    Behaviour,
    MemoryRelay,
    accepts,
    defers,
    drops_after_final_dot,
    drops_before_final_dot,
    refuses,
)
from mailer.transport.relay import FaultKind, RelayFault
from mailer.transport.session import HandsOverOne, SessionClosed
from mailer.transport.smtp import connect
from tests.transport.helpers import ANNE, BEA, CARL, MakeWire, envelope, relay_to
from tests.transport.misbehaviours import (
    answers_at,
    drops_after_data,
    drops_before_final_dot_reply,
    refuses_recipient,
)


def test_letters_are_kept_and_counted_unless_told_otherwise() -> None:
    relay = MemoryRelay()
    relay.script(BEA, refuses())
    with relay.connect() as session:
        answers = [session.hand_over(envelope(recipient)) for recipient in (ANNE, BEA, CARL)]
        assert session.messages == 3
    assert [answer.reply and answer.reply.status for answer in answers] == ["2.0.0", "5.1.1", "2.0.0"]
    assert relay.answers == answers
    assert relay.copies == {ANNE: 1, CARL: 1}
    assert [tried.recipient for tried in relay.handed] == [ANNE, BEA, CARL]
    assert (relay.connections, session.usable) == (1, False)


def test_a_script_is_followed_and_its_last_line_stays() -> None:
    relay = MemoryRelay()
    relay.script(ANNE, defers(), defers("450 4.2.0 Still not"), accepts())
    with relay.connect() as session:
        codes = [session.hand_over(envelope()).reply for _ in range(4)]
    assert [reply and reply.code for reply in codes] == [451, 450, 250, 250]
    assert relay.copies == {ANNE: 2}


def test_a_relay_with_a_fault_gives_no_session() -> None:
    relay = MemoryRelay()
    relay.fault = RelayFault("Down.", kind=FaultKind.UNREACHABLE, retry_later=True, step=Step.CONNECT)
    with pytest.raises(RelayFault):
        relay.connect()
    relay.fault = None
    assert relay.connect().usable


def test_a_journal_that_fails_keeps_the_letter_back() -> None:
    def full() -> None:
        raise OSError("No space left on device")

    relay = MemoryRelay()
    session = relay.connect()
    with pytest.raises(OSError, match="No space"):
        session.hand_over(envelope(), full)
    assert not session.usable
    assert not relay.caught


@pytest.mark.parametrize(
    ("behaviour", "misbehaviour"),
    [
        (accepts(), None),
        (refuses("550 5.1.1 No such mailbox"), refuses_recipient(ANNE)),
        (refuses("554 5.7.1 Spam", Step.FINAL_DOT), answers_at(Step.FINAL_DOT, "554 5.7.1 Spam")),
        (defers("451 4.3.0 Later", Step.MAIL), answers_at(Step.MAIL, "451 4.3.0 Later")),
        (defers("421 4.3.2 Busy"), answers_at(Step.RCPT, "421 4.3.2 Busy")),
        (drops_before_final_dot(), drops_after_data()),
        (drops_after_final_dot(), drops_before_final_dot_reply()),
        (drops_after_final_dot(kept=False), drops_before_final_dot_reply(keeps=False)),
    ],
)
def test_the_twins_agree(wire: MakeWire, behaviour: Behaviour, misbehaviour: object) -> None:
    relay, server = MemoryRelay(), wire(*filter(None, [misbehaviour]))
    relay.script(ANNE, behaviour)
    sessions: list[HandsOverOne] = [relay.connect(), connect(relay_to(server))]
    twin, real = (one.hand_over(envelope()) for one in sessions)
    # A server that hangs up in mid-letter may do so just after the dot: the one difference a wire makes.
    if behaviour != drops_before_final_dot():
        assert (twin.step, twin.final_dot_written) == (real.step, real.final_dot_written)
    assert (twin.reply and twin.reply.code) == (real.reply and real.reply.code)
    assert relay.copies == server.copies
    assert sessions[0].usable is sessions[1].usable
    for session in sessions:
        session.quit()
        with pytest.raises(SessionClosed):
            session.hand_over(envelope())
