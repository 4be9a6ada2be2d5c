"""One sending: its time, its audience, its compiled letter."""

from django.db import models
from django.db.models import F, Q

from mailer.core.mailing import MAILING, MailingState
from mailer.models.base import Table, one_of
from mailer.models.issue import Issue, Revision
from mailer.models.region import Region
from mailer.models.user import User


class Mailing(Table):
    """One sending of one revision to one audience.

    `scope` is the author's at scheduling (region numbers, None for the whole organisation); what is sent is its
    intersection with today's. `rule` is the audience rule, stored so that what was scheduled is what is sent.
    `wall_time` and `zone` are what the author said, `due_at` what it means in UTC; `starts_at` is the later of that
    and the end of the cool-off.
    """

    issue = models.ForeignKey(Issue, models.PROTECT, related_name="+")
    revision = models.ForeignKey(Revision, models.PROTECT, related_name="+")
    region = models.ForeignKey(Region, models.PROTECT, related_name="+", null=True)
    author = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    scope = models.JSONField(null=True)
    rule = models.JSONField()
    state = models.CharField(max_length=16, default=MailingState.SCHEDULED)
    state_reason = models.CharField(max_length=500, default="")
    wall_time = models.CharField(max_length=32)
    zone = models.CharField(max_length=64)
    due_at = models.DateTimeField()
    starts_at = models.DateTimeField()
    not_after = models.DateTimeField()
    scheduled_at = models.DateTimeField()
    #: Deliveries exist for every candidate whose id is at most this; None until preparing began.
    prepared_to = models.BigIntegerField(null=True)
    prepared_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    #: Everyone carried was last checked as a whole on this day, when `changes` stood at this number.
    checked_at_change = models.BigIntegerField(null=True)
    checked_on = models.DateField(null=True)
    #: Nothing of it goes before this, and it is no backlog: a relay rests, a limit is used up, the hours are quiet.
    wait_until = models.DateTimeField(null=True)

    class Meta(Table.Meta):
        constraints = (
            one_of("mailing_state", "state", MAILING.states),
            models.CheckConstraint(condition=Q(starts_at__gte=F("due_at")), name="mailing_starts_when_due"),
            models.CheckConstraint(condition=Q(not_after__gt=F("due_at")), name="mailing_not_after_due"),
            # An issue goes to an audience once. A sending that was cancelled or missed does not count, unless it had
            # begun: then some have the letter already.
            models.UniqueConstraint(
                fields=("issue",),
                condition=~Q(state__in=(MailingState.CANCELLED, MailingState.MISSED)) | Q(started_at__isnull=False),
                name="mailing_of_an_issue_once",
            ),
        )
        indexes = (models.Index(fields=("state", "starts_at"), name="mailing_by_state_and_start"),)


class Letter(Table):
    """The compiled letter of a mailing: made once, the same bytes for every worker."""

    mailing = models.OneToOneField(Mailing, models.CASCADE, related_name="+", primary_key=True)
    pieces = models.TextField()
    digest = models.CharField(max_length=64)
    compiled_at = models.DateTimeField()
