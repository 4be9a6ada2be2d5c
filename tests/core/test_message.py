import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from mailer.core.address import AddressError
from mailer.core.header import HeaderError
from mailer.core.message import AUTO_GENERATED, LetterHeaders, OneOff, fixed_fields, format_date, one_off
from mailer.core.personalise import Builder
from tests.core.lettering import (
    FACTS,
    HEADERS,
    VALUES,
    WORD,
    built,
    header_names,
    hostile_text,
    parts,
    read,
    sample_letter,
)

LETTER_FIELDS = [
    "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Id", "List-Unsubscribe",
    "List-Unsubscribe-Post", "List-Help", "List-Owner", "List-Post", "MIME-Version", "Content-Type",
]  # fmt: skip
ONE_OFF_FIELDS = [
    "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
]  # fmt: skip

FAREWELL = OneOff(
    from_name="Riverside",
    from_address="letters@example.org",
    reply_to="secretary@example.org",
    to_name="",
    to_address="ann@example.net",
    subject="You have been taken off The Chair's Letter",
    text="Goodbye.\n.\nFrom us\n",
    html="<!DOCTYPE html><p>Goodbye.</p>\n",
    message_id="q7.k2m@letters.example.org",
    date="Tue, 01 Dec 2026 09:00:00 +0000",
    boundary=f"=_{WORD}",
)


def test_a_letter_has_exactly_the_fields_on_the_list_and_each_once() -> None:
    """L19, F1, F21: an allow-list, so that nothing else can slip in."""
    assert header_names(built(sample_letter())) == LETTER_FIELDS


def test_precedence_is_added_where_it_is_asked_for_and_nothing_else_changes() -> None:
    raw = Builder(sample_letter(), replace(HEADERS, precedence=True)).build(VALUES)
    assert b"\r\nPrecedence: list\r\n" in raw
    assert raw.replace(b"Precedence: list\r\n", b"") == built(sample_letter())


def test_what_the_machine_answers_says_so_and_has_no_list_fields() -> None:
    raw = one_off(FAREWELL)
    assert header_names(raw) == ONE_OFF_FIELDS
    assert b"\r\nAuto-Submitted: auto-replied\r\n" in raw
    alarm = one_off(replace(FAREWELL, automatic=AUTO_GENERATED))
    assert b"\r\nAuto-Submitted: auto-generated\r\n" in alarm
    assert parts(raw) == (FAREWELL.text.rstrip("\n"), FAREWELL.html.rstrip("\n"))


def test_a_letter_that_a_person_wrote_does_not_claim_to_be_automatic() -> None:
    assert b"auto-submitted" not in built(sample_letter()).split(b"\r\n\r\n")[0].lower()


def test_the_list_fields_are_as_receivers_demand() -> None:
    """L1, L2, L11, L12, on the raw lines."""
    head = built(sample_letter()).split(b"\r\n\r\n")[0].decode()
    assert head.count("List-Unsubscribe-Post:") == 1
    assert "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in head
    unfolded = head.replace("\r\n ", " ")
    assert re.findall(r"(?m)^List-Unsubscribe: +(.*?)\r?$", unfolded) == [f"<{VALUES.leave_url}>"]
    assert re.search(r"(?m)^List-Id: .* <chairs-letter\.lists\.example\.org>\r?$", unfolded)
    assert "\r\nList-Help: <https://www.example.org/letters>\r\n" in head
    assert "\r\nList-Owner: <mailto:secretary@example.org>\r\n" in head
    assert "\r\nList-Post: NO\r\n" in head


def test_a_new_title_does_not_change_what_identifies_the_list() -> None:
    renamed = replace(HEADERS, facts=replace(FACTS, title="Letter from the Chair"))
    ids = [
        re.search(rb"List-Id: [^<]*<([^>]*)>", fixed_fields(headers, "S", f"=_{WORD}").before_leave)
        for headers in (HEADERS, renamed)
    ]
    assert [found[1] for found in ids if found] == [b"chairs-letter.lists.example.org"] * 2


