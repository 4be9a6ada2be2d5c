"""Each copy has an address of its own to leave by, which nobody can make up."""

from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from mailer.core.leave_address import leave_mailto, read_leave_address
from mailer.core.token import Keyring, Purpose, return_path

KEYS = Keyring({0: b"k" * 32})
DOMAIN = "bounces.example.org"
handles = st.integers(0, 2**64 - 1)


@given(handles)
def test_what_is_given_out_is_read_in_any_case(handle: int) -> None:
    uri = urlsplit(leave_mailto(KEYS, handle, DOMAIN))
    assert (uri.scheme, parse_qs(uri.query)) == ("mailto", {"subject": ["unsubscribe"]})
    assert "%" not in uri.path
    assert len(uri.path.partition("@")[0]) <= 64
    assert {read_leave_address(KEYS, each, DOMAIN) for each in (uri.path, uri.path.upper())} == {handle}


@given(handles)
def test_no_other_token_leaves(handle: int) -> None:
    bounce = return_path(KEYS, handle, DOMAIN)
    verp = KEYS.sign_folded(Purpose.VERP, handle)
    mailto = leave_mailto(KEYS, handle, DOMAIN).removeprefix("mailto:").partition("?")[0]
    for address in (
        bounce,
        f"leave+{verp}@{DOMAIN}",
        mailto.replace("leave+", "b+"),
        mailto + ".example.com",
        "leave+@x",
    ):
        assert read_leave_address(KEYS, address, DOMAIN) is None


@given(st.text(max_size=80))
def test_nothing_makes_it_raise(address: str) -> None:
    assert read_leave_address(KEYS, address, DOMAIN) is None
