"""A report is matched by our own signature or not at all (standards B3)."""

from pathlib import Path

import pytest

from mailer.core.bounce import How, Match, match, read

RAW = (Path(__file__).parent / "specimens" / "rfc3464_01.eml").read_bytes().replace(b"\r\n", b"\n")
OURS = "b+tok3n@bounce.example.org"
WITHOUT_PATH = RAW.replace(OURS.encode(), b"abuse@example.org")


def _path(address: str) -> int | None:
    return 17 if address == OURS else None


def _message_id(message_id: str) -> int | None:
    return 18 if message_id == "<c0ffee.17@example.org>" else None


def _nothing(_: str) -> None:
    return None


def test_the_return_path_comes_first() -> None:
    assert match(read(RAW), _path, _message_id) == Match(17, How.RETURN_PATH)


@pytest.mark.parametrize("header", ["X-Original-To", "Envelope-To", "X-Envelope-To", "To", "X-Delivered-To", "Cc"])
def test_the_return_path_is_found_wherever_servers_write_it(header: str) -> None:
    raw = f"{header}: Somebody <{OURS}>\n".encode() + WITHOUT_PATH
    assert match(read(raw), _path, _nothing) == Match(17, How.RETURN_PATH)


@pytest.mark.parametrize("envid", ["b+2Btok3n@bounce.example.org", "<c0ffee.17@example.org>"])
def test_then_the_envelope_id_decoded_from_xtext(envid: str) -> None:
    raw = WITHOUT_PATH.replace(b"X-Postfix-Queue-ID: 4F1A2", f"Original-Envelope-Id: {envid}".encode())
    found = match(read(raw), _path, _message_id)
    assert found is not None
    assert found.how is How.ENVELOPE_ID


def test_an_envelope_id_keeps_its_case() -> None:
    raw = WITHOUT_PATH.replace(b"X-Postfix-Queue-ID: 4F1A2", b"Original-Envelope-Id: AbC+2Bd")
    assert read(raw).envelope_ids == ("AbC+d",)


def test_then_the_message_id_of_the_returned_letter() -> None:
    assert match(read(WITHOUT_PATH), _path, _message_id) == Match(18, How.MESSAGE_ID)


def test_a_complaint_sent_elsewhere_is_matched_by_the_path_it_quotes() -> None:
    raw = (Path(__file__).parent / "specimens" / "rfc5965_01.eml").read_bytes()
    head, blank, body = raw.partition(b"\n\n")
    elsewhere = head.replace(OURS.encode(), b"abuse@example.org") + blank + body
    assert match(read(elsewhere), _path, _nothing) == Match(17, How.RETURN_PATH)


def test_a_forged_report_that_names_a_victim_matches_nobody() -> None:
    asked: list[str] = []

    def ask(value: str) -> None:
        asked.append(value)

    report = read(WITHOUT_PATH)
    assert report.findings[0].recipient == "member@example.net"
    assert match(report, ask, ask) is None
    assert "member@example.net" not in asked
