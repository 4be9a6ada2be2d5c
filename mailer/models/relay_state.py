"""Relays that are not well: resting, or waiting for a person; shared by all workers, and as true after a restart (T19).

Contract: a relay that is well has no row. `fault` after a session that did not come about, `well` after one that did.
"""

from datetime import datetime

from django.db import models

from mailer.core.throttle import Backoff
from mailer.models.base import Table, first_row


class RelayState(Table):
    """What is wrong with a relay `since` when, after so many tries (`times`) in a row.

    It rests `until`; None is to wait for a person, or for other `credentials` (a keyed fingerprint) than were refused.
    """

    name = models.CharField(max_length=63, primary_key=True)
    kind = models.CharField(max_length=32)
    reason = models.CharField(max_length=500)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    times = models.PositiveIntegerField(default=1)
    credentials = models.CharField(max_length=64)

    def rests(self, now: datetime, credentials: str) -> bool:
        """Whether it is not to be tried now; other credentials are worth a try at once."""
        return self.credentials == credentials and (self.until is None or self.until > now)


def states() -> dict[str, RelayState]:
    """The relays that are not well, by name."""
    # Nearly always all are well, and a worker asks before every claim.
    if first_row("SELECT 1 FROM mailer_relaystate LIMIT 1") is None:
        return {}
    return {row.name: row for row in RelayState.unscoped.all()}


def fault(name: str, kind: str, reason: str, credentials: str, now: datetime, backoff: Backoff | None) -> bool:
    """Let a relay rest, or wait for a person where there is no `backoff`; False if that was known already.

    Call it inside `writing()`. What other workers meet while it rests makes the rest no longer, but may end in waiting.
    """
    values = {"kind": kind, "reason": reason[:500], "credentials": credentials}
    first = {**values, "since": now, "until": now + backoff.after(1) if backoff else None}
    row, new = RelayState.unscoped.select_for_update().get_or_create(name=name, defaults=first)
    if new:
        return True
    if row.rests(now, credentials) and (backoff or row.until is None):
        return False
    again = row.credentials == credentials
    times = row.times + 1 if again else 1
    RelayState.unscoped.filter(name=name).update(
        **values,
        since=row.since if again else now,
        times=times,
        until=now + backoff.after(times) if backoff else None,
    )
    return True


def well(name: str) -> bool:
    """Forget what was wrong; False if nothing was. Call it inside `writing()`."""
    return RelayState.unscoped.filter(name=name).delete()[0] > 0
