"""Regions and streams: the list files as rows, so that foreign keys hold and numbers stay."""

from django.db import models
from django.db.models import F, Q

from mailer.models.base import Table


class Region(Table):
    """Where members belong. `number` is permanent and comes from lists/regions.toml; regions nest."""

    number = models.PositiveIntegerField(primary_key=True)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    parent = models.ForeignKey("self", models.PROTECT, related_name="+", null=True)
    #: No longer in the file; the row stays for what points at it.
    retired = models.BooleanField(default=False)

    class Meta(Table.Meta):
        constraints = (
            models.CheckConstraint(condition=Q(parent=None) | ~Q(parent=F("number")), name="region_not_own_parent"),
        )


class MailingList(Table):
    """A list that was ever adopted: its permanent number, and the label that mail programs know it by (L11)."""

    number = models.PositiveIntegerField(primary_key=True)
    slug = models.SlugField(unique=True)
    label = models.SlugField(unique=True)


class Stream(Table):
    """A list, or one region of a regional list. `number` is permanent and never reused."""

    number = models.PositiveIntegerField(primary_key=True)
    mailing_list = models.ForeignKey(MailingList, models.PROTECT, related_name="+")
    region = models.ForeignKey(Region, models.PROTECT, related_name="+", null=True)
    title = models.CharField(max_length=200)

    class Meta(Table.Meta):
        constraints = (
            models.UniqueConstraint(fields=("mailing_list", "region"), name="stream_list_region_once"),
            models.UniqueConstraint(fields=("mailing_list",), condition=Q(region=None), name="stream_whole_list_once"),
        )


class Wording(Table):
    """The exact words that a consent was given to. Never changed: other words are another version."""

    mailing_list = models.ForeignKey(MailingList, models.PROTECT, related_name="+")
    version = models.PositiveIntegerField()
    text = models.TextField()
    controller = models.CharField(max_length=200)
    article9 = models.CharField(max_length=16)
    pecr = models.CharField(max_length=16)
    adopted_at = models.DateTimeField()

    class Meta(Table.Meta):
        constraints = (models.UniqueConstraint(fields=("mailing_list", "version"), name="wording_version_once"),)