def test_a_list_id_over_255_characters_is_refused() -> None:
    with pytest.raises(HeaderError, match="255"):
        fixed_fields(replace(HEADERS, facts=replace(FACTS, title="A" * 250)), "S", f"=_{WORD}")


@pytest.mark.parametrize("field", ["from_address", "reply_to"])
def test_an_address_of_ours_that_is_none_is_refused(field: str) -> None:
    headers: LetterHeaders = replace(HEADERS, **{field: "letters@example.org\r\nBcc: b@example.org"})  # type: ignore[arg-type]
    with pytest.raises(AddressError):
        fixed_fields(headers, "S", f"=_{WORD}")


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (datetime(2026, 3, 29, 0, 59, 59, tzinfo=ZoneInfo("Europe/London")), "Sun, 29 Mar 2026 00:59:59 +0000"),
        (datetime(2026, 3, 29, 2, 0, tzinfo=ZoneInfo("Europe/London")), "Sun, 29 Mar 2026 02:00:00 +0100"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=ZoneInfo("Europe/London")), "Sun, 25 Oct 2026 01:30:00 +0100"),
        (datetime(2026, 10, 25, 1, 30, fold=1, tzinfo=ZoneInfo("Europe/London")), "Sun, 25 Oct 2026 01:30:00 +0000"),
        (datetime(2028, 2, 29, 12, 0, tzinfo=ZoneInfo("UTC")), "Tue, 29 Feb 2028 12:00:00 +0000"),
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=timezone(-timedelta(hours=3.5))), "Thu, 31 Dec 2026 23:59:59 -0330"),
    ],
)
def test_a_date_has_its_weekday_and_a_numeric_zone(at: datetime, value: str) -> None:
    assert format_date(at) == value
    assert parsedate_to_datetime(value).timestamp() == at.timestamp()
    assert read(one_off(replace(FAREWELL, date=value)))["Date"].datetime.timestamp() == at.timestamp()


def test_a_time_without_a_zone_is_no_date() -> None:
    with pytest.raises(HeaderError, match="no zone"):
        format_date(datetime(2026, 12, 1, 9, 0))  # noqa: DTZ001 - what is refused here


def test_a_boundary_that_could_stand_in_a_part_is_refused() -> None:
    with pytest.raises(HeaderError, match="boundary"):
        one_off(replace(FAREWELL, boundary="plain"))


@given(hostile_text, hostile_text, hostile_text)
def test_a_hostile_answer_is_refused_or_has_the_same_fields(name: str, subject: str, text: str) -> None:
    body = text.encode("utf-8", "replace").decode()
    try:
        raw = one_off(replace(FAREWELL, to_name=name, subject=subject, text=body, html=body))
    except HeaderError:
        return
    assert header_names(raw) == ONE_OFF_FIELDS
    message = read(raw)
    assert message.keys() == ONE_OFF_FIELDS
    assert [address.addr_spec for address in message["To"].addresses] == [FAREWELL.to_address]
    assert len(list(message.iter_parts())) == 2
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\r\n\.", raw)


def test_every_signer_signs_the_same_fields_and_stands_above_them() -> None:
    seen: list[tuple[list[tuple[bytes, bytes]], bytes]] = []

    def sign(headers: object, body: bytes) -> bytes:
        seen.append((list(headers), body))  # type: ignore[call-overload]
        return b"DKIM-Signature: v=1\r\n"

    raw = one_off(FAREWELL, [sign, sign])
    unsigned = one_off(FAREWELL)
    assert raw == b"DKIM-Signature: v=1\r\n" * 2 + unsigned
    (fields, body), again = seen
    assert (fields, body) == again
    assert b"".join(b"%b:%b\r\n" % field for field in fields) + b"\r\n" + body == unsigned
