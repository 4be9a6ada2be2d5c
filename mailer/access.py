"""THE GATE: from an actor to what they may touch. Nothing else lifts the scope (design.md section 2).

Order of evaluation: an actor's offices that hold today give roles and a scope; what is asked for is filtered by that
scope in the query itself; a single object comes out of the same filtered query, so list and detail cannot disagree;
foreign and missing raise the same `NotFound`. Doors get frozen values made from this, never rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, Q, QuerySet

from mailer.core.errors import MailerError
from mailer.core.listfile import Office as Role
from mailer.core.region import Region as RegionValue
from mailer.core.region import Regions, Scope
from mailer.models import Issue, Mailing, Member, Office, OfficeRegion, Region, User
from mailer.models.member import living

#: Offices that reach the whole organisation.
_WHOLE = frozenset({Role.CHAIR, Role.SECRETARY, Role.EDITOR})


class NotFound(MailerError, LookupError):
    """It is not there, or not yours: from outside the two look the same."""


class NotAllowed(MailerError, PermissionError):
    """No office of this actor lets them do this."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a reference for the logs, the roles held today, and how far they reach.

    `scope` is what all offices together may look at. To act, an office reaches as far as its own `reach`: who keeps
    the member list and coordinates Norfolk still writes notices to Norfolk only.
    """

    reference: str
    name: str
    roles: frozenset[Role]
    scope: Scope
    user: int | None = None
    reach: Mapping[Role, Scope] = field(default_factory=dict)

    def needs(self, *roles: Role) -> None:
        """Refuse unless one of these roles is held."""
        if self.roles.isdisjoint(roles):
            wanted = " or ".join(role.value for role in roles)
            raise NotAllowed(f"This is for the {wanted}; {self.name} holds no such office today.")

    def needs_reach(self, roles: Iterable[Role], region: int | None) -> None:
        """Refuse unless one of these roles is held, and reaches this region (None: the whole organisation)."""
        wanted = sorted(roles)
        self.needs(*wanted)
        if not self.scope_as(wanted).allows(region):
            raise NotAllowed(f"The office that {self.name} holds for this does not reach there.")

    def scope_as(self, roles: Iterable[Role]) -> Scope:
        """How far those of these roles that are held reach together."""
        return _together(self.reach[role] for role in roles if role in self.reach)


#: The clock starts what people scheduled; it is never nobody. What it sends is bounded by each mailing's own scope.
THE_CLOCK = Actor("clock", "the clock", frozenset(), Scope.everything())
#: Whoever holds the link in a letter: may leave or narrow what that letter was about, and nothing else.
THE_READER = Actor("self", "the reader of a letter", frozenset(), Scope.nothing())


def the_operator(login: str) -> Actor:
    """Who has a shell on the machine: sets the site up and grants offices, but writes to nobody."""
    return Actor(f"shell:{login}"[:64], login, frozenset(), Scope.nothing())


def actor_by_email(email: str, today: date) -> Actor:
    """The user with this e-mail address, with the offices that hold today."""
    user = User.objects.filter(email=email.strip().lower(), is_active=True).first()
    if user is None:
        raise NotFound(f"No user has the e-mail address {email}. See `mailer office list`.")
    return _actor(user, today)


def actor_by_login(login: str, today: date) -> Actor:
    """The user whom an office was mapped to for this login name of the machine."""
    user = User.objects.filter(system_user=login, is_active=True).first()
    if user is None:
        raise NotFound(
            f"Say who acts: --by EMAIL. (No office is mapped to the system user {login};"
            f" `mailer office grant EMAIL ROLE --system-user {login}` maps one.)"
        )
    return _actor(user, today)


def _actor(user: User, today: date) -> Actor:
    offices = list(_offices_holding(today).filter(Q(user=user) | Q(deputy=user)))
    by_role: dict[Role, list[Office]] = {}
    for office in offices:
        by_role.setdefault(Role(office.role), []).append(office)
    reach = {role: _scope(held) for role, held in by_role.items()}
    return Actor(f"user:{user.pk}", user.name, frozenset(reach), _together(reach.values()), user.pk, reach)


def _offices_holding(today: date) -> QuerySet[Office]:
    started: QuerySet[Office] = Office.unscoped.filter(starts__lte=today, revoked_at=None)
    return started.filter(Q(ends=None) | Q(ends__gt=today))


def _scope(offices: Iterable[Office]) -> Scope:
    offices = list(offices)
    if any(Role(office.role) in _WHOLE for office in offices):
        return Scope.everything()
    held = OfficeRegion.unscoped.filter(office__in=[office.pk for office in offices], region__retired=False)
    return regions().scope(held.values_list("region__slug", flat=True))


def _together(scopes: Iterable[Scope]) -> Scope:
    reached: frozenset[int] = frozenset()
    for scope in scopes:
        if scope.regions is None:
            return scope
        reached |= scope.regions
    return Scope(reached)


def author_scope(mailing: Mailing, writers: Iterable[Role], today: date) -> Scope:
    """How far a mailing reaches now: its author's scope when it was scheduled, less what was revoked since.

    An office that lapses stops nothing already due; a revoked one does (design.md section 1). So those count that
    held when it was scheduled or came since, allow their holder to write to this list, and were not revoked.
    """
    then = Scope(None if mailing.scope is None else frozenset(mailing.scope))
    if mailing.author_id is None:
        return then
    since = mailing.scheduled_at.astimezone(ZoneInfo(mailing.zone)).date()
    held = Office.unscoped.filter(
        Q(user=mailing.author_id) | Q(deputy=mailing.author_id),
        Q(ends=None) | Q(ends__gt=since),
        role__in=list(writers),
        starts__lte=today,
        revoked_at=None,
    )
    return then.narrow(_scope(held))


def regions() -> Regions:
    """The tree of regions, which is no secret."""
    rows = Region.unscoped.filter(retired=False).order_by("number")
    return Regions(tuple(RegionValue(r.number, r.slug, r.name, r.parent_id) for r in rows))


def members(actor: Actor, today: date) -> QuerySet[Member]:
    """The members an actor may see: those who live today in the scope."""
    everyone: QuerySet[Member] = Member.unscoped.select_related("mailbox")
    if actor.scope.regions is None:
        return everyone
    return everyone.filter(Exists(living(today).filter(member=OuterRef("pk"), region__in=actor.scope.regions)))


def member(actor: Actor, name: str, today: date) -> Member:
    """One member by number, or by an e-mail address that names only one."""
    mine = members(actor, today)
    found = list(mine.filter(Q(number=name) | Q(mailbox__normal=name.strip().casefold())).order_by("pk")[:20])
    if not found:
        raise NotFound(f"No member of yours has the number or e-mail address {name!r}.")
    if len(found) > 1:
        who = "; ".join(f"{m.number or 'no number'}: {m.name}" for m in found)
        raise NotFound(f"{name!r} names several members, so say the number of one: {who}.")
    return found[0]


def issues(actor: Actor) -> QuerySet[Issue]:
    """The issues an actor may see: their own regions', or all."""
    everything: QuerySet[Issue] = Issue.unscoped.select_related("region", "mailing_list")
    return everything if actor.scope.regions is None else everything.filter(region__in=actor.scope.regions)


def issue(actor: Actor, number: int) -> Issue:
    """One issue."""
    found = issues(actor).filter(pk=number).first()
    if found is None:
        raise NotFound(f"There is no issue {number}.")
    return found


def mailings(actor: Actor) -> QuerySet[Mailing]:
    """The mailings of the issues an actor may see."""
    everything: QuerySet[Mailing] = Mailing.unscoped.select_related("issue__mailing_list", "region", "revision")
    return everything if actor.scope.regions is None else everything.filter(region__in=actor.scope.regions)
