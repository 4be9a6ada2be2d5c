"""What came back is forgotten in time: its octets after at most 90 days; the line in the log stays (standards B14)."""

from datetime import datetime, timedelta

from mailer.house import House
from mailer.models import desk, passing_on, returns
from mailer.models.base import writing


def forget_old_reports(house: House, now: datetime) -> int:
    """Drop the octets of old reports, and what people wrote; how many reports."""
    before = now - timedelta(days=house.config.bounces.keep_raw_days)
    with writing():
        desk.forget_words(before)
        passing_on.forget_answers(before)
        return returns.forget_raw(before)
