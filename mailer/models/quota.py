"""How much of each limit is used: one row a relay and a limited destination, shared by all workers (T25).

Contract, for whoever claims: inside the transaction of the claim `take`, and after that, there or in one of its own,
`take_domains`; at its end, in the transaction that writes the answers down and last in it, `give_back` what was not
handed over. Where there is no limit nothing is read or written. Rows are locked in one order, those of relays first, so
nobody waits in a circle.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, models
from django.db.models import QuerySet

from mailer.core.limits import Limits, Used
from mailer.models.base import Table


class Quota(Table):
    """`used` is what `core.limits.Used` makes of itself: counts by window and slot, of the last day at most."""

    scope = models.CharField(max_length=270, primary_key=True)
    used = models.JSONField(default=dict)


@dataclass(frozen=True, slots=True)
class Grant:
    """So many letters may go now; for the others there is room at `again_at` (None: all that was wanted may go)."""

    letters: int
    again_at: datetime | None = None
    #: Where and when it was counted; "" is nowhere, as there is no limit.
    scope: str = ""
    taken_at: datetime | None = None


def relay_scope(name: str) -> str:
    """What the letters through a relay are counted under."""
    return f"relay:{name}"


def domain_scope(domain: str) -> str:
    """What the letters to a destination are counted under, whatever relay they go through."""
    return f"domain:{domain}"


def take(relay: str, wanted: int, now: datetime, limits: Limits, *, priority: bool = False) -> Grant:
    """Take letters through a relay; call it inside `writing()`."""
    scope = relay_scope(relay)
    return _take({scope: wanted}, {scope: limits}, now, priority=priority)[scope]


def take_domains(
    wanted: Mapping[str, int], now: datetime, limits_of: Mapping[str, Limits], *, priority: bool = False
) -> dict[str, Grant]:
    """Take letters to each of these domains; one without limits gets what it wants. Call it inside `writing()`."""
    counts = {domain_scope(domain): count for domain, count in wanted.items()}
    limits = {domain_scope(domain): limits for domain, limits in limits_of.items()}
    grants = _take(counts, limits, now, priority=priority)
    return {domain: grants[domain_scope(domain)] for domain in wanted}


def give_back(returned: Iterable[tuple[Grant, int]]) -> None:
    """Give back so many letters of each grant; call it inside `writing()`."""
    counted = [(grant, letters) for grant, letters in returned if grant.scope and letters > 0]
    if not counted:
        return
    used = _locked({grant.scope for grant, _ in counted})
    for grant, letters in counted:
        if grant.taken_at is not None:
            used[grant.scope] = used[grant.scope].given_back(letters, grant.taken_at)
    _keep(used)


def used_by(scopes: Iterable[str]) -> dict[str, Used]:
    """What has been used of each scope."""
    asked = set(scopes)
    return {scope: Used() for scope in asked} | _read(Quota.unscoped.filter(scope__in=asked))


def _take(
    wanted: Mapping[str, int], limits: Mapping[str, Limits], now: datetime, *, priority: bool
) -> dict[str, Grant]:
    grants = {scope: Grant(count) for scope, count in wanted.items()}
    counted = {scope for scope, count in wanted.items() if count > 0 and scope in limits and limits[scope].counted}
    if not counted:
        return grants
    used, changed = _locked(counted), {}
    for scope in counted:
        room = used[scope].room(limits[scope], now, priority=priority)
        letters = wanted[scope] if room is None else min(room, wanted[scope])
        after = used[scope].taken(limits[scope], letters, now) if letters else used[scope]
        more = after.again_at(limits[scope], now, priority=priority) if letters < wanted[scope] else None
        grants[scope] = Grant(letters, more, scope, now)
        if letters:
            changed[scope] = after
    _keep(changed)
    return grants


def _locked(scopes: set[str]) -> dict[str, Used]:
    """What was used of each scope, its row made if need be and held until the transaction ends."""
    rows: QuerySet[Quota] = Quota.unscoped.filter(scope__in=scopes).order_by("-scope")
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    found = _read(rows)
    missing = sorted(scopes - found.keys(), reverse=True)
    if missing:
        Quota.unscoped.bulk_create([Quota(scope=scope) for scope in missing], ignore_conflicts=True)
        found = _read(rows.all())
    return found


def _read(rows: QuerySet[Quota]) -> dict[str, Used]:
    return {scope: Used.from_json(stored) for scope, stored in rows.values_list("scope", "used")}


def _keep(used: Mapping[str, Used]) -> None:
    Quota.unscoped.bulk_create(
        [Quota(scope=scope, used=each.to_json()) for scope, each in used.items()],
        update_conflicts=True,
        unique_fields=["scope"],
        update_fields=["used"],
    )
