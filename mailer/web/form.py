"""The few fields of a form, read so that no body can do harm: the token in the address decides, not the body.

Whoever posts to a link in a letter needs no good manners: the body may be cut off, lie about its length, call itself
something else, or be a film. All these count as a form without fields (docs/decisions/0003-leaving.md).
"""

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError

#: One click is 26 octets, our own forms less, and either as multipart/form-data some 200.
LARGEST = 16 * 1024

_UNREADABLE = (BadRequest, SuspiciousOperation, MultiPartParserError, UnreadablePostError)


def fields(request: HttpRequest) -> dict[str, str]:
    """The fields of a small form, each with its last value; none if the body is large or is no form."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit() and len(length) < 9 and int(length) <= LARGEST):
        return {}
    # Whatever charset was announced: Django refuses forms in others than UTF-8, and what we look for is ASCII.
    request.encoding = "utf-8"
    try:
        return {name: str(value) for name, value in request.POST.items()}
    except _UNREADABLE:
        return {}
