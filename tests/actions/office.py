"""Everything a sending needs, with a clock moved by hand and a relay into which a test can reach while it works."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mailer import reports
from mailer.access import Actor
from mailer.actions.hand_over import Sender
from mailer.actions.keep_time import keep_time
from mailer.actions.pulse import Pulse
from mailer.actions.schedule_mailing import schedule
from mailer.actions.write_issue import new_issue
from mailer.core.dkim import Signer
from mailer.core.envelope import Envelope
from mailer.core.watch import SignOfLife
from mailer.house import House
from mailer.models import Copy, Delivery, Mailing
from mailer.transport.journal import Journal
from mailer.transport.memory import Behaviour, MemoryPool, MemoryRelay, MemorySession
from tests.world import NOW, Draw

LETTER = """---
subject: News from the Friends in November
preheader: The hall is mended, the tea is on, and we need two more people for Saturday.
---

Dear friends, the hall is mended.

## What comes next

1. Tea on Saturday
2. A walk on Sunday
"""
_LEAVE = re.compile(rb"List-Unsubscribe: <[^>]*/u/([A-Za-z0-9_-]+)>")


class Relay(MemoryRelay):
    """`meanwhile[n]` happens while the n-th letter is handed over, `connecting` whenever a session is made."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: dict[int, Callable[[], object]] = {}
        self.connecting: Callable[[], object] | None = None

    def connect(self) -> MemorySession:
        if self.connecting is not None:
            self.connecting()
        return super().connect()

    def next_for(self, recipient: str) -> Behaviour:
        act = self.meanwhile.pop(len(self.handed), None)
        if act is not None:
            act()
        return super().next_for(recipient)


@dataclass
class Office:
    """One host with one worker. `now` is moved by the test; every look at `ticks` costs a second."""

    house: House
    journal: Journal
    relay: Relay = field(default_factory=Relay)
    #: The others by name.
    relays: dict[str, Relay] = field(default_factory=dict)
    now: datetime = NOW
    draw: Draw = field(default_factory=Draw)
    ticks: float = 0.0
    signers: Sequence[Signer] = ()
    #: What is wrong with this host's clock.
    clock_fault: str | None = None

    def tick(self) -> float:
        self.ticks += 1.0
        return self.ticks

    @property
    def sender(self) -> Sender:
        """A new sender; the worker's journal stays the same."""
        return Sender(
            self.house,
            self.journal,
            lambda via: MemoryPool(self.relays.get(via.name, self.relay)),
            lambda: self.now,
            self.tick,
            self.draw.handle,
            Pulse(SignOfLife(self.journal.worker, "host", 1, "", self.now)),
            self.signers,
            clock_fault=lambda: self.clock_fault,
        )

    def ring(self) -> datetime | None:
        """The clock comes by once."""
        return keep_time(self.house, now=self.now, draw=self.draw.handle, draw_word=self.draw.word)

    def send_all(self) -> None:
        """Hand over all that can be handed over now."""
        sender = self.sender
        while sender.work():
            pass
        self.ring()

    def written(self, author: Actor, slug: str = "chairs-newsletter", region: str | None = None) -> int:
        """An issue."""
        return new_issue(author, self.house, slug, LETTER, region=region, now=self.now, draw_word=self.draw.word).number

    def scheduled(self, author: Actor, slug: str = "chairs-newsletter", region: str | None = None) -> int:
        """An issue that is scheduled an hour ahead."""
        issue = self.written(author, slug, region)
        schedule(author, self.house, issue, "2026-11-20 11:00", now=self.now)
        return issue

    def begun(self, author: Actor, slug: str = "chairs-newsletter", region: str | None = None) -> int:
        """An issue whose mailing has just started, an hour later."""
        issue = self.scheduled(author, slug, region)
        self.now += timedelta(hours=1, minutes=1)
        self.ring()
        assert self.mailing(issue).state == "sending", self.mailing(issue).state_reason
        return issue

    def report(self, author: Actor, issue: int) -> reports.MailingFigures:
        """The figures of the issue's first mailing."""
        return reports.issue_report(author, self.house, issue).mailings[0]

    def mailing(self, issue: int) -> Mailing:
        """The issue's newest mailing."""
        return Mailing.unscoped.filter(issue=issue).latest("pk")

    def reached(self) -> set[str]:
        """The addresses that got a letter."""
        return set(self.relay.copies)


def outcome_of(member: object) -> tuple[str, str]:
    """(outcome, reason) of a member's only delivery; of a carried one, its copy's state."""
    delivery = Delivery.unscoped.select_related("copy").get(member=member)
    return (delivery.copy.state if delivery.outcome == "carried" else delivery.outcome, delivery.reason)


def copy_to(address: str) -> Copy:
    """The newest copy that goes to this address."""
    return Copy.unscoped.filter(mailbox__address=address).latest("pk")


def leave_token(envelope: Envelope) -> str:
    """The token of a letter's own link."""
    found = _LEAVE.search(envelope.payload.replace(b"\r\n ", b" "))
    assert found is not None
    return found[1].decode()


def decoded(payload: bytes) -> str:
    """Headers and parts of a letter as its reader sees them."""
    from email import message_from_bytes
    from email.policy import SMTP

    letter = message_from_bytes(payload, policy=SMTP)
    parts = [part.get_content() for part in letter.walk() if part.get_content_maintype() == "text"]
    return "\n".join([*(f"{name}: {value}" for name, value in letter.items()), *parts])
