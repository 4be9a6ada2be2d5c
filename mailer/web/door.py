"""What every page of this door shares: the house it belongs to, the clock, random handles, and headers."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from mailer.house import House, open_house


@cache
def house() -> House:
    """The house, opened once a process."""
    return open_house(settings.CONFIG)


def now() -> datetime:
    """The time: only doors read the clock."""
    return datetime.now(UTC)


def draw_handle() -> int:
    """A random 64-bit handle."""
    return secrets.randbits(64)


def page(
    request: HttpRequest, template: str, context: Mapping[str, object] | None = None, *, status: int = 200
) -> HttpResponse:
    """A page as members may see it: nothing is stored, indexed, or told to others about it (standards U9)."""
    return private(HttpResponse(text_of(template, context or {}, request), status=status))


def text_of(template: str, context: Mapping[str, object], request: HttpRequest | None = None) -> str:
    """What a page says; without a request what it says to everybody."""
    # From the configuration and not from the house, since the page that says "our fault" must always be there.
    return render_to_string(template, {"organisation": settings.CONFIG.organisation, **context}, request)


def private(response: HttpResponse) -> HttpResponse:
    """Keep an answer out of caches and search engines."""
    response["Cache-Control"] = "no-store"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response
