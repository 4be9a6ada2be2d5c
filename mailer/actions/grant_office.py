"""Who may do what: offices are granted for a term, and revoked, by whoever has a shell on the machine."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from mailer import access
from mailer.access import Actor, NotFound
from mailer.core.address import parse
from mailer.core.errors import MailerError
from mailer.core.listfile import Office as Role
from mailer.models import pen
from mailer.models.base import writing
from mailer.models.ledger import record
from mailer.models.site import Counter, bump


class OfficeRefused(MailerError, ValueError):
    """The office would mean nothing."""


@dataclass(frozen=True, slots=True)
class HeldOffice:
    """An office as a person may see it."""

    number: int
    email: str
    name: str
    role: str
    regions: tuple[str, ...]
    starts: date
    ends: date | None
    revoked: bool
    system_user: str | None


def grant(
    actor: Actor,
    email: str,
    role: Role,
    *,
    name: str,
    regions: Iterable[str],
    starts: date,
    ends: date | None,
    system_user: str | None,
    now: datetime,
) -> int:
    """Grant an office; its number."""
    slugs = tuple(regions)
    tree = access.regions()
    if unknown := [slug for slug in slugs if slug not in tree.by_slug]:
        raise OfficeRefused(f"There is no region {unknown[0]!r}. The regions are: {', '.join(tree.by_slug)}.")
    if bool(slugs) != (role is Role.COORDINATOR):
        raise OfficeRefused("A coordinator needs at least one --region, and nobody else takes one.")
    if system_user == "":
        raise OfficeRefused("--system-user is empty: name the login of the machine's user, or leave it out.")
    if ends is not None and ends <= starts:
        raise OfficeRefused("The office ends before it starts: mend the dates.")
    with writing():
        number = pen.grant_office(
            parse(email).text,
            name or email,
            role,
            [tree.by_slug[slug].number for slug in slugs],
            starts=starts,
            ends=ends,
            system_user=system_user,
        )
        record(now, actor.reference, "office granted", about="office", number=number, role=role, regions=slugs)
    return number


def revoke(actor: Actor, number: int, now: datetime) -> None:
    """Revoke an office: what its holder scheduled does not go where only this office reached."""
    with writing():
        if not pen.revoke_office(number, now):
            raise NotFound(f"There is no office {number} that could be revoked. See `mailer office list`.")
        bump(Counter.CHANGES)
        record(now, actor.reference, "office revoked", about="office", number=number)


def held() -> tuple[HeldOffice, ...]:
    """Every office there is or was."""
    return tuple(
        HeldOffice(
            office.pk,
            office.user.email,
            office.user.name,
            office.role,
            regions,
            office.starts,
            office.ends,
            office.revoked_at is not None,
            office.user.system_user,
        )
        for office, regions in pen.offices()
    )
