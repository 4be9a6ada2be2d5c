"""The demo's reports are real ones: the standard library and our own reader both understand them."""

from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest

from mailer.core.bounce import Kind, Reason, read
from mailer.demo import postmaster

LETTER = (
    b"From: chair@example.org\r\nTo: anna@example.net\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Message-ID: <c0ffee@example.org>\r\n\r\nThe body of the letter\r\n"
)
NOW = datetime(2026, 11, 3, 9, 14, tzinfo=UTC)
PATH = "b+tok3n@bounce.example.org"
Answer = Callable[..., bytes]


def _report(answer: Answer, recipient: str = "anna@example.net", **more: str) -> bytes:
    return answer(LETTER, recipient=recipient, return_path=PATH, now=NOW, boundary="=_1", **more)


def _failed(recipient: str = "anna@example.net", diagnostic: str = "550 5.1.1 User unknown") -> bytes:
    return _report(postmaster.delivery_status, recipient, status="5.1.1", diagnostic=diagnostic)


ALL = [
    _failed(),
    *map(_report, (postmaster.full_mailbox_delay, postmaster.complaint, postmaster.out_of_office)),
]


@pytest.mark.parametrize("raw", ALL)
def test_every_answer_goes_to_the_return_path_and_comes_from_nobody(raw: bytes) -> None:
    message = message_from_bytes(raw, policy=policy.SMTP)
    assert (message["Return-Path"], message["Delivered-To"], message["To"]) == ("<>", PATH, PATH)
    assert not message.defects
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@pytest.mark.parametrize("raw", ALL[:3])
def test_a_report_has_three_parts_and_returns_headers_only(raw: bytes) -> None:
    message = message_from_bytes(raw, policy=policy.SMTP)
    assert message.get_content_type() == "multipart/report"
    human, machine, returned = message.iter_parts()
    assert human.get_content_type() == "text/plain"
    assert machine.get_content_type() == f"message/{message.get_param('report-type')}"
    assert returned.get_content_type() == "text/rfc822-headers"
    assert "<c0ffee@example.org>" in returned.get_content()
    assert b"The body" not in raw


def test_each_answer_is_read_for_what_it_is() -> None:
    reports = [read(raw) for raw in ALL]
    assert [report.kind for report in reports] == [Kind.HARD, Kind.SOFT, Kind.COMPLAINT, Kind.AUTOREPLY]
    assert reports[1].findings[0].reason is Reason.DELAYED, "nothing is counted for that"
    assert all(report.findings[0].recipient == "anna@example.net" for report in reports[:3])
    assert all(report.message_ids == ("<c0ffee@example.org>",) for report in reports[:3])


def test_an_international_address_is_reported_as_rfc_6533_asks() -> None:
    raw = _failed("jürgen@example.net")
    assert b"message/global-delivery-status" in raw
    assert read(raw).findings[0].recipient == "jürgen@example.net"


def test_a_diagnostic_cannot_write_a_field_of_its_own() -> None:
    (finding,) = read(_failed(diagnostic="550 5.1.1 no\r\n\r\nFinal-Recipient: rfc822; eve@example.com")).findings
    assert finding.recipient == "anna@example.net"
