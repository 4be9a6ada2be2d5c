"""The cast, and a world for them: Anne chairs, Bart coordinates Norfolk, Sima keeps the list, the rest get letters."""

import itertools
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from mailer import access
from mailer.access import Actor
from mailer.actions.grant_office import grant
from mailer.core.address import fold_name, normal, parse
from mailer.core.audience import Standing
from mailer.core.consent import Article9, Channel, Entry, Kind, PecrBasis, commitment
from mailer.core.listfile import Office as Role
from mailer.core.listfile import stream_number
from mailer.house import House
from mailer.models import Member, Wording, roll
from mailer.models.base import writing
from mailer.models.ledger import Line, append
from mailer.models.outbox import signed

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
TODAY = NOW.date()
#: The region numbers of lists/regions.toml are looked up by slug, never written down in a test.
_numbers = itertools.count(1)


@dataclass
class Draw:
    """Random handles, words and subjects, the same in every run."""

    seed: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def handle(self) -> int:
        return self._random.getrandbits(64)

    def word(self) -> str:
        return "QZX" + "".join(self._random.choices("abcdefghijkmnpqrstuvwxyz", k=12)) + "XZQ"

    def subject(self) -> str:
        return f"{self._random.getrandbits(128):032x}"


def region_number(slug: str) -> int:
    """The permanent number of a region."""
    return access.regions().region(slug).number


def list_id(house: House, slug: str = "chairs-newsletter") -> int:
    """The permanent number of a list."""
    return house.library.lists[slug].id


def stream(house: House, slug: str = "chairs-newsletter", region: str | None = None) -> int:
    """The number of a stream."""
    return stream_number(list_id(house, slug), region_number(region) if region else None)


def office(role: Role, email: str, name: str, regions: Iterable[str] = ()) -> Actor:
    """Grant an office and become its holder."""
    grant(
        access.the_operator("test"),
        email,
        role,
        name=name,
        regions=regions,
        starts=date(2026, 1, 1),
        ends=None,
        system_user=None,
        now=NOW,
    )
    return access.actor_by_email(email, TODAY)


def anne() -> Actor:
    """Anne chairs the organisation."""
    return office(Role.CHAIR, "anne@example.org", "Anne Chair")


def bart() -> Actor:
    """Bart coordinates Norfolk, and must never see or reach another region."""
    return office(Role.COORDINATOR, "bart@example.org", "Bart Norfolk", ["norfolk"])


def sima() -> Actor:
    """Sima keeps the member list."""
    return office(Role.SECRETARY, "sima@example.org", "Sima Secretary")


def join(
    house: House,
    name: str,
    email: str | None = "",
    *,
    regions: Iterable[str] = (),
    consents: Iterable[int] = (),
    left: Iterable[int] = (),
    standing: Standing = Standing.MEMBER,
    at: datetime = NOW - timedelta(days=100),
    draw: Draw | None = None,
) -> Member:
    """Someone joins: `email` None for nobody at home, "" for an address made of the name."""
    draw = draw or Draw(next(_numbers))
    if email == "":
        email = f"{name.split(maxsplit=1)[0].lower()}.{next(_numbers)}@example.org"
    with writing():
        member = Member(
            handle=signed(draw.handle()),
            subject=draw.subject(),
            number=f"T{next(_numbers)}",
            name=name,
            folded_name=fold_name(name),
            standing=standing,
            created_at=at,
            **_mailbox(house, name, email, at),
        )
        roll.create_members([(member, frozenset(region_number(slug) for slug in regions))], at.date())
        for number in consents:
            consent(house, member, number, at)
        for number in left:
            consent(house, member, number, at)
            withdraw(house, member, number, at + timedelta(days=1))
    return member


def move(house: House, member: Member, email: str | None) -> None:
    """They have another mailbox, or none."""
    roll.change_member(member, **_mailbox(house, member.name, email, NOW))


def _mailbox(house: House, name: str, email: str | None, at: datetime) -> Mapping[str, object]:
    if email is None:
        return {"mailbox": None, "person_hash": ""}
    address = parse(email)
    box = normal(address)
    return {
        "mailbox": roll.mailboxes_for([(address, house.mailbox_hash(box))], at)[box],
        "person_hash": house.person_hash(box, fold_name(name)),
    }


def consent(house: House, member: Member, number: int, at: datetime) -> None:
    """They agree, on a paper form."""
    wording = Wording.unscoped.get(mailing_list=house.library.streams[number].list_id)
    entry = _entry(member, number, Kind.GIVEN, at, wording=wording.pk, committed=commitment(b"salt", "form 7"))
    append([Line(member, entry, b"salt", "form 7")])


def withdraw(house: House, member: Member, number: int, at: datetime) -> None:
    """They leave, on the telephone."""
    append([Line(member, _entry(member, number, Kind.WITHDRAWN, at))])


def _entry(
    member: Member, number: int, kind: Kind, at: datetime, wording: int | None = None, committed: str = ""
) -> Entry:
    return Entry(
        subject=member.subject,
        stream=number,
        kind=kind,
        at=at,
        recorded_at=at,
        channel=Channel.PAPER_FORM,
        actor="test",
        article9=Article9.EXPLICIT_CONSENT,
        pecr=PecrBasis.CONSENT,
        wording=wording,
        commitment=committed,
    )
