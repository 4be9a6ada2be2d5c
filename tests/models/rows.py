"""Rows made by hand, for tests of questions to the tables: no letter was compiled for them, and nothing is sent."""

import itertools
from datetime import timedelta

from mailer.core.audience import Rule
from mailer.core.mailing import MailingState
from mailer.house import House
from mailer.models import Copy, Issue, Mailing, Region, Revision
from mailer.models.copy import VOID
from tests.world import NOW, list_id, region_number, stream

_handles = itertools.count(1)


def mailing_row(
    house: House,
    state: MailingState = MailingState.SENT,
    *,
    slug: str = "chairs-newsletter",
    region: str | None = None,
    **values: object,
) -> Mailing:
    """A mailing of an issue of its own, begun an hour ago."""
    place = Region.unscoped.get(pk=region_number(region)) if region else None
    issue = Issue.unscoped.create(mailing_list_id=list_id(house, slug), region=place, created_at=NOW)
    revision = Revision.unscoped.create(
        issue=issue, number=1, subject="News", preheader="", blocks=[], digest="", saved_by="test", saved_at=NOW
    )
    begun = NOW - timedelta(hours=1)
    mailing: Mailing = Mailing.unscoped.create(
        **{
            "issue": issue,
            "revision": revision,
            "region": place,
            "rule": Rule({stream(house, slug, region): None}, None).to_json(),
            "state": state,
            "zone": "Europe/London",
            "due_at": begun,
            "starts_at": begun,
            "started_at": begun,
            "not_after": NOW + timedelta(days=2),
            "scheduled_at": begun - timedelta(hours=1),
            **values,
        }
    )
    return mailing


def copy_row(mailing: Mailing, state: str, **values: object) -> Copy:
    """A copy of it, to nobody in particular."""
    handle = next(_handles)
    if state == "claimed":
        values = {"claim": handle, "claimed_by": "w", **values}
    born = {"mailing": mailing, "handle": handle, "position": handle, "language": "en", "state": state}
    copy: Copy = Copy.unscoped.create(**{**born, "void": void_of(state, handle), **values})
    return copy


def void_of(state: str, handle: int) -> int:
    """What a copy in this state holds instead of the place at its mailbox."""
    return handle if state in VOID else 0
