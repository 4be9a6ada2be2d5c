"""`core.audience.decide`, compiled to SQL, so that a million members are judged by set (standards P8).

The property test `tests/models/test_audience.py` holds this equal to the rule in core on both databases: change one,
change the other.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    CharField,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)

from mailer.core.audience import AllowList, Reason, Rule, Standing, SubscriptionState
from mailer.core.delivery import Outcome
from mailer.models.consent import Subscription, Suppression, SuppressionKind
from mailer.models.member import Deliverability, Member, living


def candidates(rule: Rule, today: date) -> QuerySet[Member]:
    """The members a mailing is for: those who live today in the rule's regions."""
    everyone: QuerySet[Member] = Member.unscoped.all()
    if rule.regions is None:
        return everyone
    return everyone.filter(Exists(living(today).filter(member=OuterRef("pk"), region__in=rule.regions)))


def decided(rule: Rule, today: date, allow_list: AllowList | None) -> QuerySet[Any]:
    """The candidates with `outcome` (an `Outcome`), `reason` (a `Reason` or "") and `stream` (its number or None)."""
    return (
        candidates(rule, today)
        .annotate(
            stream_number=_stream(rule, today),
            ever=Exists(_reaching(rule, today)),
            is_suppressed=Exists(suppressions(SuppressionKind.PERSON, "person_hash")),
            mailbox_is_suppressed=Exists(suppressions(SuppressionKind.MAILBOX, "mailbox__hash")),
        )
        .annotate(verdict=_verdict(rule, allow_list))
        .annotate(
            outcome=Case(
                When(verdict="", then=Value(Outcome.CARRIED.value)),
                When(verdict=Outcome.UNMAILABLE.value, then=Value(Outcome.UNMAILABLE.value)),
                default=Value(Outcome.EXCLUDED.value),
                output_field=CharField(),
            ),
            reason=Case(
                When(verdict=Outcome.UNMAILABLE.value, then=Value("")),
                default=F("verdict"),
                output_field=CharField(),
            ),
            stream=Case(When(verdict="", then=F("stream_number")), default=None, output_field=IntegerField()),
        )
    )


def _verdict(rule: Rule, allow_list: AllowList | None) -> Case:
    """The questions in the order of `core.audience.decide`; "" means in."""
    return Case(
        When(standing=Standing.CLAIMED.value, then=Value(Reason.NOT_CONFIRMED.value)),
        When(~Q(standing__in=[s.value for s in rule.standings]), then=Value(Reason.WRONG_STANDING.value)),
        When(is_suppressed=True, then=Value(Reason.SUPPRESSED.value)),
        When(Q(stream_number=None, ever=True), then=Value(Reason.LEFT.value)),
        When(mailbox=None, then=Value(Outcome.UNMAILABLE.value)),
        When(stream_number=None, then=Value(Reason.NO_CONSENT.value)),
        When(mailbox_is_suppressed=True, then=Value(Reason.MAILBOX_SUPPRESSED.value)),
        When(mailbox__deliverability=Deliverability.UNDELIVERABLE, then=Value(Reason.UNDELIVERABLE.value)),
        When(~on_allow_list(allow_list), then=Value(Reason.NOT_ON_ALLOW_LIST.value)),
        default=Value(""),
        output_field=CharField(),
    )


def on_allow_list(allow_list: AllowList | None) -> Q:
    """Whether the mailbox of a row may be written to on this site; None is everyone."""
    if allow_list is None:
        return Q(ExpressionWrapper(Value(True), output_field=BooleanField()))
    return Q(mailbox__domain__in=sorted(allow_list.domains)) | Q(mailbox__normal__in=sorted(allow_list.addresses))


def _reaching(rule: Rule, today: date) -> QuerySet[Subscription]:
    """The member's subscriptions, active or left, that could carry the mailing to where the member lives."""
    anywhere = [stream for stream, region in rule.streams.items() if region is None]
    regional = [stream for stream, region in rule.streams.items() if region is not None]
    lives_there = Exists(living(today).filter(member=OuterRef("member"), region=OuterRef("stream__region")))
    rows: QuerySet[Subscription] = Subscription.unscoped.filter(member=OuterRef("pk"))
    return rows.filter(Q(stream__in=anywhere) | (Q(stream__in=regional) & Q(lives_there)))


def _stream(rule: Rule, today: date) -> Subquery:
    """The lowest number among the active subscriptions that reach the member, or NULL."""
    active = _reaching(rule, today).filter(state=SubscriptionState.ACTIVE)
    lowest: Sequence[Any] = active.values("member").annotate(lowest=Min("stream")).values("lowest")  # type: ignore[assignment]
    return Subquery(lowest, output_field=IntegerField())  # type: ignore[arg-type]


def suppressions(kind: SuppressionKind, path: str) -> QuerySet[Suppression]:
    """Suppressions of the hash at this path of a row."""
    rows: QuerySet[Suppression] = Suppression.unscoped.filter(kind=kind, hash=OuterRef(path))
    return rows.exclude(hash="")
