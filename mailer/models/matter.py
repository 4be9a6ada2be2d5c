"""The desk: what about an address waits for a person, how it was closed, and domains that take no letter of ours."""

from django.db import models
from django.db.models import Q

from mailer.core.matter import Judgement, MatterKind
from mailer.models.base import Table, one_of
from mailer.models.bounce import Bounce
from mailer.models.copy import Copy, Notice
from mailer.models.mailing import Mailing
from mailer.models.member import Mailbox

#: Kinds that are about an address: one at a time is enough. Of letters each is answered.
ABOUT_THE_ADDRESS = (MatterKind.UNDELIVERABLE, MatterKind.SAYS_GONE, MatterKind.UNCLASSIFIED)


class Matter(Table):
    """Something that a person has to look at. It is forgotten with the mailbox that it is about."""

    kind = models.CharField(max_length=16)
    mailbox = models.ForeignKey(Mailbox, models.CASCADE, related_name="+", null=True)
    copy = models.ForeignKey(Copy, models.PROTECT, related_name="+", null=True)
    bounce = models.ForeignKey(Bounce, models.PROTECT, related_name="+", null=True)
    notice = models.OneToOneField(Notice, models.SET_NULL, related_name="+", null=True)
    said = models.CharField(max_length=500, default="")
    sender = models.CharField(max_length=254, default="")
    opened_at = models.DateTimeField()
    judgement = models.CharField(max_length=16, default="")
    note = models.CharField(max_length=500, default="")
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=64, default="")

    class Meta(Table.Meta):
        constraints = (
            one_of("matter_kind", "kind", MatterKind),
            one_of("matter_judgement", "judgement", ("", *Judgement)),
            models.CheckConstraint(
                condition=Q(closed_at=None, judgement="", closed_by="")
                | (Q(closed_at__isnull=False) & ~Q(judgement="") & ~Q(closed_by="")),
                name="matter_closed_says_how_and_by_whom",
            ),
            models.UniqueConstraint(
                fields=("mailbox", "kind"),
                condition=Q(closed_at=None, mailbox__isnull=False, kind__in=ABOUT_THE_ADDRESS),
                name="matter_of_an_address_once",
            ),
        )
        indexes = (models.Index(fields=("opened_at",), condition=Q(closed_at=None), name="matter_open"),)


class DomainRun(Table):
    """How often in a row a domain has refused a mailing's letters by policy, in our sessions or in reports."""

    mailing = models.ForeignKey(Mailing, models.CASCADE, related_name="+", db_index=False)
    domain = models.CharField(max_length=253)
    by_report = models.BooleanField()
    in_a_row = models.PositiveIntegerField()

    class Meta(Table.Meta):
        constraints = (
            models.UniqueConstraint(fields=("mailing", "by_report", "domain"), name="domain_run_once"),
            models.CheckConstraint(condition=Q(in_a_row__gt=0), name="domain_run_is_one"),
        )
