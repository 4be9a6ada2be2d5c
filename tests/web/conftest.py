"""A site whose letters have arrived, and a browser that sends nothing but what it is told."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from tests.actions.comes_back import caught
from tests.actions.conftest import ann, office, sent
from tests.actions.office import Office, decoded, leave_token
from tests.browser import launched

__all__ = ["ann", "office", "sent"]


@pytest.fixture
def client() -> Client:
    """As strict about forged forms as the real thing, and as quiet as production when a page breaks."""
    return Client(enforce_csrf_checks=True, raise_request_exception=False, headers={"host": "news.example.org"})


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One browser for all the tests of a file."""
    with launched() as browser:
        yield browser


def newest(office: Office, address: str) -> str:
    """The newest letter to this address as its reader sees it."""
    return decoded(caught(office, address).payload)


def leave_path(office: Office, address: str) -> str:
    """The path of the link in the newest letter to this address."""
    return f"/u/{leave_token(caught(office, address))}"


def undo_paths(text: str) -> list[str]:
    """The paths of the ways back in a letter or on a page, in their order."""
    return list(dict.fromkeys(re.findall(r"/back/[A-Za-z0-9_-]{34}", text)))
