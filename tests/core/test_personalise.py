import contextlib
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailer.core.address import AddressError
from mailer.core.characters import unsafe_in_line
from mailer.core.dkim import Signer, public_record
from mailer.core.greeting import NAMELESS, greeting_names
from mailer.core.header import HeaderError
from mailer.core.letter import LetterError
from mailer.core.personalise import Builder, CopyError, CopyValues
from mailer.core.seal import Seal
from tests.core.lettering import (
    HEADERS,
    VALUES,
    built,
    header_names,
    hostile_text,
    letter_of,
    parts,
    read,
    sample_letter,
)

FIRST = frozenset({"first"})


def is_lawful(raw: bytes) -> None:
    """F1-F12 on the octets, whatever went in."""
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    assert raw.isascii()
    assert not re.search(rb"\r\n\.", raw)
    assert b"\x00" not in raw
    head, _, body = raw.partition(b"\r\n\r\n")
    assert all(len(line) <= 78 for line in head.split(b"\r\n"))
    assert all(len(line) <= 76 for line in body.split(b"\r\n"))
    assert not any(line.endswith((b" ", b"\t")) for line in raw.split(b"\r\n"))
    assert not re.search(rb"(?m)^From |  ", body)
    message = read(raw)
    assert message.keys() == header_names(raw)
    assert len(message.keys()) == len(set(message.keys()))
    text, html = message.iter_parts()
    assert [text.get_content_type(), html.get_content_type()] == ["text/plain", "text/html"]
    for part in (text, html):
        assert part.keys() == ["Content-Type", "Content-Transfer-Encoding"]
        assert part.get_content_charset() == "utf-8"
        assert part["Content-Transfer-Encoding"] == "quoted-printable"
        assert not part.defects
    assert not message.defects
    assert "=_" in message.get_boundary("")
    assert len(message.get_boundary("")) <= 70


@pytest.mark.parametrize("name", ["meeting", "newsletter", "article"])
@pytest.mark.parametrize("segments", [frozenset(), FIRST])
def test_a_copy_is_a_lawful_message(name: str, segments: frozenset[str]) -> None:
    raw = built(letter_of(name), replace(VALUES, segments=segments))
    is_lawful(raw)
    assert len(raw) < 500_000
    for part in parts(raw):
        assert "Dear Ann Smith," in part
        assert VALUES.leave_url in part
        assert ("right to object at" in " ".join(part.split())) == bool(segments)


@settings(max_examples=150, deadline=None)
@given(st.lists(hostile_text, max_size=3).map(tuple))
def test_hostile_names_are_refused_or_are_plain_text_in_a_lawful_message(names: tuple[str, ...]) -> None:
    values = replace(VALUES, names=names)
    if any(unsafe_in_line(name) for name in names):
        with pytest.raises(HeaderError):
            built(sample_letter(), values)
        return
    if any("0D=0A" in name or "DQAKAA" in name for name in names):
        with contextlib.suppress(HeaderError):
            is_lawful(built(sample_letter(), values))
        return
    raw = built(sample_letter(), values)
    is_lawful(raw)
    message = read(raw)
    assert [address.addr_spec for address in message["To"].addresses] == [VALUES.address]
    text, html = parts(raw)
    spoken = greeting_names(names)
    assert f"Dear {spoken}," in text
    escaped = spoken.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert f"Dear {escaped.replace(chr(34), '&quot;').replace(chr(39), '&#x27;')}," in html


