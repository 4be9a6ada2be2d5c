"""Reading never raises and stays within its bounds, whatever the bytes (standards B10)."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.bounce import Kind, Reason, mime, read
from mailer.core.bounce.finding import MAX_DIAGNOSTIC
from mailer.core.verdict import Class

STATUS = (Path(__file__).parent / "specimens" / "rfc3464_06.eml").read_bytes()


@given(st.binary(max_size=2000))
def test_random_bytes_give_a_report(raw: bytes) -> None:
    assert read(raw).kind in Kind


SYSTEM = b"From: MAILER-DAEMON@mx.example.net\nSubject: failure notice\n"
# Words that a careless pattern or parser would ponder for minutes, or die of.
SLOW = (
    *(
        b"\ncould not be delivered\n" + words * 200_000
        for words in (b" ", b"-", b"> ", b"a@", b"a@b.", b"a.", b'"a', b"<")
    ),
    *(
        b"\nundeliverable\n" + words * 100_000
        for words in (b"mail to  \n", b"a@b.example\n", b"received:", b"to: a@b.example\n")
    ),
    *(b"\n<a@b.example>: " + words * 100_000 for words in (b"said: 5", b"550 5.1.1-'", b"a.b.c.d.", b">>> ")),
    b"\n" + b"Final-Recipient: rfc822; a@b.example\nAction: failed\n\n" * 40_000,
    b"Content-Type: text/html\n\nundeliverable" + b"<a " * 500_000,
    b"Content-Type: text/html\n\nundeliverable" + b"<style>" * 200_000,
    b"Content-Type: text/html\n\nundeliverable &#" + b"9" * 5000 + b";",
    b"x-amz-sns-message-id: 1\n\n" + b"[" * 1_000_000,
    b"x-amz-sns-message-id: 1\n\n{" + b"\n" * 1_000_000,
    b"\nundeliverable\nOriginal message follows\n\nTo: " + b"(" * 1_000_000,
    b"X-Failed-Recipients: " + b"a@b.example," * 100_000 + b"\n\nundeliverable",
)


def _nested(levels: int) -> bytes:
    """The report of STATUS inside so many multiparts more."""
    raw = STATUS
    for level in range(levels):
        head = f"Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n".encode()
        raw = head + raw + f"\n--b{level}--\n".encode()
    return raw


def test_a_report_within_twenty_levels_is_found_and_one_below_is_not() -> None:
    assert read(_nested(mime.MAX_LEVELS - 2)).kind is Kind.HARD
    assert read(_nested(mime.MAX_LEVELS - 1)).kind is Kind.NONE
    assert read(_nested(3000)).kind is Kind.NONE


def test_what_lies_beyond_two_megabytes_is_not_read() -> None:
    filler = b"x" * 78 + b"\r\n"
    head, boundary, rest = STATUS.partition(b"--4F1A2/mx.example.net\nContent-Type: message/delivery-status")
    within = head + filler * 20_000 + b"\n" + boundary + rest
    beyond = head + filler * 27_000 + b"\n" + boundary + rest
    assert read(within).kind is Kind.HARD
    assert read(beyond).kind is Kind.NONE


@pytest.mark.parametrize(
    "raw",
    [
        b"a:\n" * 700_000,
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * 400_000,
        b'Content-Type: multipart/mixed; boundary="' + b'boundary="' * 200_000,
        b"To: " + b"<" * 2_000_000,
        b"Subject: " + b"=?utf-8?q?x?= " * 100_000,
        STATUS.replace(b"Action: failed", b"Action: " + b"(" * 1_900_000),
        STATUS.replace(b"Diagnostic-Code: smtp;", b"Diagnostic-Code: smtp; " + b"550 5.1.1 " * 190_000),
        STATUS.replace(b"\n\nFinal", b"\n\n" + b"Final-Recipient: x;a@b\n\n" * 80_000 + b"Final"),
        *(SYSTEM + words for words in SLOW),
    ],
    ids=["headers", "parts", "quotes", "brackets", "words", "comments", "codes", "blocks", *map(str, range(len(SLOW)))],
)
def test_two_megabytes_built_to_be_slow_are_read_within_bounds(raw: bytes) -> None:
    report = read(raw)
    assert len(report.findings) <= 100
    assert len(report.delivered_to) <= 50


def test_an_encoded_report_is_decoded_and_a_broken_one_is_read_as_it_stands() -> None:
    head, _, machine = STATUS.partition(b"Content-Type: message/delivery-status\n\n")
    body, _, tail = machine.partition(b"\n--4F1A2")
    said = b"Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n"
    whole = head + said + base64.encodebytes(body) + b"\n--4F1A2" + tail
    assert read(whole).kind is Kind.HARD
    assert read(head + said + body + b"A\n--4F1A2" + tail).kind in Kind


def test_a_part_that_only_claims_to_be_encoded_is_read_as_it_stands() -> None:
    part = mime.parse(b"Content-Transfer-Encoding: base64\n\nA")
    assert part.decoded() == b"A"


@pytest.mark.parametrize(
    "subject", ["=?unicode_escape?q?\\N\\q?=", "=?x-unknown?q?hi?=", "=?utf-8?b?A?=", "=?utf-8?q?=zz?="]
)
def test_an_encoded_word_that_cannot_be_decoded_does_no_harm(subject: str) -> None:
    (finding,) = read(f"Subject: {subject}\nX-Autoreply: yes\n\n".encode()).findings
    assert finding.kind is Kind.AUTOREPLY


def test_a_charset_that_is_no_charset_is_not_obeyed() -> None:
    raw = STATUS.replace(b"message/delivery-status\n", b"message/delivery-status; charset=unicode_escape\n")
    assert read(raw.replace(b"User unknown", b"\\N{BULLET} \\q User unknown")).kind is Kind.HARD


def test_a_finding_carries_the_class_that_the_mailbox_is_judged_by() -> None:
    assert [finding.klass for finding in read(STATUS).findings] == [Class.HARD]


def test_a_long_diagnostic_is_cut_at_what_may_be_stored() -> None:
    finding = read(STATUS.replace(b"User unknown", b"User unknown " + b"x" * 900)).findings[0]
    assert len(finding.diagnostic) == MAX_DIAGNOSTIC
    assert finding.reason is Reason.USER_UNKNOWN


def test_a_report_tells_its_own_name_and_whether_nobody_sent_it() -> None:
    report = read(STATUS)
    assert report.report_id == "<4F1A2@mx.example.net>"
    assert report.null_sender is True
    assert read(STATUS.replace(b"Return-Path: <>", b"Return-Path: <a@example.net>")).null_sender is False
    assert read(STATUS.replace(b"Return-Path: <>\n", b"")).null_sender is None
