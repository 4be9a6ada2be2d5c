"""What a provider tells by webhook goes the way of every other report: written down as one, and read (B3, B11, B12)."""

from dataclasses import dataclass, field
from datetime import datetime

from mailer.actions.leave import Draw
from mailer.actions.read_bounces import ReadReport, read_reports
from mailer.core.bounce.fate import Fate
from mailer.core.providerevent import ProviderEvent, as_report
from mailer.house import House
from mailer.models import BounceSource


@dataclass(frozen=True, slots=True)
class _Told:
    """The report that an event is written down as; it waits nowhere."""

    name: str
    content: bytes = field(repr=False)

    def read(self) -> bytes:
        return self.content

    def done(self, fate: Fate) -> None:
        """Nothing: we have it."""


def act_on_event(house: House, event: ProviderEvent, now: datetime, draw: Draw) -> ReadReport | None:
    """Act on it as on a report; None where it reports nothing, or names no letter of ours."""
    content = as_report(event)
    if content is None:
        return None
    told = _Told(f"a webhook of {event.provider}", content)
    return next(read_reports(house, [told], now, draw, BounceSource.WEBHOOK))
