"""The rows without which nothing works: the site and its counters."""

from collections.abc import Mapping
from datetime import datetime

from mailer.models.site import Counter, Site


def ensure_site(incarnation: str, fingerprints: Mapping[str, str], now: datetime) -> bool:
    """Make the site's row and counters if they are missing; True if this is a new site."""
    _, created = Site.unscoped.get_or_create(
        pk=1,
        defaults={
            "incarnation": incarnation,
            "key_fingerprints": dict(fingerprints),
            "created_at": now,
        },
    )
    for name in (Counter.CHANGES, Counter.SENDS):
        Counter.unscoped.get_or_create(name=name)
    return bool(created)


def known_fingerprints() -> dict[str, str]:
    """The fingerprints of the keys this database was made with; empty before the first."""
    site = Site.unscoped.first()
    return dict(site.key_fingerprints) if site else {}


def keep_fingerprints(fingerprints: Mapping[str, str]) -> None:
    """Remember keys that were added."""
    Site.unscoped.update(key_fingerprints=dict(fingerprints))
