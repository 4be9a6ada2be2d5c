"""Reading survives anything: specimens broken in every way that mail gets broken, and mails built to be slow (B10)."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.bounce import Kind, Report, read
from mailer.core.bounce.finding import MAX_DIAGNOSTIC

SPECIMENS = [eml.read_bytes() for eml in sorted((Path(__file__).parent / "specimens").glob("*.eml"))]
MANY, A_BATCH = 100_000, 50
GRAFTS = (
    *(
        b"\x00",
        b"\r",
        b"\n\n",
        b"\n",
        b"--",
        b'"',
        b"<",
        b">",
        b"((((",
        b"[",
        b"@",
        b"a@b.example",
        b"\xff\xfe",
        b"\x1b$B",
        b"+ZZ",
    ),
    *(
        b"=?utf-8?b?A",
        b"=?x?q?=",
        b"boundary=",
        b"multipart/",
        b"message/rfc822",
        b"Content-Transfer-Encoding: base64\n",
    ),
    *(
        b"Content-Transfer-Encoding: quoted-printable\n",
        b"Content-Type: text/html\n\n",
        b"; charset=utf-7",
        b"; charset=unicode_escape",
    ),
    *(
        b"Action: failed\n",
        b"Status: 9.9.9\n",
        b"Final-Recipient: rfc822; \xe2\x80\xae@x\n",
        b"550 5.1.1 ",
        b"<style>",
        b"<!--",
    ),
    *(
        b'{"Message":',
        b"\\x{110000}",
        b"\\ud800",
        b"\xe2\x80\xa8",
        b"Original message follows\n",
        b"could not be delivered\n",
    ),
)
Wound = tuple[float, int, bytes, int]


def _wounded(raw: bytes, wounds: list[Wound]) -> bytes:
    for where, length, graft, times in wounds:
        start = int(where * len(raw))
        raw = raw[:start] + graft * times + raw[start + length :]
    return raw


def _is_bounded(report: Report) -> None:
    assert report.kind in Kind
    assert len(report.findings) <= 100
    for finding in report.findings:
        assert len(finding.diagnostic) <= MAX_DIAGNOSTIC
        assert finding.recipient is None or len(finding.recipient) <= 5000
        assert finding.status is None or finding.status[0] in "245"
        assert finding.reply_code is None or 200 <= finding.reply_code <= 599
    for names in (report.delivered_to, report.message_ids, report.envelope_ids, report.return_paths):
        assert len(names) <= 50


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(SPECIMENS),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 200), st.sampled_from(GRAFTS), st.integers(0, 30)), max_size=8),
)
def test_a_broken_specimen_gives_a_report_within_its_bounds(raw: bytes, wounds: list[Wound]) -> None:
    _is_bounded(read(_wounded(raw, wounds)))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SPECIMENS), st.sampled_from(SPECIMENS), st.floats(0, 1), st.floats(0, 1))
def test_two_specimens_grown_together_give_a_report(one: bytes, other: bytes, here: float, there: float) -> None:
    _is_bounded(read(one[: int(here * len(one))] + other[int(there * len(other)) :]))


@pytest.mark.long
@settings(max_examples=MANY // A_BATCH, deadline=None)
@given(st.integers(0, 2**64))
def test_a_hundred_thousand_broken_specimens_give_reports(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(A_BATCH):
        wounds = [
            (chance.random(), chance.randrange(200), chance.choice(GRAFTS), chance.randrange(30))
            for _ in range(chance.randrange(8))
        ]
        _is_bounded(read(_wounded(chance.choice(SPECIMENS), wounds)))
