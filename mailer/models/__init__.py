"""TABLES: fields, constraints, querysets, conditional claims; set-wise SQL lives here. Knows only `core`."""

from mailer.models.alarm import Alarm
from mailer.models.bounce import Bounce, BounceSource, Event
from mailer.models.changes import Change
from mailer.models.consent import (
    ConsentEntry,
    ConsentEvidence,
    Seal,
    Subscription,
    Suppression,
    SuppressionKind,
    SuppressionReason,
)
from mailer.models.copy import Copy, Delivery, Notice, Outgoing, Undo
from mailer.models.departing import CarriedOut, ReadTo, Stranded
from mailer.models.destination import Destination
from mailer.models.halt import Halt
from mailer.models.issue import Issue, Revision
from mailer.models.mailing import Letter, Mailing
from mailer.models.matter import DomainRun, Matter
from mailer.models.member import Deliverability, Mailbox, Member, MemberRegion
from mailer.models.quota import Quota
from mailer.models.region import MailingList, Region, Stream, Wording
from mailer.models.relay_state import RelayState
from mailer.models.report_source import ReportSource
from mailer.models.site import Counter, Site
from mailer.models.user import Office, OfficeRegion, User
from mailer.models.worker_row import WorkerRow

__all__ = (
    "Alarm",
    "Bounce",
    "BounceSource",
    "CarriedOut",
    "Change",
    "ConsentEntry",
    "ConsentEvidence",
    "Copy",
    "Counter",
    "Deliverability",
    "Delivery",
    "Destination",
    "DomainRun",
    "Event",
    "Halt",
    "Issue",
    "Letter",
    "Mailbox",
    "Mailing",
    "MailingList",
    "Matter",
    "Member",
    "MemberRegion",
    "Notice",
    "Office",
    "OfficeRegion",
    "Outgoing",
    "Quota",
    "ReadTo",
    "Region",
    "RelayState",
    "ReportSource",
    "Revision",
    "Seal",
    "Site",
    "Stranded",
    "Stream",
    "Subscription",
    "Suppression",
    "SuppressionKind",
    "SuppressionReason",
    "Undo",
    "User",
    "Wording",
    "WorkerRow",
)
