"""The facts of one member, as `core.audience` reasons about them; and how many fall where."""

from datetime import date

from mailer.core.audience import AllowList, Facts, Rule, Standing, SubscriptionState
from mailer.core.delivery import GOT, Outcome
from mailer.models.audience import decided
from mailer.models.consent import Subscription, Suppression, SuppressionKind
from mailer.models.copy import Delivery
from mailer.models.member import Deliverability, Member, living


def facts(member: Member, today: date) -> Facts:
    """Everything the rule asks about this member."""
    lives = living(today).filter(member=member)
    subscriptions = Subscription.unscoped.filter(member=member).values_list("stream", "state")
    got = Delivery.unscoped.filter(member=member, outcome=Outcome.CARRIED, copy__state__in=GOT)
    box = member.mailbox
    return Facts(
        standing=Standing(member.standing),
        regions=frozenset(lives.values_list("region", flat=True)),
        subscriptions={stream: SubscriptionState(state) for stream, state in subscriptions},
        suppressed=_suppressed(SuppressionKind.PERSON, member.person_hash),
        mailbox=box.normal if box else None,
        mailbox_suppressed=_suppressed(SuppressionKind.MAILBOX, box.hash if box else ""),
        undeliverable=box is not None and box.deliverability == Deliverability.UNDELIVERABLE,
        got=frozenset(got.values_list("mailing", flat=True)),
    )


def count(rule: Rule, today: date, allow_list: AllowList | None) -> dict[str, dict[str, int]]:
    """Candidates by outcome, and within an outcome by reason."""
    found: dict[str, dict[str, int]] = {}
    for outcome, reason, number in decided(rule, today, allow_list).count():
        found.setdefault(outcome, {})[reason] = number
    return found


def _suppressed(kind: SuppressionKind, hash_: str) -> bool:
    return bool(hash_) and bool(Suppression.unscoped.filter(kind=kind, hash=hash_).exists())
