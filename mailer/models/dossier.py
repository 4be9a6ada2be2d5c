"""One member whole: where they live, what they get, and every line of the ledger with its evidence."""

from collections.abc import Iterator
from datetime import date

from django.db.models import Q

from mailer.core.delivery import Outcome
from mailer.models.consent import ConsentEntry, ConsentEvidence, Subscription, Suppression, SuppressionKind
from mailer.models.copy import ARRIVED, Delivery
from mailer.models.ledger import last_seal
from mailer.models.member import Member, living
from mailer.models.site import Site
from mailer.models.user import User


def regions_of(member: Member, today: date) -> list[tuple[int, str]]:
    """Number and name of every region the member lives in today."""
    lives = living(today).filter(member=member)
    return list(lives.order_by("region").values_list("region", "region__name"))


def subscriptions_of(member: Member) -> list[Subscription]:
    """What the ledger says now of every stream it speaks of."""
    return list(Subscription.unscoped.filter(member=member).select_related("stream").order_by("stream"))


def suppressions_of(member: Member) -> list[Suppression]:
    """Why the member, or everyone at their mailbox, must not be written to."""
    person = Q(kind=SuppressionKind.PERSON, hash=member.person_hash) if member.person_hash else Q(pk=None)
    mailbox = Q(kind=SuppressionKind.MAILBOX, hash=member.mailbox.hash) if member.mailbox else Q(pk=None)
    return list(Suppression.unscoped.filter(person | mailbox).order_by("at"))


def lines_of(subject: str) -> Iterator[tuple[ConsentEntry, ConsentEvidence | None]]:
    """Every line about a subject, oldest first, with its evidence unless that was erased."""
    rows = list(ConsentEntry.unscoped.filter(subject=subject).select_related("stream", "wording").order_by("pk"))
    evidence = {row.pk: row for row in ConsentEvidence.unscoped.filter(entry__in=[row.pk for row in rows])}
    return ((row, evidence.get(row.pk)) for row in rows)


def has_had_a_letter(member: Member) -> bool:
    """Whether any letter ever arrived: the first one tells that one may object at any time (P10)."""
    carried = Delivery.unscoped.filter(member=member, outcome=Outcome.CARRIED)
    return bool(carried.filter(copy__state__in=ARRIVED).exists())


def kept_head() -> str:
    """The head of the chain as the site's row has it."""
    head: str = Site.unscoped.values_list("ledger_head", flat=True).get(pk=1)
    return head


def sealed_head() -> str | None:
    """The head that the last seal has; None before the first."""
    last = last_seal()
    return last.head if last else None


def sealed_up_to() -> int:
    """The last line that is in the chain."""
    last = last_seal()
    return last.last_row if last else 0


def user_name(number: int) -> str | None:
    """The name of a user, for the lines they entered."""
    user = User.objects.filter(pk=number).first()
    return user.name if user else None


def user_with(email: str) -> User | None:
    """The user with this e-mail address."""
    return User.objects.filter(email__iexact=email, is_active=True).first()
