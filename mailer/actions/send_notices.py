"""The one-off letters that a machine writes because of somebody's act: they overtake every mailing."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from mailer.actions.choose_relay import Chosen
from mailer.actions.compose import signing
from mailer.actions.in_hand import Batch
from mailer.actions.settle import Settled, settle_notices
from mailer.core.envelope import Envelope
from mailer.core.message import AUTO_GENERATED, AUTO_REPLIED, OneOff, format_date, one_off
from mailer.models import Notice, Outgoing, outbox, quota
from mailer.models.outbox import Claimed, unsigned
from mailer.models.site import Counter, current

if TYPE_CHECKING:
    from mailer.actions.hand_over import Sender

_MOST = 20


@dataclass(eq=False)
class NoticeBatch(Batch):
    """One-off letters, a few at a time."""

    notices: dict[int, Notice] = field(default_factory=dict)
    table: type[Outgoing] = Notice

    @classmethod
    def claim(cls, sender: "Sender", via: Chosen) -> "NoticeBatch | None":
        """Take those that are waiting, inside `writing()`; a part of each limit is kept for them."""
        house, now = sender.house, sender.clock()
        grant = quota.take(via.name, _MOST, now, via.limits, priority=True)
        rows = outbox.claim_notices(
            sender.journal.worker, now=now, lease=sender.lease, most=grant.letters, allow_list=house.allow_list
        )
        quota.give_back([(grant, grant.letters - len(rows))])
        if not rows:
            return None
        notices = {row.pk: row for row in rows}
        changes = current(Counter.CHANGES)
        return cls(sender, rows[0].claim or 0, deque(), sender.ticks(), changes, notices=notices, grant=grant)

    def enter(self) -> None:
        now = self.sender.clock()
        self.hold_back([_claimed(row, now) for row in self.notices.values()], now, priority=True)
        super().enter()

    def check_again(self, changes: int) -> None:
        """Who may be written to was asked when they were taken, a moment ago."""
        self.checked_to = changes

    def settle(self, results: Sequence[Settled]) -> None:
        settle_notices(self.sender.house, self.number, results)

    def envelope(self, claimed: Claimed) -> Envelope:
        notice, sender = self.notices[claimed.copy], self.sender
        house, organisation = sender.house, sender.house.config.organisation
        passes_on = notice.kind == Notice.Kind.ANSWER
        reply_to = notice.reply_to or organisation.reply_to
        message = OneOff(
            from_name=organisation.sender_name,
            from_address=organisation.sender_address,
            reply_to=reply_to,
            to_name="",
            to_address=claimed.address,
            subject=notice.subject,
            text=notice.text,
            html=notice.html,
            message_id=house.message_id(claimed.handle),
            date=format_date(sender.clock().astimezone(house.zone)),
            boundary=f"=_{claimed.handle:016x}",
            automatic=AUTO_GENERATED if passes_on else AUTO_REPLIED,
        )
        payload = one_off(message, signing(sender.signers, sender.clock))
        # An automatic answer has the null reverse-path, so that nothing ever answers it (T22). What is passed on is no
        # answer to whom it goes to, and that it came back must be heard.
        return_path = house.return_path(claimed.handle) if passes_on else ""
        return Envelope(return_path, claimed.address, (payload,), smtputf8=not (claimed.address + reply_to).isascii())


def _claimed(notice: Notice, now: datetime) -> Claimed:
    return Claimed(
        copy=notice.pk,
        handle=unsigned(notice.handle),
        mailbox=notice.mailbox_id,
        address=notice.mailbox.address,
        language="",
        segments=frozenset(),
        members=(),
        names=(),
        attempts=notice.attempts,
        first_attempt_at=notice.first_attempt_at or now,
    )
