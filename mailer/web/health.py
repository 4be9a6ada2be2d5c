"""Two pages without data: what this place is, and whether it answers."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from mailer.web.door import page, private


@require_safe
def front(request: HttpRequest) -> HttpResponse:
    """Whose site this is, and how to reach them."""
    return page(request, "front.html")


@require_safe
def health(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """For whoever watches the machine: the process answers."""
    return private(HttpResponse("ok\n", content_type="text/plain; charset=utf-8"))
