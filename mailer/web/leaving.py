"""The page behind the link in every letter, and the way back (standards L4-L6, U7-U9, U12, U16).

GET, HEAD and OPTIONS change nothing, since mail scanners open links; there is no script on the page. POST leaves: a
mail program sends `List-Unsubscribe=One-Click` without cookie or CSRF token, so the token in the address is the only
key, and it can do nothing but leave. No answer to a POST is ever a redirect. What a POST without that pair means, and
why, is in docs/decisions/0003-leaving.md; what is answered while the database is away, in 0004.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache, wraps

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from mailer.actions.leave import (
    LETTER_UNDO,
    PAGE_UNDO,
    Extent,
    NotSafe,
    Undone,
    leave,
    list_title,
    undo,
    undo_stands,
)
from mailer.core.consent import Channel
from mailer.web.door import draw_handle, house, now, page, private, text_of
from mailer.web.form import fields

_ONE_CLICK = "One-Click"
#: Safe methods show, POST does; anything else is refused, and so is OPTIONS, which asks what nobody needs to know.
_SHOW_OR_DO = ["GET", "HEAD", "POST"]
#: Seconds after which a mail program may ask again.
_RETRY_AFTER = 300

_Page = Callable[[HttpRequest, str], HttpResponse]


def _said_if_not_safe(show: _Page) -> _Page:
    """Nobody is told that they left before that is durable: 503, with the ways that need no machine (U13)."""

    @wraps(show)
    def shown(request: HttpRequest, token: str) -> HttpResponse:
        try:
            return show(request, token)
        except NotSafe:
            answer = page(request, "not_now.html", status=503)
            answer["Retry-After"] = str(_RETRY_AFTER)
            return answer

    return shown


@csrf_exempt
@require_http_methods(_SHOW_OR_DO)
@_said_if_not_safe
def leave_page(request: HttpRequest, token: str) -> HttpResponse:
    """Show the button, or do what it, or a mail program's one click, asks for."""
    if request.method != "POST":
        return _offer(token)
    form = fields(request)
    if form.get("List-Unsubscribe") == _ONE_CLICK:
        return _one_click(token)
    extent = Extent.EVERYTHING if form.get("extent") == Extent.EVERYTHING else Extent.THIS
    left = leave(house(), token, extent, Channel.PAGE, now=now(), draw=draw_handle)
    if left is None:
        raise Http404
    context = {
        "left": left,
        "everything": extent is Extent.EVERYTHING,
        "minutes": PAGE_UNDO // timedelta(minutes=1),
        "days": LETTER_UNDO.days,
    }
    return page(request, "left.html", context)


def _offer(token: str) -> HttpResponse:
    title = list_title(house(), token)
    if title is None:
        raise Http404
    return private(HttpResponse(_offered(title)))


@lru_cache(maxsize=256)
def _offered(title: str) -> str:
    """The page for everyone on a list: nothing on it is about whoever looks."""
    return text_of("leave.html", {"list_title": title})


def _one_click(token: str) -> HttpResponse:
    """For a mail program, which shows its own words: the list of that letter, never everything (P15)."""
    if leave(house(), token, Extent.THIS, Channel.ONE_CLICK, now=now(), draw=draw_handle) is None:
        raise Http404
    return private(HttpResponse("You have been unsubscribed.\n", content_type="text/plain; charset=utf-8"))


@csrf_exempt
@require_http_methods(_SHOW_OR_DO)
@_said_if_not_safe
def undo_page(request: HttpRequest, token: str) -> HttpResponse:
    """The way back for whoever left by mistake, once, while the offer stands."""
    result = undo(house(), token, now=now()) if request.method == "POST" else undo_stands(house(), token, now())
    if result is None:
        raise Http404
    return page(request, "undo.html", {"result": result, "stands": result is Undone.OPEN})


@csrf_exempt
@require_http_methods(_SHOW_OR_DO)
def example_page(request: HttpRequest) -> HttpResponse:
    """Where the link of a test or example letter leads: it says so, and there is nothing here to change (U16)."""
    return page(request, "example.html")
