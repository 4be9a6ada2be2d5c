"""What somebody looks for in the bounce log."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Sought:
    """None is anything. `until` is the first moment that is too late."""

    number: int | None = None
    issue: int | None = None
    mailing: int | None = None
    domain: str | None = None
    reason: str | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None
