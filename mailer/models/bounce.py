"""What came back, and the audit log."""

from django.db import models
from django.db.models import Q

from mailer.models.base import Table, one_of
from mailer.models.copy import Copy
from mailer.models.mailing import Mailing


class BounceSource(models.TextChoices):
    """Where it was seen."""

    SMTP = "smtp"
    MAILDIR = "maildir"
    IMAP = "imap"
    FILE = "file"
    PIPE = "pipe"
    WEBHOOK = "webhook"


class Bounce(Table):
    """A refusal at SMTP time, or a report or a letter that came back. Each acts once (B11); raw text at most 90 days.

    `kind` is what a report says, `klass` whose fault that is (standards 3.2), `behind` what stands behind the address.
    `mailing` is the copy's own: a mailing counts what came back again and again while it is being sent.
    """

    copy = models.ForeignKey(Copy, models.PROTECT, related_name="+", null=True)
    mailing = models.ForeignKey(Mailing, models.PROTECT, related_name="+", null=True, db_index=False)
    source = models.CharField(max_length=8, choices=BounceSource.choices)
    kind = models.CharField(max_length=32)
    klass = models.CharField(max_length=32, default="")
    behind = models.CharField(max_length=16, default="")
    reason = models.CharField(max_length=64, default="")
    reply_code = models.PositiveSmallIntegerField(null=True)
    status = models.CharField(max_length=16, default="")
    diagnostic = models.CharField(max_length=500, default="")
    matched_by = models.CharField(max_length=16, default="")
    findings = models.JSONField(default=list)
    verdict = models.CharField(max_length=32, default="")
    report_id = models.CharField(max_length=500, null=True)
    digest = models.CharField(max_length=64, null=True, unique=True)
    raw = models.BinaryField(null=True)
    received_at = models.DateTimeField()

    class Meta(Table.Meta):
        constraints = (
            one_of("bounce_source", "source", BounceSource.values),
            models.UniqueConstraint(
                fields=("copy", "report_id"),
                condition=Q(copy__isnull=False, report_id__isnull=False),
                name="bounce_report_acts_once",
            ),
        )
        indexes = (
            models.Index(fields=("mailing", "klass"), name="bounce_by_mailing"),
            models.Index(fields=("received_at",), name="bounce_by_time"),
        )


class Event(Table):
    """A line of the audit log: who did what to what, when, and why. Append-only; no bodies, no addresses (P22)."""

    at = models.DateTimeField()
    actor = models.CharField(max_length=64)
    verb = models.CharField(max_length=48)
    subject_type = models.CharField(max_length=24, default="")
    subject_id = models.CharField(max_length=64, default="")
    region = models.PositiveIntegerField(null=True)
    details = models.JSONField(default=dict)

    class Meta(Table.Meta):
        constraints = (
            models.CheckConstraint(condition=~Q(actor=""), name="event_names_its_actor"),
            models.CheckConstraint(condition=~Q(verb=""), name="event_names_its_act"),
        )
        indexes = (models.Index(fields=("subject_type", "subject_id"), name="event_by_subject"),)
