"""The comparison counts what it says it counts."""

import json
from pathlib import Path

import pytest

from mailer.bench.bounce_corpus import Truth, corpus
from mailer.bench.bounce_readers import Answer, Reading, flufl, ours, timed
from mailer.bench.bounce_score import score
from mailer.bench.bounces import Comparison, compare

QMAIL = b"""From: MAILER-DAEMON@mx.example.net
Subject: failure notice

Hi. This is the qmail-send program at mx.example.net.

<member@example.net>:
192.0.2.7 does not like recipient.
Remote host said: 550 5.1.1 No such user here
"""
DEAD, LIVING = ("5.1.1", True), ("5.2.2", False)


def _truth(kind: str | None = "bounce", failed: dict[str, tuple[str | None, bool | None]] | None = None) -> Truth:
    return Truth(QMAIL, Path("a.eml"), kind, failed or {}, frozenset({"alias@example.net"}), bool(failed))


def _reading(*answers: Answer) -> Reading:
    return Reading(answers, 0.5)


def test_a_right_answer_counts_everywhere() -> None:
    found = score("x", [_truth(failed={"a@example.net": DEAD})], [_reading(Answer("A@example.net", "5.1.1", "hard"))])
    assert found.ratios() == {
        "recall": 1, "precision": 1, "dead or living": 1, "false hard": None, "status": 1, "complaints": None,
    }  # fmt: skip
    assert found.slowest_ms == 500


def test_a_living_address_called_dead_is_the_costly_mistake() -> None:
    found = score("x", [_truth(failed={"a@example.net": LIVING})], [_reading(Answer("a@example.net", None, "hard"))])
    assert (found.ratios()["false hard"], found.ratios()["dead or living"], found.ratios()["status"]) == (1, 0, 0)


def test_an_alias_is_found_but_neither_right_nor_wrong() -> None:
    found = score("x", [_truth(failed={"a@example.net": DEAD})], [_reading(Answer("alias@example.net", None, "hard"))])
    assert (found.recalled, found.named, found.rightly) == (1, 0, 0)


def test_a_stranger_who_is_named_costs_precision() -> None:
    found = score("x", [_truth(failed={"a@example.net": DEAD})], [_reading(Answer("who@example.net", None, "soft"))])
    assert (found.recalled, found.named, found.rightly) == (0, 1, 0)


@pytest.mark.parametrize("kind", ["autoreply", "none", "delivered"])
def test_an_ordinary_mail_called_a_bounce_is_counted(kind: str) -> None:
    found = score("x", [_truth(kind)] * 2, [_reading(Answer("a@example.net", None, "soft")), _reading()])
    assert (found.ordinary, found.ordinary_bounced) == (2, 1)


def test_a_complaint_called_a_bounce_as_well_is_not_read() -> None:
    complaint = Answer(None, None, "complaint")
    found = score(
        "x", [_truth("complaint")] * 2, [_reading(complaint), _reading(complaint, Answer("a@b", None, "hard"))]
    )
    assert (found.complaints, found.complaints_read) == (2, 1)


def test_a_reader_that_raises_is_counted_and_the_run_goes_on() -> None:
    def broken(_: bytes) -> tuple[Answer, ...]:
        raise ZeroDivisionError

    reading = timed(broken, QMAIL)
    assert reading.answers is None
    assert score("x", [_truth(failed={"a@example.net": DEAD})], [reading]).raised == 1


def test_both_readers_know_a_plain_refusal() -> None:
    assert ours(QMAIL) == (Answer("member@example.net", "5.1.1", "hard"),)
    assert flufl(QMAIL) == (Answer("member@example.net", None, "hard"),)


def test_a_corpus_is_read_without_its_copies(tmp_path: Path) -> None:
    row = {"kind": "bounce", "rows": [{"rcpt": "member@example.net", "status": "5.1.1", "hard": True}], "tolerated": []}
    for name, about in (("a", {}), ("b", {"copy_of": "a"})):
        (tmp_path / name / "msgs").mkdir(parents=True)
        (tmp_path / name / "msgs" / "1.eml").write_bytes(QMAIL)
        truth = {"about": about, "messages": {"1.eml": row}}
        (tmp_path / name / "truth.json").write_text(json.dumps(truth), encoding="utf-8")
    (mail,) = corpus(tmp_path)
    assert mail.failed == {"member@example.net": DEAD}


def test_our_own_specimens_are_known_by_heart() -> None:
    (found, _, *_) = compare().scores
    assert found.ratios() == {
        "recall": 1, "precision": 1, "dead or living": 1, "false hard": 0, "status": 1, "complaints": 1,
    }  # fmt: skip
    assert (found.ordinary_bounced, found.raised) == (0, 0)


def test_the_table_and_the_document_say_the_same() -> None:
    found = score("x", [_truth(failed={"a@example.net": DEAD})], [_reading(Answer("a@example.net", None, "hard"))])
    comparison = Comparison("here", (found,), parsed_per_second=4.0)
    assert comparison.markdown().splitlines()[-1] == (
        "| x | 100.0 % | 100.0 % | 100.0 % | - | 0.0 % | - | 0 of 0 | 0 | 2 | 0.50 | 500.0 ms |"
    )
    (row,) = comparison.to_json()["readers"]  # type: ignore[misc, attr-defined]
    assert (row["recall"], row["status"], row["per_second"]) == (1, 0, 2)
    json.dumps(comparison.to_json())
