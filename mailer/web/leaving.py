"""The page behind the link in every letter, and the way back (standards L4-L6, U7-U9, U12).

GET, HEAD and OPTIONS change nothing, since mail scanners open links; there is no script on the page. POST leaves: a mail
program sends `List-Unsubscribe=One-Click` without cookie or CSRF token, so the token in the address is the only key, and
it can do nothing but leave. No answer to a POST is ever a redirect.
"""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from mailer.actions.leave import Extent, Undone, leave, list_title, undo, undo_stands
from mailer.core.consent import Channel
from mailer.web.door import draw_handle, house, now, page, private

_ONE_CLICK = "One-Click"


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def leave_page(request: HttpRequest, token: str) -> HttpResponse:
    """Show the button, or do what it, or a mail program's one click, asks for."""
    if request.method != "POST":
        return _offer(request, token)
    one_click = request.POST.get("List-Unsubscribe") == _ONE_CLICK
    everything = request.POST.get("extent") == Extent.EVERYTHING
    left = leave(
        house(),
        token,
        Extent.EVERYTHING if everything and not one_click else Extent.THIS,
        Channel.ONE_CLICK if one_click else Channel.PAGE,
        now=now(),
        draw=draw_handle,
    )
    if left is None:
        raise Http404
    if one_click:
        return private(HttpResponse("You have been unsubscribed.\n", content_type="text/plain; charset=utf-8"))
    return page(request, "left.html", {"left": left, "everything": everything})


def _offer(request: HttpRequest, token: str) -> HttpResponse:
    title = list_title(house(), token)
    if title is None:
        raise Http404
    return page(request, "leave.html", {"list_title": title})


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def undo_page(request: HttpRequest, token: str) -> HttpResponse:
    """The way back for whoever left by mistake, once, while the offer stands."""
    result = undo(house(), token, now=now()) if request.method == "POST" else undo_stands(house(), token, now())
    if result is None:
        raise Http404
    return page(request, "undo.html", {"stands": result is Undone.OPEN, "result": result})
