"""What a reader's mail program and browser do with a link in a letter: real requests to the pages that are running."""

from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

from mailer.core.errors import MailerError

_PATIENCE = 30


class StoryBroken(MailerError, RuntimeError):
    """Something in the demo did not go as it must."""


def get(url: str) -> None:
    """Look at a page."""
    _ask("GET", url, None)


def post(url: str, fields: dict[str, str]) -> None:
    """Press a button, or be a mail program that does."""
    _ask("POST", url, urlencode(fields))


def _ask(method: str, url: str, body: str | None) -> None:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE)
    headers = {} if body is None else {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        connection.request(method, parts.path, body, headers)
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise StoryBroken(f"The page behind a letter's link answered {answer.status} to {method}.")
