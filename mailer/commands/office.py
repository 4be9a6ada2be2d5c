"""`mailer office`: whoever has a shell on the machine says who may do what."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from mailer.actions import grant_office
from mailer.commands.desk import Desk
from mailer.core.listfile import Office


def grant(
    desk: Desk,
    *,
    email: str,
    role: str,
    name: str,
    regions: Sequence[str],
    starts: datetime | None,
    ends: datetime | None,
    system_user: str | None,
) -> None:
    """Give a role for a term."""
    begins = starts.date() if starts else desk.house.today(desk.now)
    number = grant_office.grant(
        desk.operator,
        email,
        Office(role),
        name=name,
        regions=regions,
        starts=begins,
        ends=ends.date() if ends else None,
        system_user=system_user,
        now=desk.now,
    )
    where = f" of {', '.join(regions)}" if regions else ""
    until = f" until {ends.date()}" if ends else ""
    desk.say(f"Office {number}: {email} is {role}{where} from {begins}{until}.")
    desk.answer({"office": number})


def list_offices(desk: Desk) -> None:
    """Every office there is or was, oldest first."""
    held = grant_office.held()
    desk.table(
        "",
        ("#number", "e-mail", "name", "role", "regions", "from", "until", "revoked", "login"),
        [
            (
                office.number,
                office.email,
                office.name,
                office.role,
                ", ".join(office.regions),
                office.starts,
                office.ends or "",
                "yes" if office.revoked else "",
                office.system_user or "",
            )
            for office in held
        ],
    )
    if not held:
        desk.say("Nobody holds an office yet: `mailer office grant EMAIL chair`.")
    desk.answer({"offices": [asdict(office) for office in held]})


def revoke(desk: Desk, *, number: int) -> None:
    """End an office now."""
    grant_office.revoke(desk.operator, number, desk.now)
    desk.say(f"Office {number} is revoked. What only it could reach is not sent any more.")
    desk.answer({"office": number, "revoked": True})
