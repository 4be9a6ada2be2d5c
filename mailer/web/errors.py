"""The two pages for what went wrong. They echo nothing of the address that was asked for (standards S18)."""

from django.http import HttpRequest, HttpResponse

from mailer.web.door import page


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001
    """One page for a wrong address, a forged link and a link whose key is gone: with the way that always works (U8)."""
    return page(request, "not_found.html", status=404)


def broken(request: HttpRequest) -> HttpResponse:
    """Our fault, in plain words."""
    return page(request, "broken.html", status=500)
