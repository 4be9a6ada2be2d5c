"""Every address x every role x every method (design.md section 2; standards S4): a route without a row is a red test.

A role is a function that gives a client; today there is only the stranger, who has a link or has none. Whoever adds
sign-in adds roles here, and a column for each row.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.actions.office import Office
from tests.web.conftest import leave_path
from tests.world import anne, join, stream

pytestmark = pytest.mark.django_db

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")

#: Statuses in the order of METHODS. 403: the check for forged forms comes first; 405: refused, nothing changed.
SHOWN = (200, 200, 403, 403, 403, 405)
LINK = (200, 200, 200, 405, 405, 405)
#: A provider that does not know the secret is not heard.
HOOK = (405, 200, 400, 405, 405, 405)
UNKNOWN_LINK = (404, 404, 404, 405, 405, 405)

#: A 34-letter word of the right shape that no key of this site has signed.
FORGED = "EAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@dataclass(frozen=True)
class Row:
    """A pattern as the address plan has it, an address it matches, and what each role gets there."""

    route: str
    path: str
    anonymous: tuple[int, ...]
    #: Why a form from elsewhere may be taken here: the token in the address is the only key (L4, U9).
    exempt: bool = False


MATRIX = [
    Row("", "/", SHOWN),
    Row("health", "/health", SHOWN),
    Row("state", "/state", SHOWN),
    Row("u/example", "/u/example", LINK, exempt=True),
    Row("u/<str:token>", f"/u/{FORGED}", UNKNOWN_LINK, exempt=True),
    Row("u/<str:token>", "/u/{leave}", LINK, exempt=True),
    Row("back/<str:token>", f"/back/{FORGED}", UNKNOWN_LINK, exempt=True),
    Row("back/<str:token>", "/back/{undo}", LINK, exempt=True),
    Row("hooks/postmark", "/hooks/postmark", HOOK, exempt=True),
]

#: The demo's pages are there only where the demo runs, for everybody on that machine; elsewhere they are nowhere.
NOWHERE = (404,) * len(METHODS)
DEMO = [
    Row("demo/", "/demo/", NOWHERE),
    Row("demo/none/", "/demo/none/", NOWHERE),
    Row("demo/letters/", "/demo/letters/", NOWHERE),
    Row("demo/letters/<slug:name>/", "/demo/letters/x/", NOWHERE),
    Row("demo/letters/<slug:name>/html", "/demo/letters/x/html", NOWHERE),
    Row("demo/letters/<slug:name>/source", "/demo/letters/x/source", NOWHERE),
]

ROLES: dict[str, Callable[[], Client]] = {
    "anonymous": lambda: Client(enforce_csrf_checks=True, headers={"host": "news.example.org"}),
}


def routes(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every pattern below a resolver, with the whole of its route."""
    for each in resolver.url_patterns:
        route = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(each, route)
        else:
            yield route, each


def everywhere() -> list[tuple[str, URLPattern]]:
    """Every pattern of the product and of its demo."""
    return [*routes(get_resolver()), *routes(get_resolver("mailer.demo.urls"), "demo/")]


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert {route for route, _ in everywhere()} == {row.route for row in MATRIX + DEMO}


def test_exactly_the_listed_routes_take_forms_from_elsewhere() -> None:
    exempt = {route for route, each in everywhere() if getattr(each.callback, "csrf_exempt", False)}
    assert (
        exempt
        == {row.route for row in MATRIX if row.exempt}
        == {
            "u/example",
            "u/<str:token>",
            "back/<str:token>",
            "hooks/postmark",
        }
    )


def test_every_role_has_its_column() -> None:
    assert all(len(getattr(row, role)) == len(METHODS) for row in MATRIX + DEMO for role in ROLES)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("row", MATRIX + DEMO, ids=lambda row: row.path)
def test_every_address_answers_as_its_row_says(office: Office, row: Row, role: str) -> None:
    join(office.house, "Ann Smith", "ann@example.org", consents=[stream(office.house)])
    office.begun(anne())
    office.send_all()
    leave = leave_path(office, "ann@example.org").removeprefix("/u/")
    undo = ""
    if "{undo}" in row.path:
        undo = ROLES["anonymous"]().post(f"/u/{leave}").context["left"].undo
    client = ROLES[role]()
    path = row.path.format(leave=leave, undo=undo)
    answers = [client.generic(method, path) for method in METHODS]
    assert tuple(answer.status_code for answer in answers) == getattr(row, role)
    for answer in answers:
        assert "Location" not in answer
        assert not answer.cookies


@pytest.mark.parametrize(
    "path", ["/nothing", "/u", "/u/", "/back/", "/u/a/b", "/health/", "/admin/", "/static/none.css", "/%ff"]
)
def test_there_is_nothing_else_and_nothing_redirects(client: Client, path: str) -> None:
    for method in METHODS:
        answer = client.generic(method, path)
        assert answer.status_code == 404
        assert "Location" not in answer
        assert not answer.cookies


def test_the_variants_of_a_link_are_refused_and_never_redirected(client: Client, office: Office) -> None:
    join(office.house, "Ann Smith", "ann@example.org", consents=[stream(office.house)])
    office.begun(anne())
    office.send_all()
    path = leave_path(office, "ann@example.org")
    for variant in (f"{path}/", f"/{path}", f"{path}.", path.upper(), f"{path}%20", f"{path}/../x"):
        answer = client.post(variant)
        assert answer.status_code == 404, variant
    for host in ("www.news.example.org", "elsewhere.example.net", "news.example.org@evil.example.net"):
        answer = client.post(path, headers={"host": host})
        assert answer.status_code == 400
        assert "Location" not in answer
        assert host not in answer.text
    for scheme in ("http", "https"):
        assert client.generic("HEAD", path, secure=scheme == "https").status_code == 200
    assert client.get(path, {"next": "//evil.example.net", "utm_source": "x"}).status_code == 200
