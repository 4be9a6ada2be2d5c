"""The people the organisation knows, their mailboxes, and the regions they belong to by date."""

from datetime import date

from django.db import models
from django.db.models import F, Q, QuerySet

from mailer.core.audience import Standing
from mailer.models.base import Table, one_of
from mailer.models.region import Region


class Deliverability(models.TextChoices):
    """What we know of a mailbox. `undeliverable` is a fact about an address, never a person's choice (B13)."""

    UNKNOWN = "unknown"
    UNDELIVERABLE = "undeliverable"


class Mailbox(Table):
    """An e-mail address. Several members may share one.

    `address` is what RCPT gets, octet for octet; `normal` its normal form (unique), `hash` the keyed hash by which
    suppression knows it after erasure, `domain` the A-label domain.
    """

    address = models.CharField(max_length=254)
    normal = models.CharField(max_length=254, unique=True)
    domain = models.CharField(max_length=253)
    hash = models.CharField(max_length=64, unique=True)
    deliverability = models.CharField(max_length=16, choices=Deliverability.choices, default=Deliverability.UNKNOWN)
    undeliverable_since = models.DateTimeField(null=True)
    undeliverable_reason = models.CharField(max_length=500, default="")
    soft_count = models.PositiveSmallIntegerField(default=0)
    soft_first_on = models.DateField(null=True)
    soft_last_on = models.DateField(null=True)
    disabled_count = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta(Table.Meta):
        constraints = (
            one_of("mailbox_deliverability", "deliverability", Deliverability.values),
            models.CheckConstraint(
                condition=Q(deliverability="unknown") | Q(undeliverable_since__isnull=False),
                name="mailbox_undeliverable_since_when",
            ),
            models.CheckConstraint(condition=Q(address__contains="@"), name="mailbox_has_an_at"),
        )


class Member(Table):
    """A person. `handle` is random and the only name a page may use; `subject` is their name in the ledger."""

    handle = models.BigIntegerField(unique=True)
    subject = models.CharField(max_length=32, unique=True)
    number = models.CharField(max_length=32, null=True, unique=True)
    name = models.CharField(max_length=200)
    folded_name = models.CharField(max_length=200)
    person_hash = models.CharField(max_length=64, default="", db_index=True)
    standing = models.CharField(max_length=16)
    mailbox = models.ForeignKey(Mailbox, models.PROTECT, related_name="+", null=True)
    telephone = models.CharField(max_length=40, default="")
    postal_address = models.TextField(default="")
    language = models.CharField(max_length=16, default="en-GB")
    custom = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    class Meta(Table.Meta):
        constraints = (
            one_of("member_standing", "standing", Standing),
            models.CheckConstraint(condition=~Q(name=""), name="member_has_a_name"),
            models.CheckConstraint(condition=Q(number=None) | ~Q(number=""), name="member_number_not_empty"),
            models.UniqueConstraint(
                fields=("mailbox", "folded_name"),
                condition=Q(number=None, mailbox__isnull=False),
                name="member_without_number_once_per_mailbox",
            ),
        )


class MemberRegion(Table):
    """A member belongs to a region from `starts` (included) to `ends` (excluded), dates of the organisation's zone."""

    # The indexes below begin with them.
    member = models.ForeignKey(Member, models.CASCADE, related_name="+", db_index=False)
    region = models.ForeignKey(Region, models.PROTECT, related_name="+", db_index=False)
    starts = models.DateField()
    ends = models.DateField(null=True)

    class Meta(Table.Meta):
        constraints = (
            # Equal dates are a membership that never held: it was entered and taken back on the same day.
            models.CheckConstraint(condition=Q(ends=None) | Q(ends__gte=F("starts")), name="member_region_half_open"),
            models.UniqueConstraint(
                fields=("member", "region"), condition=Q(ends=None), name="member_region_open_once"
            ),
        )
        indexes = (
            models.Index(fields=("region", "member"), name="member_region_by_region"),
            # All that is asked of everyone whom a mailing may be for: the row itself is not looked at.
            models.Index(fields=("member", "region", "starts", "ends"), name="member_region_by_member"),
        )


def living(today: date) -> QuerySet[MemberRegion]:
    """The memberships of regions that hold on this day: what scope, audience and facts all mean by "lives there"."""
    rows: QuerySet[MemberRegion] = MemberRegion.unscoped.filter(starts__lte=today)
    return rows.filter(Q(ends=None) | Q(ends__gt=today))
