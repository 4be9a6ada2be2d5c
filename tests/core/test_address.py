"""The one grammar for addresses: hostile ones are refused at the door and again at the wire."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailer.core import address
from mailer.core.address import (
    Address,
    AddressError,
    WireAddressError,
    check_wire,
    fold_name,
    normal,
    parse,
)
from mailer.core.errors import MailerError

LOCALS = st.from_regex(r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[a-zA-Z0-9+_-]{1,20})?", fullmatch=True)
DOMAINS = st.sampled_from(
    [
        "example.org",
        "EXAMPLE.net",
        "mail.example.com",
        "b\u00fccher.example.org",
        "\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444",
    ]
)
HOSTILE = st.text(
    st.sampled_from(
        "ab@.<>\"'(),:;\\[]%-_+ \t\r\n\0\x0b\x0c\x7f\x85\u00a0\u2028\u2029\u202e"
        "\u200b\ufeff\uff20\uff1c\u00e9\u0436\ud800"
    )
    | st.characters(),
    max_size=40,
)

REFUSED = {
    "a second command": '"b\r\nRCPT TO:<evil@example.net>"@example.org',
    "a bare line feed": "b@example.org\nRSET",
    "a bare carriage return": "b@example.org\rRSET",
    "a trailing line end": "b@example.org\r\n",
    "a trailing line feed": "b@example.org\n",
    "a NUL": "b\0@example.org",
    "a C1 control": "b\x85@example.org",
    "a line separator": "b\u2028@example.org",
    "a right-to-left override": "\u202eb@example.org",
    "a zero-width space": "b\u200bc@example.org",
    "a lone surrogate": "b\ud800@example.org",
    "a space inside": "b c@example.org",
    "a space before": " b@example.org",
    "angle brackets": "<b@example.org>",
    "a closing bracket and a parameter": "b@example.org> NOTIFY=NEVER",
    "a display name": "Bea <b@example.org>",
    "a quoted local part": '"b c"@example.org',
    "a quote inside": 'b"c@example.org',
    "a comment": "b(comment)@example.org",
    "a comment in the domain": "b@(c)example.org",
    "a backslash": "b\\@example.org",
    "two addresses": "b@example.org,c@example.org",
    "a group": "g:b@example.org;",
    "a source route": "@example.net:b@example.org",
    "two at signs": "b@c@example.org",
    "a full-width at sign": "b\uff20example.net@example.org",
    "a full-width bracket": "b\uff1c@example.org",
    "no at sign": "example.org",
    "nothing": "",
    "no local part": "@example.org",
    "no domain": "b@",
    "a dot at the start": ".b@example.org",
    "a dot at the end": "b.@example.org",
    "two dots": "b..c@example.org",
    "an address literal": "b@[127.0.0.1]",
    "a number for a domain": "b@127.0.0.1",
    "one label": "b@localhost",
    "an empty label": "b@example..org",
    "a dot after the domain": "b@example.org.",
    "a hyphen before a label": "b@-example.org",
    "an underscore in the domain": "b@ex_ample.org",
    "a broken A-label": "b@xn--zzzzzz.example.org",
    "a local part of 65 octets": "b" * 65 + "@example.org",
    "a local part of 66 octets in 33 characters": "\u0436" * 33 + "@example.org",
    "a path of 255 octets": "b" * 64 + "@" + "c" * 63 + "." + "d" * 63 + "." + "e" * 58 + ".org",
    "a label of 64 octets": "b@" + "c" * 64 + ".org",
    "a domain kept for tests": "b@mail.test",
    "a domain that cannot exist": "b@mail.invalid",
    "this very host": "b@mail.localhost",
    "the local network": "b@printer.local",
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_an_address_is_refused_that_holds(text: str) -> None:
    with pytest.raises(AddressError) as refusal:
        parse(text)
    assert isinstance(refusal.value, MailerError)
    assert isinstance(refusal.value, ValueError)
    assert str(refusal.value).isprintable()


SPECIAL_USE = {"b@mail.test", "b@mail.invalid", "b@mail.localhost", "b@printer.local"}
NOT_FOR_THE_WIRE = {
    k: v for k, v in REFUSED.items() if v not in SPECIAL_USE and k not in {"a broken A-label", "a number for a domain"}
}


@pytest.mark.parametrize("text", NOT_FOR_THE_WIRE.values(), ids=NOT_FOR_THE_WIRE)
def test_the_wire_refuses_an_address_that_holds(text: str) -> None:
    with pytest.raises(WireAddressError):
        check_wire(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada@example.org", "Ada@example.org"),
        ("ada.b+news@EXAMPLE.Net", "ada.b+news@example.net"),
        ("o'neil@mail.example.com", "o'neil@mail.example.com"),
        ("!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~@example.org"),
        ("a@b\u00fccher.example.org", "a@xn--bcher-kva.example.org"),
        ("\u0436@\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444", "\u0436@xn--e1afmkfd.xn--p1ai"),
        ("e\u0301va@example.org", "\u00e9va@example.org"),
        ("b" * 64 + "@example.org", "b" * 64 + "@example.org"),
    ],
)
def test_a_good_address_is_kept_as_typed_but_for_the_domain(text: str, expected: str) -> None:
    found = parse(text)
    assert found.text == expected
    check_wire(found.text)


@given(LOCALS, DOMAINS)
def test_what_is_stored_reads_back_as_itself(local: str, domain: str) -> None:
    found = parse(f"{local}@{domain}")
    assert found.local == local
    assert found.domain == found.domain.lower()
    assert found.domain.isascii()
    assert parse(found.text) == found


@given(HOSTILE | st.builds("{}@{}".format, HOSTILE, DOMAINS) | st.builds("{}@{}".format, LOCALS, HOSTILE))
@example("\u0345\u0391@example.org")
def test_whatever_parse_accepts_goes_over_the_wire_as_one_plain_path(text: str) -> None:
    try:
        found = parse(text)
    except AddressError:
        return
    octets = found.text.encode()
    assert len(octets) <= address.MOST_PATH
    assert len(found.local.encode()) <= address.MOST_LOCAL
    assert not set(octets) & set(b'\r\n\0\t <>()[],;:\\"')
    assert octets.count(b"@") == 1
    assert found.text.isprintable()
    assert unicodedata.is_normalized("NFC", found.text)
    assert parse(found.text) == found


@given(HOSTILE | st.builds("{}@{}".format, HOSTILE, DOMAINS))
def test_the_wire_gate_never_lets_a_separator_through(text: str) -> None:
    try:
        check_wire(text)
    except WireAddressError:
        return
    assert not set(text) & set('\r\n\0\t <>()[],;:\\"')
    assert text.count("@") == 1
    assert text.isprintable()


def test_an_upper_case_or_unicode_domain_is_not_what_was_stored() -> None:
    for text in ("a@Example.org", "a@b\u00fccher.example.org", "e\u0301@example.org"):
        with pytest.raises(WireAddressError):
            check_wire(text)


def test_no_address_can_be_made_from_parts_that_the_wire_refuses() -> None:
    with pytest.raises(WireAddressError):
        Address("b\r\nRSET", "example.org")
    with pytest.raises(WireAddressError):
        Address("b", "Example.org")


@pytest.mark.parametrize(
    "pair",
    [
        ("Ada@Example.org", "aDA@example.ORG"),
        ("\u00c9va@example.org", "e\u0301va@example.org"),
        ("stra\u00dfe@example.org", "STRASSE@example.org"),
        ("a@b\u00fccher.example.org", "A@xn--bcher-kva.example.org"),
    ],
)
def test_one_mailbox_has_one_normal_form(pair: tuple[str, str]) -> None:
    assert normal(parse(pair[0])) == normal(parse(pair[1]))


def test_a_dot_or_a_tag_makes_another_mailbox() -> None:
    assert len({normal(parse(f"{local}@example.org")) for local in ("ada", "a.da", "ada+news")}) == 3


@given(LOCALS, DOMAINS)
def test_the_normal_form_of_the_normal_form_is_itself(local: str, domain: str) -> None:
    once = normal(parse(f"{local}@{domain}"))
    assert normal(parse(once)) == once


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Se\u00e1n O\u2019Brien", "  SEA\u0301N   O'BRIEN "),
        ("O\u02bcBrien", "OBrien"),
        ("O\u00b4Brien", "o`brien"),
        ("Mary-Jane Smith", "Mary\u2010Jane\u00a0Smith"),
        ("Mary\u2013Jane", "mary jane"),
        ("J.R. Hartley", "J. R. Hartley"),
        ("\uff21da", "ada"),
        ("Wei\u00df", "WEISS"),
        ("Ada\u200b Lovelace", "Ada Lovelace"),
    ],
)
def test_one_name_written_two_ways_folds_to_one(one: str, other: str) -> None:
    assert fold_name(one) == fold_name(other)


def test_names_that_differ_stay_different() -> None:
    names = ["Zoe", "Zo\u00eb", "Ann Lee", "Annlee", "Ann Leigh"]
    assert len({fold_name(name) for name in names}) == len(names)


@given(st.text(max_size=30))
@example("\u0345\u0391")
@example("\u1fb3\u0345")
@example("\u2019\u0301")
def test_a_folded_name_folds_to_itself(name: str) -> None:
    once = fold_name(name)
    assert fold_name(once) == once
    assert once == once.strip()
    assert "  " not in once
