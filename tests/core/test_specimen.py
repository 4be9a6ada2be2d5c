"""A specimen keeps what a detector needs, and nothing that leads to a person."""

import base64
import quopri
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.bounce import read
from mailer.core.specimen import specimen

SPECIMENS = sorted((Path(__file__).parent / "bounce" / "specimens").glob("rfc*.eml"))
LETTERS = "abcdefghijklmnopqrstuvwxyz"
labels = st.text(LETTERS + "0123456789", min_size=4, max_size=12).map(lambda text: f"q{text}")
addresses = st.builds("{}.{}@{}.{}".format, labels, labels, labels, st.sampled_from(["org", "co.uk", "net"]))
names = st.text(LETTERS, min_size=5, max_size=12).map(lambda text: f"Zq{text}")
encodings = st.sampled_from(["8bit", "base64", "quoted-printable"])

REPORT = """\
Return-Path: <>
From: "{name} Mailer" <MAILER-DAEMON@{host}>
To: {name} {other} <b+{token}@bounces.example.org>
Subject: Undeliverable: {name}
X-{name}: {address}
Message-ID: <20261121.4711@{host}>
Content-Type: multipart/report; report-type=delivery-status; boundary="=_b"

--=_b
Content-Type: {kind}; name="{name}.txt"
Content-Transfer-Encoding: {encoding}

{human}
--=_b
Content-Type: message/delivery-status

Reporting-MTA: dns; {host}

Final-Recipient: rfc822; {address}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <{address}>: {name} is not here (see https://{host}/?to={address} [192.168.7.9])

--=_b
Content-Type: message/rfc822

To: {name} <{address}>
Subject: News

Dear {name}, click https://news.example.org/u/{token}
--=_b--
"""
HUMAN = "Dear {name},\n{address} is unknown at {host}. Ask {other}.{address}, or\nverp {local}={domain}@{host}\n"


def encoded(text: str, encoding: str) -> str:
    raw = text.encode()
    if encoding == "base64":
        return base64.encodebytes(raw).decode()
    return quopri.encodestring(raw).decode() if encoding == "quoted-printable" else text


def written(address: str, name: str, other: str, encoding: str = "8bit", kind: str = "text/plain") -> str:
    local, _, domain = address.partition("@")
    parts = {"address": address, "name": name, "other": other, "host": f"mx1.{domain}", "local": local}
    human = encoded(HUMAN.format(**parts, domain=domain), encoding)
    return REPORT.format(**parts, encoding=encoding, kind=kind, human=human, token="ea" + "q7" * 19)


@settings(max_examples=150, deadline=None)
@given(addresses, names, names, encodings, st.sampled_from(["text/plain", "text/html"]))
def test_no_address_host_name_or_token_is_left(address: str, name: str, other: str, encoding: str, kind: str) -> None:
    shown = specimen(written(address, name, other, encoding, kind).encode(), [other]).decode().lower()
    local, _, domain = address.partition("@")
    for secret in (address, domain, name, other, *local.split("."), "q7q7", "192.168.7.9", "4711"):
        assert secret.lower() not in shown
    left = re.findall(r"[\w.+-]+@[\w.-]+", shown)
    assert left
    assert all(re.fullmatch(r"person\d+@example\.org", each) for each in left)


@settings(max_examples=100, deadline=None)
@given(addresses, st.text(max_size=60), st.text(max_size=60))
def test_an_address_is_found_between_any_other_text(address: str, before: str, after: str) -> None:
    text = f"Subject: x\n\n{before} {address} {after}"
    assert address not in specimen(text.encode("utf-8", "replace"), []).decode()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_nothing_makes_it_raise(raw: bytes) -> None:
    specimen(raw, ["Gwen Gone"])


def test_a_report_still_says_what_it_said() -> None:
    raw = written("gwen.gone@example.com", "Gwendolen", "Gone")
    before, after = read(raw.encode()), read(specimen(raw.encode(), []))
    assert [(f.kind, f.reason, f.status, f.detector) for f in after.findings] == [
        (f.kind, f.reason, f.status, f.detector) for f in before.findings
    ]
    assert re.fullmatch(r"person\d@example\.org", after.findings[0].recipient or "")


@pytest.mark.parametrize("path", SPECIMENS, ids=lambda path: path.stem)
def test_our_own_specimens_are_read_alike_when_scrubbed(path: Path) -> None:
    raw = path.read_bytes()
    assert read(specimen(raw, [])).kind == read(raw).kind


def test_the_same_thing_is_the_same_example_everywhere() -> None:
    shown = specimen(b"Subject: a\n\na.b@example.com A.B@example.com c@example.com", []).decode()
    assert shown.endswith("person1@example.org person1@example.org person2@example.org\n")


def test_a_mail_system_is_still_known_as_one_and_a_member_never_is() -> None:
    raw = b"From: Mail Delivery System <MAILER-DAEMON@mx.example.com>\n\nMail delivery failed: returned to Post Root"
    assert specimen(raw, []).startswith(b"From: Mail Delivery System <person1@example.org>\n")
    assert specimen(raw, ["Post Root"]).endswith(b"Mail delivery failed: returned to Example Example\n")


def test_times_and_codes_stay() -> None:
    assert "at 10:15:30 550 5.1.1 no" in specimen(b"Subject: a\n\nat 10:15:30 550 5.1.1 no", []).decode()
