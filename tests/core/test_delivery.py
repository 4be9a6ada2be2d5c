"""What an answer means for a copy: only a 250 is acceptance, only doubt is doubt (T4-T6, T13, T19)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.delivery import COPY, CopyState, judge
from mailer.core.reply import Answer, Reply, Step
from mailer.core.verdict import Class

_BEFORE_DOT = (Step.MAIL, Step.RCPT, Step.DATA, Step.BODY)


@given(st.integers(200, 299), st.text(max_size=20))
def test_every_2xx_is_acceptance(code: int, text: str) -> None:
    assert judge(Answer(Step.FINAL_DOT, Reply(code, None, text), final_dot_written=True)).state is CopyState.ACCEPTED


@given(st.sampled_from([*_BEFORE_DOT, Step.FINAL_DOT]), st.integers(400, 499), st.text(max_size=20))
def test_every_4xx_is_tried_again(step: Step, code: int, text: str) -> None:
    answer = Answer(step, Reply(code, None, text), final_dot_written=step is Step.FINAL_DOT)
    assert judge(answer).state is CopyState.DEFERRED


@given(
    st.sampled_from([*_BEFORE_DOT, Step.FINAL_DOT]),
    st.integers(500, 599),
    st.sampled_from([None, "5.1.1", "5.2.2", "5.4.5", "5.7.1", "5.7.26", "5.6.7", "5.99.999", "5.1.8"]),
    st.text(max_size=40),
)
def test_no_5xx_is_repeated_and_none_before_rcpt_blames_anyone(step: Step, code: int, status: str, text: str) -> None:
    answer = Answer(step, Reply(code, status, text), final_dot_written=step is Step.FINAL_DOT)
    judged = judge(answer)
    assert judged.state in {CopyState.REFUSED, CopyState.HELD}
    if step is Step.MAIL and status != "5.6.7":
        assert judged.state is CopyState.HELD
    if judged.reply_class in {Class.POLICY, Class.QUOTA, Class.SENDER}:
        assert judged.state is CopyState.HELD


@pytest.mark.parametrize("step", _BEFORE_DOT)
def test_silence_before_the_final_dot_is_no_attempt_at_the_mailbox(step: Step) -> None:
    assert judge(Answer(step, None, final_dot_written=False)).state is CopyState.DEFERRED


def test_silence_after_the_final_dot_is_doubt() -> None:
    assert judge(Answer(Step.FINAL_DOT, None, final_dot_written=True)).state is CopyState.UNCERTAIN


def test_whatever_is_judged_has_an_arrow_from_the_claim() -> None:
    for state in (CopyState.ACCEPTED, CopyState.DEFERRED, CopyState.HELD, CopyState.REFUSED, CopyState.UNCERTAIN):
        assert COPY.allows(CopyState.CLAIMED, state)
