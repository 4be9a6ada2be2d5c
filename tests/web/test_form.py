"""Whatever is posted to a genuine link, the answer is 200 and the member is off: the token decides, not the body."""

import pytest
from django.http import HttpRequest
from django.test import Client, RequestFactory
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.models import Subscription
from mailer.web.form import LARGEST, fields
from tests.actions.office import Office
from tests.web.conftest import leave_path
from tests.world import anne, join, stream

FORM = "application/x-www-form-urlencoded"
PART = b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
BASE64 = b"--b\r\nContent-Transfer-Encoding: base64\r\n"


def posted(body: bytes, kind: str, **environment: object) -> HttpRequest:
    return RequestFactory().generic("POST", "/u/x", body, kind, **environment)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"List-Unsubscribe=One-Click", FORM),
        (b"List-Unsubscribe=One-Click", f"{FORM}; charset=iso-8859-1"),
        (b"a=%FF&List-Unsubscribe=One%2DClick", FORM),
        (PART, "multipart/form-data; boundary=b"),
        (PART, 'multipart/form-data; boundary="b"; charset=ascii'),
    ],
)
def test_the_pair_is_read_from_either_kind_of_form(body: bytes, kind: str) -> None:
    assert fields(posted(body, kind))["List-Unsubscribe"] == "One-Click"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", FORM),
        (b"List-Unsubscribe=One-Click", "text/plain"),
        (b'{"List-Unsubscribe": "One-Click"}', "application/json"),
        (PART, "multipart/form-data"),
        (PART, "multipart/form-data; boundary=" + "x" * 300),
        (BASE64 + PART[5:].replace(b"One-Click", b"=!"), "multipart/form-data; boundary=b"),
        (b"&".join(b"%d=" % n for n in range(1200)), FORM),
        (b"List-Unsubscribe=One-Click&x=" + b"x" * LARGEST, FORM),
        (PART + b"x" * LARGEST, "multipart/form-data; boundary=b"),
    ],
)
def test_what_is_no_small_form_holds_no_pair(body: bytes, kind: str) -> None:
    assert fields(posted(body, kind)).get("List-Unsubscribe") != "One-Click"


@pytest.mark.parametrize("length", ["-1", "x", "²", "9" * 5000, str(LARGEST + 1), "1e3", ""])
def test_a_length_that_is_none_or_too_much_is_a_form_without_fields(length: str) -> None:
    assert fields(posted(b"List-Unsubscribe=One-Click", FORM, CONTENT_LENGTH=length)) == {}


def test_a_large_body_is_not_even_read() -> None:
    class Untouched:
        def read(self, *_: object) -> bytes:
            raise AssertionError("read")

    request = posted(b"", FORM, CONTENT_LENGTH=str(2**40))
    request._stream = Untouched()
    assert fields(request) == {}


KINDS = st.sampled_from(
    [FORM, "multipart/form-data; boundary=b", f"{FORM}; charset=utf-7", "multipart/form-data", "x/y"]
)
PIECES = st.sampled_from(
    [
        *(b"--b", b"--b--", b"\r\n", b"\r\n\r\n", b"&", b"%", b"=", b"\0", b"extent=everything"),
        *(b'Content-Disposition: form-data; name="a"', b'; filename="f"', b"; filename*=bogus''x"),
        b"Content-Transfer-Encoding: base64",
    ]
)
BODIES = st.lists(PIECES | st.binary(max_size=8), max_size=25).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(body=BODIES, kind=KINDS)
def test_no_body_breaks_the_reader(body: bytes, kind: str) -> None:
    assert all(isinstance(value, str) for value in fields(posted(body, kind)).values())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", ""),
        (b"", FORM),
        (b"list-unsubscribe=one-click", FORM),
        (b"garbage\0\xff", "application/octet-stream"),
        (b"--b\r\nbroken", "multipart/form-data; boundary=b"),
        (b"x" * 3_000_000, "multipart/form-data; boundary=b"),
        (b"x" * 3_000_000, FORM),
    ],
)
def test_a_genuine_link_is_never_turned_away_for_its_body(
    client: Client, office: Office, body: bytes, kind: str
) -> None:
    ann = join(office.house, "Ann Smith", "ann@example.org", consents=[stream(office.house)])
    office.begun(anne())
    office.send_all()
    answer = client.generic("POST", leave_path(office, "ann@example.org"), body, kind)
    assert answer.status_code == 200
    assert Subscription.unscoped.get(member=ann).state == "left"
