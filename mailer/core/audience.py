"""Who gets a mailing, and why not: one rule, asked of one member's facts.

The answer is *in*, *out because ...*, *unmailable* (printed letters), or *not a candidate*. `mailer.models.audience`
compiles the same rule to SQL; a property test holds the two equal on both databases (standards P8).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class Standing(StrEnum):
    """What a person is to the organisation."""

    MEMBER = "member"
    SUPPORTER = "supporter"
    CLAIMED = "claimed"


class SubscriptionState(StrEnum):
    """What the ledger says now for one member and one stream."""

    ACTIVE = "active"
    LEFT = "left"


class Reason(StrEnum):
    """Why a candidate does not get a mailing, in the order in which the questions are asked."""

    NOT_CONFIRMED = "not_confirmed"
    WRONG_STANDING = "wrong_standing"
    SUPPRESSED = "suppressed"
    LEFT = "left"
    NO_CONSENT = "no_consent"
    MAILBOX_SUPPRESSED = "mailbox_suppressed"
    UNDELIVERABLE = "undeliverable"
    NOT_ON_ALLOW_LIST = "not_on_allow_list"


#: The reasons as a person would say them.
IN_WORDS: Mapping[Reason, str] = {
    Reason.NOT_CONFIRMED: "the secretary has not yet confirmed them as a member or supporter",
    Reason.WRONG_STANDING: "this list is not for people of their standing",
    Reason.SUPPRESSED: "they asked us to write no more, or to be forgotten",
    Reason.LEFT: "they left this list",
    Reason.NO_CONSENT: "there is no proven consent for this list",
    Reason.MAILBOX_SUPPRESSED: "nobody at this address wants mail from us",
    Reason.UNDELIVERABLE: "mail to this address came back: it needs a new address",
    Reason.NOT_ON_ALLOW_LIST: "this is not the production site, and the address is not on its allow-list",
}


@dataclass(frozen=True, slots=True)
class AllowList:
    """Off production, only these are mailed (standards P24): whole domains, and single addresses in normal form."""

    domains: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()

    def allows(self, normal: str) -> bool:
        """Whether a mailbox in normal form may be written to."""
        return normal in self.addresses or normal.rpartition("@")[2] in self.domains


@dataclass(frozen=True, slots=True)
class Rule:
    """Whom a mailing is for.

    `streams` maps a stream's number to the region one must live in to be reached by it (None: anywhere); `regions`
    are those whose people are candidates (None: the whole organisation). With `got` it is only for those who have, or
    may have, the letter of that mailing: a correction.
    """

    streams: Mapping[int, int | None]
    regions: frozenset[int] | None
    standings: frozenset[Standing] = frozenset({Standing.MEMBER, Standing.SUPPORTER})
    got: int | None = None

    def to_json(self) -> dict[str, object]:
        """Plain JSON, for storing with a mailing."""
        return {
            "streams": {str(stream): region for stream, region in sorted(self.streams.items())},
            "regions": None if self.regions is None else sorted(self.regions),
            "standings": sorted(self.standings),
            "got": self.got,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Rule":
        """What `to_json` made."""
        regions = stored["regions"]
        return cls(
            {int(stream): region for stream, region in stored["streams"].items()},
            None if regions is None else frozenset(regions),
            frozenset(map(Standing, stored["standings"])),
            stored.get("got"),
        )

    def narrowed(self, regions: frozenset[int] | None) -> "Rule":
        """The part of the rule that lies within `regions`: what an author's scope leaves of it today."""
        if regions is None:
            return self
        mine = regions if self.regions is None else self.regions & regions
        # With the region goes its stream: of a member in two regions, what they said of the other one stays unseen.
        streams = {stream: region for stream, region in self.streams.items() if region is None or region in mine}
        return replace(self, streams=streams, regions=mine)


@dataclass(frozen=True, slots=True)
class Facts:
    """What must be known of a member at one moment."""

    standing: Standing
    regions: frozenset[int] = frozenset()
    subscriptions: Mapping[int, SubscriptionState] = field(default_factory=dict)
    suppressed: bool = False
    mailbox: str | None = None
    mailbox_suppressed: bool = False
    undeliverable: bool = False
    #: The mailings whose letter they have, or may have.
    got: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class In:
    """The member gets the mailing, by this stream."""

    stream: int


@dataclass(frozen=True, slots=True)
class Out:
    """The member is a candidate and does not get it, because ..."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Unmailable:
    """The member has no mailbox: listed for printing."""


@dataclass(frozen=True, slots=True)
class NotACandidate:
    """The mailing is not for the member's region, or corrects a letter that the member never got."""


Decision = In | Out | Unmailable | NotACandidate


def decide(rule: Rule, facts: Facts, allow_list: AllowList | None = None) -> Decision:
    """Answer for one member, in the order of `Reason`; `allow_list` is None in production."""
    if not _is_candidate(rule, facts):
        return NotACandidate()
    if facts.standing is Standing.CLAIMED:
        return Out(Reason.NOT_CONFIRMED)
    if facts.standing not in rule.standings:
        return Out(Reason.WRONG_STANDING)
    if facts.suppressed:
        return Out(Reason.SUPPRESSED)
    reachable = _reachable(rule, facts)
    active = [stream for stream in reachable if facts.subscriptions.get(stream) is SubscriptionState.ACTIVE]
    if not active and any(stream in facts.subscriptions for stream in reachable):
        return Out(Reason.LEFT)
    return _by_mailbox(facts, min(active, default=None), allow_list)


def _is_candidate(rule: Rule, facts: Facts) -> bool:
    """Whether the mailing is meant for where the member lives, and for who got what it corrects."""
    lives_there = rule.regions is None or bool(rule.regions & facts.regions)
    return lives_there and (rule.got is None or rule.got in facts.got)


def _reachable(rule: Rule, facts: Facts) -> list[int]:
    """The streams that could carry the mailing to where the member lives."""
    return [stream for stream, region in rule.streams.items() if region is None or region in facts.regions]


def _by_mailbox(facts: Facts, stream: int | None, allow_list: AllowList | None) -> Decision:
    if facts.mailbox is None:
        return Unmailable()
    if stream is None:
        return Out(Reason.NO_CONSENT)
    if facts.mailbox_suppressed:
        return Out(Reason.MAILBOX_SUPPRESSED)
    if facts.undeliverable:
        return Out(Reason.UNDELIVERABLE)
    if allow_list is not None and not allow_list.allows(facts.mailbox):
        return Out(Reason.NOT_ON_ALLOW_LIST)
    return In(stream)
