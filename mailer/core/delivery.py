"""What becomes of a copy, and what the relay's answer means for it (design.md section 4; standards T4-T6, 3.2).

A **copy** is what goes over the wire: one mailing, one mailbox. A **delivery** is one member of one mailing; while it
rides on a copy (`carried`) the copy's state is its outcome.
"""

from enum import StrEnum
from typing import NamedTuple

from mailer.core.reply import Answer, Reply, Step
from mailer.core.states import Machine, Transition
from mailer.core.verdict import Class, classify


class CopyState(StrEnum):
    """Where a copy stands."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    HELD = "held"
    REFUSED = "refused"
    UNCERTAIN = "uncertain"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    CANCELLED = "cancelled"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class Outcome(StrEnum):
    """What a delivery says of itself; `carried` means: ask its copy."""

    CARRIED = "carried"
    WITHDRAWN = "withdrawn"
    EXCLUDED = "excluded"
    UNMAILABLE = "unmailable"


_S = CopyState

COPY = Machine(
    "copy",
    (_S.QUEUED,),
    (
        Transition(_S.QUEUED, _S.CLAIMED, "a worker takes it, durably, before its first MAIL FROM"),
        Transition(_S.QUEUED, _S.WITHDRAWN, "everyone on it has left, or lost consent, region or mailbox"),
        Transition(_S.QUEUED, _S.CANCELLED, "a person cancels the mailing"),
        Transition(_S.QUEUED, _S.EXPIRED, "the mailing's `not after` has passed"),
        Transition(
            _S.CLAIMED,
            _S.QUEUED,
            "given back untouched: the worker stops, or its journal says nothing was sent",
        ),
        Transition(_S.CLAIMED, _S.ACCEPTED, "250 from the server"),
        Transition(_S.CLAIMED, _S.DEFERRED, "4xx, or the connection was lost before the final dot was written"),
        Transition(_S.CLAIMED, _S.HELD, "the sender's or the relay's fault: nobody is blamed"),
        Transition(_S.CLAIMED, _S.REFUSED, "5xx that speaks of this mailbox"),
        Transition(_S.CLAIMED, _S.UNCERTAIN, "lost after the final dot was written, or the host was lost"),
        Transition(_S.CLAIMED, _S.WITHDRAWN, "everyone on it left at the last moment"),
        Transition(_S.CLAIMED, _S.EXPIRED, "4xx, and the time for trying is over"),
        Transition(_S.DEFERRED, _S.QUEUED, "its back-off is over"),
        Transition(_S.DEFERRED, _S.EXPIRED, "the time for trying is over"),
        Transition(_S.DEFERRED, _S.WITHDRAWN, "everyone on it has left"),
        Transition(_S.DEFERRED, _S.CANCELLED, "a person cancels the mailing"),
        Transition(_S.HELD, _S.QUEUED, "the quota renews, or a person mends the fault"),
        Transition(_S.HELD, _S.EXPIRED, "the time for trying is over"),
        Transition(_S.HELD, _S.WITHDRAWN, "everyone on it has left"),
        Transition(_S.HELD, _S.CANCELLED, "a person cancels the mailing"),
        Transition(_S.UNCERTAIN, _S.QUEUED, "a person (or the chosen policy, once) sends again, same Message-ID"),
        Transition(_S.CLAIMED, _S.BOUNCED, "a report came back before the server's answer was written down"),
        Transition(_S.CLAIMED, _S.COMPLAINED, "its reader called it unwanted before the answer was written down"),
        Transition(_S.QUEUED, _S.BOUNCED, "a report about an earlier try came back before it was sent again"),
        Transition(_S.UNCERTAIN, _S.BOUNCED, "a report came back, so it had been accepted"),
        Transition(_S.ACCEPTED, _S.BOUNCED, "a report says that it failed"),
        Transition(_S.ACCEPTED, _S.COMPLAINED, "its reader called it unwanted"),
        Transition(_S.BOUNCED, _S.COMPLAINED, "its reader called it unwanted"),
    ),
)

# By names of their own, since to look them up in their enumerations takes six times as long, for each letter.
_ACCEPTED, _SUCCESS = CopyState.ACCEPTED, Class.SUCCESS

#: While a copy is in one of these, its mailing is not over.
OPEN = (_S.QUEUED, _S.CLAIMED, _S.DEFERRED, _S.HELD)

#: Whoever a copy was for in one of these has the letter, or may have it.
GOT = (_S.ACCEPTED, _S.COMPLAINED, _S.UNCERTAIN)

#: Faults of sender, message or relay: waiting helps, blaming the member does not (standards 3.2).
_NOT_THE_MEMBERS = frozenset({Class.POLICY, Class.QUOTA, Class.MESSAGE, Class.SENDER})

#: RFC 6531 section 3.7.4.3 and standards F17: only this one recipient cannot be written to through this server.
_NEEDS_SMTPUTF8 = "5.6.7"


#: RFC 4954 section 6: no waiting mends a refused login, one that needs encryption, or a password that must be changed.
LOGIN_REFUSED = frozenset({432, 530, 534, 535, 538})


class Judged(NamedTuple):
    """The new state of a copy, and the class of the reply that decided it (None: no reply came)."""

    state: CopyState
    reply_class: Class | None
    reply: Reply | None


def judge(answer: Answer) -> Judged:
    """Say what an answer of the relay means for the copy (standards T4-T6, T19, table 3.2)."""
    reply = answer.reply
    if reply is None:
        lost = _S.UNCERTAIN if answer.final_dot_written else _S.DEFERRED
        return Judged(lost, None, None)
    if answer.accepted:
        return Judged(_ACCEPTED, _SUCCESS, reply)
    reply_class = classify(reply.code, reply.status, reply.text)
    if reply.code // 100 != 5:
        return Judged(_S.DEFERRED, reply_class, reply)
    return Judged(_refusal(answer.step, reply, reply_class), reply_class, reply)


def refuses_us(judged: Judged) -> bool:
    """Whether the relay refused us and not the letter (our login, our quota), so that any relay may take it."""
    reply = judged.reply
    if judged.state is not _S.HELD or reply is None:
        return False
    return judged.reply_class is Class.QUOTA or reply.code in LOGIN_REFUSED


def not_sent(why: object) -> Answer:
    """What stands in for an answer when we could not write a letter: it waits for a person, and holds up no other."""
    return Answer(Step.MAIL, Reply(554, "5.6.0", f"Not sent: {why}"), final_dot_written=False)


def _refusal(step: Step, reply: Reply, reply_class: Class) -> CopyState:
    if reply.status == _NEEDS_SMTPUTF8:
        return _S.REFUSED
    # Before RCPT nobody has been named, so a refusal there cannot speak of this mailbox.
    return _S.HELD if step is Step.MAIL or reply_class in _NOT_THE_MEMBERS else _S.REFUSED
