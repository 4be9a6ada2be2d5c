"""Issues and their revisions."""

from django.db import models

from mailer.core.issue import ISSUE, IssueState
from mailer.models.base import Table, one_of
from mailer.models.region import MailingList, Region
from mailer.models.user import User


class Issue(Table):
    """One piece of writing for one list, or for one region of a regional list."""

    mailing_list = models.ForeignKey(MailingList, models.PROTECT, related_name="+")
    region = models.ForeignKey(Region, models.PROTECT, related_name="+", null=True)
    state = models.CharField(max_length=16, default=IssueState.DRAFT)
    author = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    #: The issue that this one corrects: it goes to those who got that, and to nobody else.
    corrects = models.ForeignKey("self", models.PROTECT, related_name="+", null=True)
    created_at = models.DateTimeField()

    class Meta(Table.Meta):
        constraints = (one_of("issue_state", "state", ISSUE.states),)


class Revision(Table):
    """One save of an issue. Never changed: another save is another revision."""

    issue = models.ForeignKey(Issue, models.PROTECT, related_name="+")
    number = models.PositiveIntegerField()
    subject = models.CharField(max_length=500)
    preheader = models.CharField(max_length=500)
    blocks = models.JSONField()
    digest = models.CharField(max_length=64)
    saved_by = models.CharField(max_length=64)
    saved_at = models.DateTimeField()

    class Meta(Table.Meta):
        constraints = (models.UniqueConstraint(fields=("issue", "number"), name="revision_number_once"),)
