"""The one-off letters that a machine writes in answer to somebody's act: before any mailing, one by one.

No journal is kept of them: what a worker that died had in its hands is in doubt, and is not sent again.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mailer.actions.compose import signing
from mailer.actions.settle import settle_notice
from mailer.core.delivery import judge, not_sent
from mailer.core.envelope import Envelope
from mailer.core.errors import MailerError
from mailer.core.message import OneOff, format_date, one_off
from mailer.core.reply import Answer
from mailer.models import Notice, outbox
from mailer.models.base import writing
from mailer.models.outbox import unsigned
from mailer.transport.relay import RelayFault

if TYPE_CHECKING:
    from mailer.actions.hand_over import Sender

_MOST = 20
_LEASE = timedelta(minutes=15)
#: How long they rest when the relay does not take letters at all: for a while, or until somebody may have mended it.
_REST = timedelta(seconds=60)
_LONG_REST = timedelta(minutes=30)


def send_notices(sender: "Sender") -> bool:
    """Hand over those that are waiting; False when there were none, or the relay took none."""
    house, worker = sender.house, sender.journal.worker
    with writing():
        waiting = outbox.claim_notices(
            worker, now=sender.clock(), lease=_LEASE, most=_MOST, allow_list=house.allow_list
        )
    for index, notice in enumerate(waiting):
        rest = [each.pk for each in waiting[index:]]
        if sender.stopping():
            with writing():
                outbox.give_back(Notice, rest, notice.claim or 0)
            return True
        try:
            answer = _hand_over(sender, notice)
        except RelayFault as fault:
            until = sender.clock() + (_REST if fault.retry_later else _LONG_REST)
            with writing():
                outbox.put_off(Notice, rest, notice.claim or 0, until)
            return False
        with writing():
            settle_notice(notice, judge(answer), sender.clock(), house)
    return bool(waiting)


def _hand_over(sender: "Sender", notice: Notice) -> Answer:
    try:
        envelope = _envelope(sender, notice, sender.clock())
    except MailerError as error:
        return not_sent(error)
    return sender.session().hand_over(envelope)


def _envelope(sender: "Sender", notice: Notice, now: datetime) -> Envelope:
    house, organisation, handle = sender.house, sender.house.config.organisation, unsigned(notice.handle)
    address = notice.mailbox.address
    message = OneOff(
        from_name=organisation.sender_name,
        from_address=organisation.sender_address,
        reply_to=organisation.reply_to,
        to_name="",
        to_address=address,
        subject=notice.subject,
        text=notice.text,
        html=notice.html,
        message_id=house.message_id(handle),
        date=format_date(now.astimezone(house.zone)),
        boundary=f"=_{handle:016x}",
    )
    payload = one_off(message, signing(sender.signers, sender.clock))
    # An automatic answer has the null reverse-path, so that nothing ever answers it (T22).
    return Envelope("", address, payload, smtputf8=not address.isascii())
