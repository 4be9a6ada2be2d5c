"""Figures for pages and commands; reads only, through the gate. The sum over the outcomes is the candidates."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from mailer import access
from mailer.access import Actor
from mailer.core.aim import aim
from mailer.core.audience import IN_WORDS, NotACandidate, Out, Reason, Rule, Unmailable, decide
from mailer.core.delivery import CopyState, Outcome
from mailer.core.errors import MailerError
from mailer.core.listfile import Office as Role
from mailer.core.schedule import brief, describe
from mailer.house import House
from mailer.models import Mailing, facts_of, figures, recheck
from mailer.models.copy import ARRIVED


@dataclass(frozen=True, slots=True)
class MailingFigures:
    """One sending in numbers; `outcomes` sum up to `candidates`."""

    list: str
    region: str | None
    state: str
    state_reason: str
    starts: str
    candidates: int
    outcomes: Mapping[str, int]
    excluded: Mapping[str, int]
    withdrawn: Mapping[str, int]
    copies: Mapping[str, int]
    bounces: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class IssueReport:
    """An issue's sendings."""

    issue: int
    subject: str
    state: str
    mailings: tuple[MailingFigures, ...] = field(default=())

    def to_json(self) -> dict[str, object]:
        """The documented shape of `mailer issue report --json`."""
        return asdict(self)


def issue_report(actor: Actor, house: House, number: int) -> IssueReport:
    """The figures of an issue the actor may see."""
    issue = access.issue(actor, number)
    rows = figures.mailings_of_issue(issue.pk)
    subject = figures.subject_of(issue.pk)
    return IssueReport(issue.pk, subject, issue.state, tuple(mailing_figures(house, row) for row in rows))


@dataclass(frozen=True, slots=True)
class WithoutLetter:
    """Someone who did not get a sending, or not yet, and why, as a person would say it.

    It was tried so many times (`attempts`), and is tried again at `again_at`, if it is.
    """

    number: str
    member: str
    outcome: str
    because: str
    attempts: int = 0
    again_at: datetime | None = None

    def to_json(self) -> dict[str, object]:
        """The documented shape."""
        return asdict(self) | {"again_at": self.again_at.isoformat() if self.again_at else None}


_NO_MAILBOX = "we have no e-mail address for them: they get a printed letter"
_LOST = {
    CopyState.REFUSED: "their mail server refused it",
    CopyState.BOUNCED: "it was accepted, then came back",
    CopyState.DEFERRED: "their mail server puts it off",
    CopyState.EXPIRED: "their mail server put it off until the time for trying was over",
    CopyState.UNCERTAIN: "nobody can say whether it arrived",
    CopyState.HELD: "our own mail server refuses it for now",
}


def without(sending: MailingFigures) -> int:
    """How many candidates of a sending have no letter, or none yet."""
    return sending.candidates - sum(sending.outcomes.get(state, 0) for state in ARRIVED)


def without_letter(actor: Actor, house: House, number: int, now: datetime) -> tuple[WithoutLetter, ...]:
    """Everyone whom the actor may see who is a candidate of an issue's sendings and has no letter, or none yet."""
    # Names are for who keeps the list or answers for a region, and not for everyone who may write.
    actor.needs(Role.CHAIR, Role.SECRETARY, Role.COORDINATOR)
    issue, mine = access.issue(actor, number), access.members(actor, house.today(now))
    rows = (row for mailing in figures.mailings_of_issue(issue.pk) for row in figures.who_got_none(mailing.pk, mine))
    return tuple(
        WithoutLetter(row.number, row.name, row.outcome, _because(house, row, now), row.attempts, row.again_at)
        for row in rows
    )


def _because(house: House, row: figures.GotNone, now: datetime) -> str:
    outcome, detail = row.outcome, row.detail
    if outcome == Outcome.UNMAILABLE:
        return _NO_MAILBOX
    if outcome in (Outcome.EXCLUDED, Outcome.WITHDRAWN):
        return "they no longer live where it is for" if detail == recheck.NOT_IN_REGION else IN_WORDS[Reason(detail)]
    words = _LOST.get(CopyState(outcome), "it waits")
    if row.again_at is not None:
        words += f", and it is tried again {brief(row.again_at, house.config.organisation.time_zone, now)}"
    return f"{words}: {detail}" if detail and outcome != CopyState.BOUNCED else words


def mailing_figures(house: House, mailing: Mailing) -> MailingFigures:
    """One sending in numbers; whoever calls this has asked the gate for the mailing."""
    outcomes = figures.outcomes(mailing.pk)
    return MailingFigures(
        list=mailing.issue.mailing_list.slug,
        region=mailing.region.slug if mailing.region else None,
        state=mailing.state,
        state_reason=mailing.state_reason,
        starts=describe(mailing.starts_at, house.config.organisation.time_zone),
        candidates=sum(outcomes.values()),
        outcomes=outcomes,
        excluded=figures.reasons(mailing.pk, Outcome.EXCLUDED),
        withdrawn=figures.reasons(mailing.pk, Outcome.WITHDRAWN),
        copies=figures.copies(mailing.pk),
        bounces=figures.bounces(mailing.pk),
    )


class NoSuchAudience(MailerError, LookupError):
    """The list or region asked about is not there, or not yours."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one person would, or would not, get a letter of a list today."""

    member: str
    gets_it: bool
    because: str


def explain(actor: Actor, house: House, slug: str, region: str | None, name: str, now: datetime) -> Explanation:
    """Ask the rule in core about one member, with the facts as they are now."""
    member = access.member(actor, name, house.today(now))
    rule = _rule(actor, house, slug, region)
    facts = facts_of.facts(member, house.today(now))
    decision = decide(rule, facts, house.allow_list)
    match decision:
        case Out(reason):
            return Explanation(member.name, gets_it=False, because=IN_WORDS[reason])
        case Unmailable():
            return Explanation(member.name, gets_it=False, because=_NO_MAILBOX)
        case NotACandidate():
            return Explanation(member.name, gets_it=False, because="it is not for the regions they live in")
    title = house.library.streams[decision.stream].title
    return Explanation(member.name, gets_it=True, because=f"they consented to “{title}”")


def _rule(actor: Actor, house: House, slug: str, region: str | None) -> Rule:
    """Whom a letter of this list, or of this region of it, would be for if this actor wrote it."""
    listfile = house.library.lists.get(slug)
    tree = access.regions()
    if listfile is None or (region is not None and region not in tree.by_slug):
        raise NoSuchAudience(f"There is no list {slug!r}" + (f" with a region {region!r}." if region else "."))
    if listfile.regional != (region is not None):
        raise NoSuchAudience(
            "Say which region with --region." if listfile.regional else "This list has no regions: leave --region out."
        )
    return aim(listfile, tree, region, actor.scope)


def audience_figures(
    actor: Actor, house: House, slug: str, region: str | None, now: datetime
) -> dict[str, dict[str, int]]:
    """How many would get it, and how many would not, by reason."""
    rule = _rule(actor, house, slug, region)
    return facts_of.count(rule, house.today(now), house.allow_list)
