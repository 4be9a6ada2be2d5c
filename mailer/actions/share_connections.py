"""The connections that a relay bears are all workers' together: each takes its part of them (standards T25).

Each worker reads by itself who else lives, so for about a second after one came or went they may count differently. One
that has just come waits until the others have heard of it.
"""

from datetime import datetime, timedelta

from mailer.core.limits import part
from mailer.core.watch import SignOfLife, is_fresh
from mailer.models import worker_row

#: The others look once a second, and then finish the letters on the connections that they give up.
_HEARD_OF = timedelta(seconds=3)


def own_part(most: int, worker: SignOfLife, now: datetime) -> int:
    """How many of a relay's connections are this worker's now; it may be none."""
    alive = [row for row in worker_row.all_workers() if is_fresh(row.seen_at, now)]
    # The newest first: whoever was killed looks alive for a minute, and must not keep the only connection so long.
    names = [row.name for row in sorted(alive, key=lambda row: (row.started_at, row.name), reverse=True)]
    if worker.name not in names or (len(names) > 1 and now - worker.started_at < _HEARD_OF):
        return 0
    return part(most, len(names), names.index(worker.name))