@pytest.mark.parametrize(
    ("names", "greeting", "to"),
    [
        (("Ann Smith",), "Dear Ann Smith,", "Ann Smith <ann@example.net>"),
        (("Ann Smith", "Bob Smith"), "Dear Ann Smith and Bob Smith,", "ann@example.net"),
        (("Ann", "Bob", "Cy"), "Dear Ann, Bob and Cy,", "ann@example.net"),
        ((), f"Dear {NAMELESS},", "ann@example.net"),
        (("", "  "), f"Dear {NAMELESS},", "ann@example.net"),
        (("Ann", ""), "Dear Ann,", "Ann <ann@example.net>"),
        (("  Ann \u00a0 Smith ",), "Dear Ann Smith,", "Ann Smith <ann@example.net>"),
        (("Zoë Müller",), "Dear Zoë Müller,", "Zoë Müller <ann@example.net>"),
        (("{{7*7}}",), "Dear {{7*7}},", '"{{7*7}}" <ann@example.net>'),
        (("N" * 121,), f"Dear {'N' * 121},", "ann@example.net"),
    ],
)
def test_the_greeting_names_those_it_is_for(names: tuple[str, ...], greeting: str, to: str) -> None:
    raw = built(sample_letter(), replace(VALUES, names=names))
    text, _ = parts(raw)
    assert greeting in text
    found = str(read(raw)["To"]).replace('"', "")
    assert " ".join(found.split()) == to.replace('"', "")


@example("From Ann")
@example("Ann  Smith")
@example(" Ann")
@example("Ann-Marie O'Brien")
@given(st.text(alphabet="ab7² \t=.é😀<&F", min_size=1, max_size=90).filter(lambda name: "\t" not in name))
def test_the_quick_way_and_the_slow_way_give_the_same_message(name: str) -> None:
    """A name that goes the quick way beside one that cannot: what is read out must not differ."""
    raw = built(sample_letter(), replace(VALUES, names=(name,)))
    is_lawful(raw)
    slow = built(sample_letter(), replace(VALUES, names=(name, "")))
    assert parts(raw) == parts(slow)
    assert str(read(raw)["To"]) == str(read(slow)["To"])


def test_two_copies_differ_only_in_what_is_personal() -> None:
    """P19: nothing in a letter can tell who opened it."""
    other = CopyValues(
        "bob@example.net", ("Bob Ray",), "x9.y8@letters.example.org", "https://letters.example.org/u/zz", VALUES.date
    )
    one, two = (
        built(letter_of("newsletter"), values).replace(b"=\r\n", b"").replace(b"\r\n <", b" <")
        for values in (VALUES, other)
    )
    for mine, theirs in (
        (b"Ann Smith", b"Bob Ray"),
        (b"ann@example.net", b"bob@example.net"),
        (b"q7.k2m@", b"x9.y8@"),
        (VALUES.leave_url.encode(), other.leave_url.encode()),
    ):
        assert mine in one
        assert theirs in two
        one = one.replace(mine, theirs)
    assert one == two


def test_no_copy_holds_anything_of_another() -> None:
    """F18: a worker builds many, and a frame or a cache must not leak from one to the next."""
    builder = Builder(sample_letter(), HEADERS)
    people = [(f"p{number}@example.net", f"Person{number} Name", f"t0k3n{number}x") for number in range(60)]
    copies = [
        builder.build(
            CopyValues(address, (name,), f"{token}@x.example.org", f"https://l.example.org/u/{token}", VALUES.date)
        )
        for address, name, token in people
    ]
    for index, raw in enumerate(copies):
        for other, person in enumerate(people):
            assert all((part.encode() in raw) == (index == other) for part in (person[0], f"{person[1]} <", person[2]))


@pytest.mark.parametrize(
    "url",
    [
        "https://letters.example.org/u/AQ",
        "https://a-very-long-host-name-that-somebody-chose.letters.example.org/u/" + "A" * 34,
        "https://letters.example.org:8443/u/AQ?x=1&y=2",
        "http://127.0.0.1:8000/u/AQ",
        "http://localhost/u/AQ",
        "http://[::1]:8000/u/AQ",
    ],
)
def test_the_link_to_leave_is_the_same_in_the_header_and_in_both_bodies(url: str) -> None:
    raw = built(sample_letter(), replace(VALUES, leave_url=url))
    assert raw.isascii()
    assert " ".join(str(read(raw)["List-Unsubscribe"]).split()) == f"<{url}>"
    text, html = parts(raw)
    assert f"Unsubscribe: {url}\n" in text
    assert f'href="{url.replace("&", "&amp;")}"' in html


