"""One member as an actor may see them: of one in two regions a coordinator sees only the own one."""

from dataclasses import dataclass
from datetime import datetime

from mailer import access
from mailer.access import Actor
from mailer.core.region import Scope
from mailer.house import House
from mailer.models import Member, dossier


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger says now of one stream."""

    stream: int
    title: str
    state: str
    since: datetime


@dataclass(frozen=True, slots=True)
class MemberCard:
    """What is known of a member; `suppressed` and `undeliverable` are reasons in words, or empty."""

    number: str | None
    name: str
    email: str | None
    standing: str
    regions: tuple[str, ...]
    telephone: str
    postal_address: str
    language: str
    since: datetime
    suppressed: str
    undeliverable: str
    streams: tuple[Standing, ...]


def card(actor: Actor, house: House, name: str, now: datetime) -> MemberCard:
    """Look one member up by number, or by an e-mail address that names only one."""
    today = house.today(now)
    member = access.member(actor, name, today)
    regions = dossier.regions_of(member, today)
    suppressed = [f"{each.kind}: {each.reason} on {each.at:%Y-%m-%d}" for each in dossier.suppressions_of(member)]
    return MemberCard(
        number=member.number,
        name=member.name,
        email=member.mailbox.address if member.mailbox else None,
        standing=member.standing,
        regions=tuple(title for number, title in regions if actor.scope.allows(number)),
        telephone=member.telephone,
        postal_address=member.postal_address,
        language=member.language,
        since=member.created_at,
        suppressed="; ".join(suppressed),
        undeliverable=_undeliverable(member),
        streams=tuple(_streams(member, actor.scope)),
    )


def _undeliverable(member: Member) -> str:
    box = member.mailbox
    if box is None or box.undeliverable_since is None:
        return ""
    return f"undeliverable since {box.undeliverable_since:%Y-%m-%d}: {box.undeliverable_reason}"


def _streams(member: Member, scope: Scope) -> list[Standing]:
    rows = dossier.subscriptions_of(member)
    return [
        Standing(row.stream_id, row.stream.title, row.state, row.since)
        for row in rows
        if row.stream.region_id is None or scope.allows(row.stream.region_id)
    ]
