"""The consent ledger (append-only), its evidence, what it says now, and who must never be written to."""

from django.db import models

from mailer.core.audience import SubscriptionState
from mailer.core.consent import Article9, Channel, Kind, PecrBasis
from mailer.models.base import Table, one_of
from mailer.models.member import Member
from mailer.models.region import Stream, Wording


class ConsentEntry(Table):
    """One line of the ledger (`core.consent.Entry`). Guards refuse UPDATE and DELETE, on both databases."""

    subject = models.CharField(max_length=32, db_index=True)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=16)
    at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    channel = models.CharField(max_length=16)
    wording = models.ForeignKey(Wording, models.PROTECT, related_name="+", null=True)
    actor = models.CharField(max_length=64)
    article9 = models.CharField(max_length=16)
    pecr = models.CharField(max_length=16)
    commitment = models.CharField(max_length=64, default="")
    #: The mailing that was left through, if one is known. No foreign key: the ledger outlives what it speaks of.
    mailing_number = models.BigIntegerField(null=True)
    token_hash = models.CharField(max_length=64, default="")

    class Meta(Table.Meta):
        constraints = (
            one_of("consent_kind", "kind", Kind),
            one_of("consent_channel", "channel", Channel),
            one_of("consent_article9", "article9", Article9),
            one_of("consent_pecr", "pecr", PecrBasis),
            models.CheckConstraint(
                condition=models.Q(kind="withdrawn") | (models.Q(wording__isnull=False) & ~models.Q(commitment="")),
                name="consent_shows_wording_and_evidence",
            ),
            models.CheckConstraint(condition=~models.Q(actor=""), name="consent_names_who_entered_it"),
        )


class ConsentEvidence(Table):
    """Salt and evidence of a line. Erasure may delete a row; nothing may change one."""

    entry = models.OneToOneField(ConsentEntry, models.PROTECT, related_name="+", primary_key=True)
    salt = models.BinaryField()
    evidence = models.TextField()


class Seal(Table):
    """A batch of the ledger or of the audit log, sealed into the chain. Append-only, as what it covers."""

    class Chain(models.TextChoices):
        """Which table a seal covers."""

        CONSENT = "consent"
        EVENT = "event"

    chain = models.CharField(max_length=16, choices=Chain.choices)
    first_row = models.BigIntegerField()
    last_row = models.BigIntegerField()
    head = models.CharField(max_length=64)
    sealed_at = models.DateTimeField()

    class Meta(Table.Meta):
        constraints = (
            one_of("seal_chain", "chain", ("consent", "event")),
            models.UniqueConstraint(fields=("chain", "first_row"), name="seal_starts_once"),
            models.CheckConstraint(
                condition=models.Q(last_row__gte=models.F("first_row")), name="seal_covers_something"
            ),
        )


class Subscription(Table):
    """What the ledger says now for one member and one stream; `models.ledger.rebuild` can make it anew."""

    member = models.ForeignKey(Member, models.CASCADE, related_name="+", db_index=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+")
    state = models.CharField(max_length=8)
    entry = models.ForeignKey(ConsentEntry, models.PROTECT, related_name="+")
    since = models.DateTimeField()

    class Meta(Table.Meta):
        constraints = (
            one_of("subscription_state", "state", SubscriptionState),
            models.UniqueConstraint(fields=("member", "stream"), name="subscription_once"),
        )


class SuppressionKind(models.TextChoices):
    """`mailbox`: nobody there wants mail. `person`: this one, by address and folded name, whoever shares the box."""

    MAILBOX = "mailbox"
    PERSON = "person"


class SuppressionReason(models.TextChoices):
    """Why."""

    COMPLAINT = "complaint"
    ALL_OF_US = "all_of_us"
    LEFT_ALL = "left_all"
    ERASED = "erased"


class Suppression(Table):
    """Must-not-write, as a keyed hash, so that it outlives erasure, import and restore (standards P13, P14)."""

    kind = models.CharField(max_length=8, choices=SuppressionKind.choices)
    hash = models.CharField(max_length=64)
    reason = models.CharField(max_length=16, choices=SuppressionReason.choices)
    at = models.DateTimeField()

    class Meta(Table.Meta):
        constraints = (
            one_of("suppression_kind", "kind", SuppressionKind.values),
            one_of("suppression_reason", "reason", SuppressionReason.values),
            models.UniqueConstraint(fields=("kind", "hash"), name="suppression_once"),
        )
