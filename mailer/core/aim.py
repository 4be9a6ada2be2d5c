"""Whom a letter of a list, or of one region of it, is for, if it is written within a scope."""

from mailer.core.audience import Rule
from mailer.core.listfile import ListFile, stream_number
from mailer.core.region import Regions, Scope


def aim(listfile: ListFile, regions: Regions, region: str | None, scope: Scope) -> Rule:
    """The audience rule.

    A notice for a region is for those who live in it, or in a region within it, and consented to the notices of the
    region they live in: a letter to the East of England reaches whoever agreed to Norfolk's notices, not the reverse.
    """
    if region is None:
        return Rule({stream_number(listfile.id): None}, scope.regions, listfile.standings)
    within = regions.subtree(region)
    streams = {stream_number(listfile.id, number): number for number in sorted(within)}
    return Rule(streams, within, listfile.standings).narrowed(scope.regions)
