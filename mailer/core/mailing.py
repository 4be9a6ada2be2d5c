"""A mailing: one sending of one revision to one audience, and the states it goes through (design.md section 4)."""

from enum import StrEnum

from mailer.core.states import Machine, Transition


class MailingState(StrEnum):
    """Where a sending stands."""

    SCHEDULED = "scheduled"
    PREPARING = "preparing"
    SENDING = "sending"
    PAUSED = "paused"
    STOPPED = "stopped"
    SENT = "sent"
    CANCELLED = "cancelled"
    MISSED = "missed"


_S = MailingState

MAILING = Machine(
    "mailing",
    (_S.SCHEDULED,),
    (
        Transition(_S.SCHEDULED, _S.PREPARING, "its time is near: the letter is compiled, deliveries are made"),
        Transition(_S.SCHEDULED, _S.MISSED, "found later than its grace, or after its `not after`"),
        Transition(_S.SCHEDULED, _S.STOPPED, "a person stops it"),
        Transition(_S.SCHEDULED, _S.PAUSED, "by itself: it cannot be prepared, with the reason"),
        Transition(_S.SCHEDULED, _S.CANCELLED, "a person cancels it"),
        Transition(_S.PREPARING, _S.SENDING, "it is due, prepared, and everyone has been checked again"),
        Transition(_S.PREPARING, _S.PAUSED, "by itself: it cannot be prepared, with the reason"),
        Transition(_S.PREPARING, _S.STOPPED, "a person stops it"),
        Transition(_S.PREPARING, _S.MISSED, "found later than its grace, or after its `not after`"),
        Transition(_S.PREPARING, _S.CANCELLED, "a person cancels it"),
        Transition(_S.SENDING, _S.PAUSED, "by itself, with the reason: the relay refuses us, too much bounces"),
        Transition(_S.SENDING, _S.STOPPED, "a person stops it"),
        Transition(_S.SENDING, _S.SENT, "no copy is waiting, held, or being handed over"),
        Transition(_S.SENDING, _S.CANCELLED, "a person cancels what has not been handed over"),
        Transition(_S.PAUSED, _S.SENDING, "a person resumes it after deliveries were made"),
        Transition(_S.PAUSED, _S.SCHEDULED, "a person resumes it before deliveries were made"),
        Transition(_S.PAUSED, _S.STOPPED, "a person stops it"),
        Transition(_S.PAUSED, _S.CANCELLED, "a person cancels what has not been handed over"),
        Transition(_S.STOPPED, _S.SENDING, "a person resumes it after deliveries were made"),
        Transition(_S.STOPPED, _S.SCHEDULED, "a person resumes it before deliveries were made"),
        Transition(_S.STOPPED, _S.CANCELLED, "a person cancels what has not been handed over"),
        Transition(_S.STOPPED, _S.MISSED, "resumed after its `not after`"),
        Transition(_S.PAUSED, _S.MISSED, "resumed after its `not after`"),
        Transition(_S.SENT, _S.SENDING, "a person sends again to those of whom we are uncertain"),
    ),
)
