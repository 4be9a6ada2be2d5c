"""The pages for what went wrong. They echo nothing of the address that was asked for (standards S18)."""

from django.http import HttpRequest, HttpResponse

from mailer.web.door import page


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001
    """One page for a wrong address, a forged link and a link whose key is gone: with the way that always works (U8)."""
    return page(request, "not_found.html", status=404)


def broken(request: HttpRequest) -> HttpResponse:
    """Our fault, in plain words. Needs neither database nor house."""
    return page(request, "broken.html", status=500)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001
    """What cannot be read, or came under a name that is not this site's."""
    return page(request, "refused.html", status=400)


def forbidden(request: HttpRequest, exception: Exception | None = None, reason: str = "") -> HttpResponse:  # noqa: ARG001
    """What may not be done from there; Django's check for forged forms answers with it too."""
    return page(request, "refused.html", status=403)
