"""The list files as the database holds them: what was promised before, and bringing rows up to new files."""

from collections.abc import Iterable
from datetime import date, datetime

from django.db.models import Count, Q

from mailer.core.adoption import Adopted, AdoptedList, AdoptedRegion
from mailer.core.audience import SubscriptionState
from mailer.core.listfile import ListFile
from mailer.core.listfile import Stream as StreamValue
from mailer.core.region import Regions
from mailer.models.base import first_row
from mailer.models.consent import Subscription
from mailer.models.member import MemberRegion
from mailer.models.region import MailingList, Region, Stream, Wording
from mailer.models.site import Site


def adopted(today: date) -> Adopted:
    """What the database knows of all lists and regions there ever were."""
    return Adopted(tuple(map(_list, MailingList.unscoped.order_by("number"))), tuple(_regions(today)))


def digest() -> str:
    """The digest of the list files that were adopted last; empty before the first."""
    # In plain SQL, since a worker asks before every claim.
    found = first_row("SELECT lists_digest FROM mailer_site")
    return found[0] if found else ""


def bring_up_to(
    lists: Iterable[ListFile], streams: Iterable[StreamValue], regions: Regions, *, digest: str, now: datetime
) -> None:
    """Write rows for these files; call it inside `writing()`, after the files were compared with `adopted`."""
    _bring_regions(regions)
    for listfile in lists:
        words = listfile.wording
        MailingList.unscoped.get_or_create(
            number=listfile.id, defaults={"slug": listfile.slug, "label": listfile.label}
        )
        Wording.unscoped.get_or_create(
            mailing_list_id=listfile.id,
            version=words.version,
            defaults={
                "text": words.text,
                "controller": words.controller,
                "article9": words.condition,
                "pecr": words.basis,
                "adopted_at": now,
            },
        )
    for stream in streams:
        Stream.unscoped.update_or_create(
            number=stream.number,
            defaults={"mailing_list_id": stream.list_id, "region_id": stream.region, "title": stream.title},
        )
    Site.unscoped.update(lists_digest=digest)


def _list(row: MailingList) -> AdoptedList:
    wordings = Wording.unscoped.filter(mailing_list=row).values_list("version", "text")
    active = Subscription.unscoped.filter(stream__mailing_list=row, state=SubscriptionState.ACTIVE)
    counts = active.values("stream").annotate(count=Count("pk")).values_list("stream", "count")
    return AdoptedList(row.slug, row.number, row.label, dict(wordings), dict(counts))


def _regions(today: date) -> Iterable[AdoptedRegion]:
    open_rows = MemberRegion.unscoped.filter(Q(ends=None) | Q(ends__gt=today))
    counts = dict(open_rows.values("region").annotate(count=Count("member")).values_list("region", "count"))
    for row in Region.unscoped.order_by("number"):
        yield AdoptedRegion(row.slug, row.number, counts.get(row.number, 0))


def _bring_regions(regions: Regions) -> None:
    Region.unscoped.exclude(number__in=[r.number for r in regions.all]).update(retired=True)
    # Parents second: a region may stand in the file before the one it lies in.
    for region in regions.all:
        Region.unscoped.update_or_create(
            number=region.number,
            defaults={"slug": region.slug, "name": region.name, "parent": None, "retired": False},
        )
    for region in regions.all:
        Region.unscoped.filter(number=region.number).update(parent=region.parent)