def test_a_mailto_to_leave_by_stands_beside_the_link() -> None:
    raw = built(sample_letter(), replace(VALUES, leave_mailto="mailto:leave+abc@example.org?subject=leave"))
    value = " ".join(str(read(raw)["List-Unsubscribe"]).split())
    assert value == f"<{VALUES.leave_url}>, <mailto:leave+abc@example.org?subject=leave>"


@pytest.mark.parametrize(
    "change",
    [
        {"leave_url": "http://letters.example.org/u/AQ"},
        {"leave_url": "javascript:alert(1)"},
        {"leave_url": "https://letters.example.org/u/A>B"},
        {"leave_url": "https://letters.example.org/u/A\r\nBcc: evil@example.net"},
        {"leave_url": "https://letters.example.org/u/A\nB"},
        {"leave_url": "https://letters.example.org/u/é"},
        {"leave_url": ""},
        {"leave_mailto": "https://letters.example.org/"},
        {"leave_mailto": "mailto:a@example.org>, <mailto:b@example.org"},
        {"message_id": "a@b\r\nBcc: evil@example.net"},
        {"message_id": "a@b\nc@d"},
        {"message_id": "a b@example.org"},
        {"message_id": "é@example.org"},
        {"message_id": ""},
        {"date": "tomorrow"},
        {"date": VALUES.date + "\r\nBcc: evil@example.net"},
        {"address": "b@example.org\r\nBcc: evil@example.net"},
        {"address": "b@example.org, evil@example.net"},
        {"address": "b@example.org\nx@example.org"},
        {"address": '"b\r\nRCPT TO:<evil@example.org>"@example.org'},
        {"address": ""},
        {"names": ("Ann\r\nBcc: evil@example.net",)},
        {"names": ("=?utf-8?q?a=0D=0ABcc:_evil@example.net?=",)},
        {"names": ("Ann", "Bob\x85")},
    ],
)
def test_values_that_could_forge_anything_are_refused(change: dict[str, object]) -> None:
    with pytest.raises((CopyError, HeaderError, AddressError)):
        built(sample_letter(), replace(VALUES, **change))  # type: ignore[arg-type]


def test_a_segment_that_the_letter_lacks_is_refused() -> None:
    with pytest.raises(LetterError):
        built(sample_letter(), replace(VALUES, segments=frozenset({"north"})))


def test_an_address_beyond_ascii_stands_as_it_is_with_no_encoded_word_beside_it() -> None:
    """F17: only a server that takes SMTPUTF8 gets this copy."""
    raw = built(sample_letter(), replace(VALUES, address="zoë@example.net"))
    assert "\r\nTo: zoë@example.net\r\n".encode() in raw
    assert raw.replace("zoë@".encode(), b"").isascii()


def test_a_date_that_changes_while_a_mailing_runs_is_seen() -> None:
    builder = Builder(sample_letter(), HEADERS)
    for second in range(3):
        date = f"Tue, 01 Dec 2026 09:00:0{second} +0000"
        assert f"\r\nDate: {date}\r\n".encode() in builder.build(replace(VALUES, date=date))


@pytest.mark.parametrize("names", [("Ann Smith",), ("Zoë", "Bob <b>")])
def test_a_signed_copy_verifies_and_breaks_when_touched(names: Sequence[str]) -> None:
    """L3 and performance.md section 4: the body is canonical by construction."""
    signer = Signer("example.org", "s1", generate_private_key(65537, 2048))
    record = {f"{signer.record_name}.".encode(): public_record(signer).encode()}
    builder = Builder(letter_of("meeting"), HEADERS, Seal((signer,), lambda: 1_700_000_000))
    raw = builder.build(replace(VALUES, names=tuple(names), segments=FIRST))
    verifies = partial(dkim.verify, dnsfunc=lambda name, timeout=5: record[name])  # noqa: ARG005 - dkimpy's shape
    assert verifies(raw)
    assert not verifies(raw.replace(b"One-Click", b"No-Click"))
    assert not verifies(raw.replace(b"Dear", b"Deer", 1))
    unsigned = built(letter_of("meeting"), replace(VALUES, names=tuple(names), segments=FIRST))
    assert raw.endswith(unsigned)
