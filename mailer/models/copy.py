"""What goes over the wire, who rides on it, and the one-off letters beside it."""

from functools import reduce
from operator import and_

from django.db import models
from django.db.models import F, Q

from mailer.core.audience import Reason
from mailer.core.delivery import COPY, CopyState, Outcome
from mailer.models.base import Table, looked_up, one_of, one_of_in_turn
from mailer.models.mailing import Mailing
from mailer.models.member import Mailbox, Member
from mailer.models.region import Stream

#: The states that every letter passes, in their order.
_USUAL = (CopyState.QUEUED, CopyState.CLAIMED, CopyState.ACCEPTED)
#: Where a copy stays that was neither just queued nor taken, nor accepted: few of a mailing. In the words of the index
#: `copy_set_aside`: SQLite takes it for no others, and for no parameters.
IS_SET_ASIDE = " AND ".join(f"NOT (state = '{state}')" for state in _USUAL)
#: A copy in one of these no longer stands in the way of another to the same mailbox.
VOID = (CopyState.WITHDRAWN, CopyState.CANCELLED)


class Outgoing(Table):
    """What every thing that is handed over carries: its handle, its state, its claim and the last answer."""

    handle = models.BigIntegerField(unique=True)
    state = models.CharField(max_length=16, default=CopyState.QUEUED)
    claimed_by = models.CharField(max_length=64, default="")
    claim = models.BigIntegerField(null=True)
    claimed_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    first_attempt_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    reply_code = models.PositiveSmallIntegerField(null=True)
    reply_status = models.CharField(max_length=16, default="")
    reply_text = models.CharField(max_length=500, default="")

    class Meta:
        abstract = True
        default_manager_name = "unscoped"
        base_manager_name = "unscoped"


class Copy(Outgoing):
    """One mailing, one mailbox, one choice of segments, one language.

    The row outlives the mailbox's erasure, because the links in the letter must go on working.
    """

    mailing = models.ForeignKey(Mailing, models.PROTECT, related_name="+", db_index=False)
    mailbox = models.ForeignKey(Mailbox, models.SET_NULL, related_name="+", null=True)
    language = models.CharField(max_length=16)
    segments = models.CharField(max_length=200, default="")
    #: The order of handing over: interleaved, so that regions and domains are served fairly.
    position = models.BigIntegerField()
    #: 0 while it counts, and its handle when it is withdrawn or cancelled: beside the state, so that a claim and a mark
    #: do not touch the index that holds the mailbox to one copy.
    void = models.BigIntegerField(default=0)

    class Meta(Outgoing.Meta):
        constraints = (
            one_of_in_turn("copy_state", "state", dict.fromkeys((*_USUAL, *COPY.states))),
            models.UniqueConstraint(fields=("mailing", "mailbox", "language", "void"), name="copy_once_per_mailbox"),
            models.CheckConstraint(
                condition=(Q(void=0) & ~Q(state__in=VOID)) | (Q(void=F("handle")) & Q(state__in=VOID)), name="copy_void"
            ),
            models.CheckConstraint(
                condition=~Q(state=CopyState.CLAIMED) | (Q(claim__isnull=False) & ~Q(claimed_by="")),
                name="copy_claim_names_its_worker",
            ),
        )
        indexes = (
            models.Index(fields=("mailing", "position"), condition=Q(state=CopyState.QUEUED), name="copy_queue"),
            models.Index(fields=("next_attempt_at",), condition=Q(next_attempt_at__isnull=False), name="copy_retries"),
            # Without it, whoever looks at one claim reads every copy and every delivery there ever was.
            models.Index(fields=("claim",), condition=Q(state=CopyState.CLAIMED), name="copy_by_claim"),
            # Not of the states that every letter passes: each index that a claim and a mark touch costs as much again.
            models.Index(
                fields=("mailing", "state"),
                condition=reduce(and_, (~Q(state=state) for state in _USUAL)),
                name="copy_set_aside",
            ),
        )


class Delivery(Table):
    """One member of one mailing, with an outcome or, while `carried`, the copy whose state is the outcome."""

    mailing = models.ForeignKey(Mailing, models.PROTECT, related_name="+", db_index=False)
    member = models.ForeignKey(Member, models.SET_NULL, related_name="+", null=True)
    copy = models.ForeignKey(Copy, models.PROTECT, related_name="+", null=True, db_index=False)
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+", null=True, db_index=False)
    outcome = models.CharField(max_length=16)
    reason = models.CharField(max_length=32, default="")

    class Meta(Table.Meta):
        constraints = (
            one_of_in_turn("delivery_outcome", "outcome", Outcome),
            one_of_in_turn("delivery_reason", "reason", ("", *Reason, "region")),
            models.UniqueConstraint(fields=("mailing", "member"), name="delivery_once"),
            models.CheckConstraint(
                condition=~Q(outcome=Outcome.EXCLUDED) | ~Q(reason=""), name="delivery_excluded_says_why"
            ),
            models.CheckConstraint(
                condition=~Q(outcome=Outcome.WITHDRAWN) | ~Q(reason=""), name="delivery_withdrawn_says_why"
            ),
        )
        indexes = (models.Index(fields=("copy",), name="delivery_by_copy"),)


#: Joins deliveries `d` with the copies `c` that they ride on.
THEIR_COPIES = looked_up("mailer_copy", "c", "c.id = d.copy_id")
#: Copies in these states prove that a letter once arrived, so that the member's next one is not a first letter.
ARRIVED = (CopyState.ACCEPTED, CopyState.COMPLAINED)


class Notice(Outgoing):
    """A one-off, machine-made letter, handed over before any mailing: a household's farewell, an answer passed on.

    `bounce` is the answer as it came: it is passed on once, to the `mailbox` that answers for the list, and whoever
    replies to that reaches its author, `reply_to`.
    """

    class Kind(models.TextChoices):
        """What it is."""

        FAREWELL = "farewell"
        ANSWER = "answer"

    kind = models.CharField(max_length=16, choices=Kind.choices)
    mailbox = models.ForeignKey(Mailbox, models.CASCADE, related_name="+")
    subject = models.CharField(max_length=500)
    text = models.TextField()
    html = models.TextField()
    reply_to = models.CharField(max_length=254, default="")
    bounce = models.OneToOneField("mailer.Bounce", models.PROTECT, related_name="+", null=True)
    created_at = models.DateTimeField()

    class Meta(Outgoing.Meta):
        constraints = (
            one_of("notice_state", "state", COPY.states),
            models.CheckConstraint(
                condition=Q(kind="farewell", bounce=None) | Q(kind="answer", bounce__isnull=False), name="notice_kind"
            ),
        )
        indexes = (models.Index(fields=("id",), condition=Q(state=CopyState.QUEUED), name="notice_queue"),)


class Undo(Table):
    """An offer to undo a departure: for one member, once, until it ends (standards U12)."""

    handle = models.BigIntegerField(unique=True)
    member = models.ForeignKey(Member, models.CASCADE, related_name="+")
    streams = models.JSONField()
    lifts_suppression = models.BooleanField(default=False)
    ends_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
