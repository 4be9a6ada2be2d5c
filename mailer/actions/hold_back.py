"""Which letters in hand must wait for their destination: it rests, is being tried, or has had its share (T26).

Contract, for the sender: after a claim, `hold_back` names the copies that do not go now and until when (they are put
off untouched, which is no attempt). After it, `returns` says what `models.quota.give_back` is to be told of the letters
that were not handed over; `answered` hears of each answer, and says until when the destination rests if it does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from mailer.core.address import parse
from mailer.core.reply import Answer
from mailer.core.throttle import Slows, slows
from mailer.house import House
from mailer.models import destination, quota
from mailer.models.base import writing
from mailer.models.destination import Room
from mailer.models.quota import Grant


class InHand(Protocol):
    """A letter in a worker's hands: its number, and whom it is for."""

    @property
    def copy(self) -> int: ...

    @property
    def address(self) -> str: ...


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Copies by number, each with the time before which it does not go; and what was counted for the others."""

    until: Mapping[int, datetime] = field(default_factory=dict)
    grants: Mapping[str, Grant] = field(default_factory=dict)
    #: The destinations that had asked us to slow down.
    slowed: frozenset[str] = frozenset()

    def returns(self, unsent: Iterable[InHand]) -> list[tuple[Grant, int]]:
        """What is to be given back when these, of those that might have gone, were not handed over."""
        if not self.grants:
            return []
        counts = dict.fromkeys(self.grants, 0)
        for copy in unsent:
            domain = domain_of(copy.address)
            if domain in counts and copy.copy not in self.until:
                counts[domain] += 1
        return [(self.grants[domain], count) for domain, count in counts.items()]


def hold_back(house: House, held: Iterable[InHand], now: datetime, *, priority: bool = False) -> HeldBack:
    """What of a claim must wait; nothing is written where no destination has limits or was slowed."""
    slowed = destination.room(now)
    limits = {each.domain: each.limits for each in house.config.limits.domains}
    if not slowed and not limits:
        return HeldBack()
    by_domain: dict[str, list[int]] = {}
    for copy in held:
        domain = domain_of(copy.address)
        if domain in slowed or domain in limits:
            by_domain.setdefault(domain, []).append(copy.copy)
    until: dict[int, datetime] = {}
    for domain, copies in by_domain.items():
        room = slowed.get(domain, Room(len(copies), now))
        until |= dict.fromkeys(copies[room.letters :], room.again_at)
        by_domain[domain] = copies[: room.letters]
    wanted = {domain: len(copies) for domain, copies in by_domain.items()}
    with writing():
        grants = quota.take_domains(wanted, now, limits, priority=priority)
    for domain, grant in grants.items():
        if grant.again_at is not None:
            until |= dict.fromkeys(by_domain[domain][grant.letters :], grant.again_at)
    counted = {domain: grant for domain, grant in grants.items() if grant.scope}
    return HeldBack(until, counted, frozenset(slowed))


def answered(address: str, answer: Answer, now: datetime) -> datetime | None:
    """Until when the destination rests, if this answer slows it; call it inside `writing()`."""
    if answer.reply is None or slows(answer.step, answer.reply) is not Slows.DESTINATION:
        return None
    return destination.slow(domain_of(address), answer.reply, now)


def domain_of(address: str) -> str:
    """The destination of a letter: the domain as mailboxes and limits hold it."""
    domain = address.rpartition("@")[2].lower()
    return domain if domain.isascii() else parse(address).domain
