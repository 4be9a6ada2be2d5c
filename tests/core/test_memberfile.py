"""The members' file: columns by header, cells by grammar, and no subscription without a proven consent."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.audience import Standing
from mailer.core.consent import Channel
from mailer.core.membercell import GIVEN_BY
from mailer.core.membercolumn import Column, Part, StreamName
from mailer.core.memberfile import read
from mailer.core.memberrow import MemberFile, Row, StatedConsent, StatedDeparture
from mailer.core.tabular import TableError
from tests.spreadsheet import sheet

TODAY = date(2026, 11, 22)
LONDON, EAST, NORFOLK = 1, 2, 3
REGIONS = {
    "london": LONDON,
    "London": LONDON,
    "east-of-england": EAST,
    "East of England": EAST,
    "norfolk": NORFOLK,
}
NEWS = 10_000
NOTICES = {LONDON: 20_001, EAST: 20_002, NORFOLK: 20_003}
ALL_NOTICES = frozenset(NOTICES.values())
STREAMS = {
    "chairs-newsletter": StreamName(NEWS, frozenset({1, 2})),
    "local-notices/london": StreamName(NOTICES[LONDON], frozenset({1}), LONDON),
    "local-notices/east-of-england": StreamName(NOTICES[EAST], frozenset({1}), EAST),
    "local-notices/norfolk": StreamName(NOTICES[NORFOLK], frozenset({1}), NORFOLK),
}
NEWS_CONSENT = {
    "chairs-newsletter consent date": "2025-03-04",
    "chairs-newsletter consent channel": "paper form",
    "chairs-newsletter consent wording": "2",
    "chairs-newsletter consent evidence": "form 17, folder B",
}
LOCAL_CONSENT = {
    "local-notices consent date": "04/03/2025",
    "local-notices channel": "Event",
    "local-notices wording": "v1",
    "local-notices evidence": "sheet of the AGM",
}


def read_file(*people: dict[str, str]) -> MemberFile:
    return read(sheet(*people), regions=REGIONS, streams=STREAMS, today=TODAY)


def one(**cells: str) -> Row:
    found = read_file({"number": "1"} | cells)
    assert found.complaints == ()
    return found.rows[0]


def complaint(cells: dict[str, str]) -> tuple[Row, str]:
    found = read_file({"number": "1"} | cells)
    assert len(found.complaints) == 1, found.complaints
    assert found.complaints[0].line == 2
    return found.rows[0], str(found.complaints[0])


@pytest.mark.parametrize(
    "header",
    [
        "number;name;e-mail;standing;regions;telephone;postal address;language",
        "Membership_No;NAME;Email;Standing;Region;Phone;Address;LANG",
        "member number;Full Name;E-Mail Address;standing;REGIONS;Tel.;Postal_Address;preferred language",
    ],
)
def test_columns_are_found_whatever_a_spreadsheet_calls_them(header: str) -> None:
    raw = (
        f'{header}\nA-17;Zoë  O\u2019Brien;Zoe@Example.org;Supporter;"norfolk; East of England";'
        '+44 1603 0;"1 High St\r\nNorwich";EN-gb\n'
    )
    found = read(raw.encode(), regions=REGIONS, streams=STREAMS, today=TODAY)
    assert (found.complaints, found.unknown_columns) == ((), ())
    (row,) = found.rows
    assert row.address is not None
    assert (row.number, row.name, row.address.text) == ("A-17", "Zoë O\u2019Brien", "Zoe@example.org")
    assert (row.standing, row.regions) == (Standing.SUPPORTER, {NORFOLK, EAST})
    assert (row.telephone, row.postal_address, row.language) == ("+44 1603 0", "1 High St\nNorwich", "en-GB")


def test_a_name_may_stand_in_two_columns() -> None:
    assert one(**{"First Name": "Mary Jane", "surname": "van der Berg"}).name == "Mary Jane van der Berg"
    assert one(**{"First Name": "", "surname": "Cher"}).name == "Cher"


def test_unknown_columns_are_named_and_never_dropped_in_silence() -> None:
    found = read_file({"number": "1", "shoe size": "7", "": "?", "chairs-newsletter consent": "yes"})
    assert found.unknown_columns == ("shoe size", "column 3, without a name", "chairs-newsletter consent")
    both = read_file({"number": "1", "name": "Ann Lee", "first name": "Ann"})
    assert both.unknown_columns == ("first name",)


@pytest.mark.parametrize(
    ("header", "advice"),
    [
        ("number,email,E-Mail", "mean the same"),
        ("telephone,name", "nobody can be recognised"),
        ("name\te-mail", "separated by comma or semicolon"),
        ("number,chairs-newsletter channel,chairs newsletter consent channel", "mean the same"),
    ],
)
def test_a_header_that_says_too_little_or_one_thing_twice_is_refused(header: str, advice: str) -> None:
    with pytest.raises(TableError, match=advice):
        read(f"{header}\n1,2,3\n".encode(), regions=REGIONS, streams=STREAMS, today=TODAY)


def test_a_complete_consent_is_taken_and_an_empty_one_is_none() -> None:
    (row,) = read_file({"number": "1"} | NEWS_CONSENT).rows
    assert row.consents == (
        StatedConsent(NEWS, frozenset({NEWS}), date(2025, 3, 4), Channel.PAPER_FORM, 2, "form 17, folder B"),
    )
    assert one(**dict.fromkeys(NEWS_CONSENT, "")).consents == ()


@pytest.mark.parametrize(
    ("part", "cell", "what"),
    [
        ("date", "", "lacks its date"),
        ("channel", " ", "lacks its channel"),
        ("wording", "", "lacks its wording"),
        ("evidence", "", "lacks its evidence"),
        ("date", "2026-11-23", "lies in the future"),
        ("date", "31/02/2025", "no day of the calendar"),
        ("date", "12/31/2025", "no day of the calendar"),
        ("date", "1/2/25", "is not a date"),
        ("date", "0225-01-01", "four figures"),
        ("date", "\u0662\u0660\u0662\u0665-01-01", "is not a date"),
        ("wording", "3", "no version of this list"),
        ("wording", "two", "no version of this list"),
        ("channel", "carrier pigeon", "not a way in which consent is given"),
        ("channel", "one_click", "not a way in which consent is given"),
        ("channel", "soft opt-in", "does not cover"),
        ("channel", "Soft_Opt-In (charity)", "does not cover"),
        ("channel", "membership terms", "Joining is not consenting"),
        ("channel", "pre-ticked box", "ticked beforehand"),
        ("channel", "legitimate interests", "needs the person's consent"),
    ],
)
def test_an_incomplete_consent_is_complained_of_and_gives_no_subscription(part: str, cell: str, what: str) -> None:
    header = f"chairs-newsletter consent {part}"
    row, said = complaint({"name": "Ann"} | NEWS_CONSENT | {header: cell})
    assert (row.name, row.consents, row.unread) == ("Ann", (), ())
    assert said.startswith(f"line 2, {header}: ")
    assert what in said


def test_a_missing_column_lacks_in_every_row() -> None:
    without = {name: cell for name, cell in NEWS_CONSENT.items() if not name.endswith("evidence")}
    row, said = complaint(without)
    assert row.consents == ()
    assert "chairs-newsletter consent evidence: " in said


@pytest.mark.parametrize(
    ("said", "channel"),
    [
        ("Paper_Form", Channel.PAPER_FORM),
        ("website", Channel.WEB_FORM),
        ("event", Channel.EVENT),
        ("E-Mail", Channel.EMAIL),
        ("email", Channel.EMAIL),
    ],
)
def test_the_ways_of_consenting_are_a_closed_vocabulary(said: str, channel: Channel) -> None:
    (row,) = read_file({"number": "1"} | NEWS_CONSENT | {"chairs-newsletter consent channel": said}).rows
    assert row.consents[0].channel is channel


def test_a_consent_by_telephone_needs_a_note_of_the_call() -> None:
    by_phone = NEWS_CONSENT | {"chairs-newsletter consent channel": "phone"}
    evidence = "chairs-newsletter consent evidence"
    assert "does not show a call" in complaint(by_phone | {evidence: "call"})[1]
    assert one(**by_phone | {evidence: "rang Cate, said yes please"}).consents[0].channel is Channel.TELEPHONE


def test_a_consent_for_local_notices_is_for_the_persons_own_regions() -> None:
    row = one(**LOCAL_CONSENT, regions="London / norfolk")
    assert [(c.stream, c.kin) for c in row.consents] == [
        (NOTICES[LONDON], ALL_NOTICES),
        (NOTICES[NORFOLK], ALL_NOTICES),
    ]
    assert "this row names none" in complaint(LOCAL_CONSENT)[1]


@pytest.mark.parametrize("region", ["east-of-england", "East of England", "EAST_OF_ENGLAND"])
def test_a_header_may_name_one_region_of_a_list(region: str) -> None:
    cells = {name.replace("local-notices", f"local-notices/{region}"): cell for name, cell in LOCAL_CONSENT.items()}
    assert [(c.stream, c.kin) for c in one(**cells, regions="london").consents] == [
        (NOTICES[EAST], frozenset({NOTICES[EAST]}))
    ]


def test_a_departure_needs_nothing_but_its_date() -> None:
    row = one(**{"chairs-newsletter left date": "1/6/2025", "chairs-newsletter left channel": "post"})
    assert row.departures == (StatedDeparture(frozenset({NEWS}), frozenset({NEWS}), date(2025, 6, 1), Channel.POST),)
    assert one(**{"local-notices left": "2025-06-01", "regions": "norfolk"}).departures[0].streams == {NOTICES[NORFOLK]}
    everywhere = one(**{"local-notices left": "2025-06-01"}).departures[0]
    assert (everywhere.streams, everywhere.channel) == (ALL_NOTICES, None)


def test_a_departure_that_cannot_be_read_makes_the_row_wait() -> None:
    row, said = complaint({"chairs-newsletter left date": "last spring"})
    assert row.unread == (("chairs-newsletter left date", "last spring"),)
    assert "is not a date" in said
    assert "but not when" in complaint({"chairs-newsletter left channel": "post"})[1]
    assert "not a way of leaving" in complaint({"chairs-newsletter left channel": "ghosting"})[1]


@pytest.mark.parametrize(
    ("column", "cell", "what"),
    [
        ("e-mail", "ann@@example.org", "not an e-mail address"),
        ("e-mail", "ann@example.org; bob@example.org", "not an e-mail address"),
        ("e-mail", "Ann <ann@example.org>", "not an e-mail address"),
        ("number", "1.2E+05", "has rewritten this number"),
        ("number", "=1+1", "cannot be a number"),
        ("number", "x" * 33, "33 characters"),
        ("name", "Ann\x00Lee", "NUL"),
        ("name", "Ann\r\nBcc: x", "carriage return"),
        ("name", "Ann\u2028Lee", "line separator"),
        ("name", "x" * 201, "Shorten it to at most 200"),
        ("name", "\ufdfa" * 12, "too long once it is written out"),
    ],
)
def test_where_who_it_is_cannot_be_read_the_row_keeps_it_and_waits(column: str, cell: str, what: str) -> None:
    row, said = complaint({column: cell})
    assert row.unread == ((column, cell),)
    assert what in said
    assert said.isprintable()


@pytest.mark.parametrize(
    ("column", "cell", "what"),
    [
        ("standing", "friend", "Use one of: member, supporter, claimed"),
        ("regions", "norfolk; Atlantis", "no region “Atlantis”"),
        ("regions", ";", "names no region"),
        ("telephone", "7.7E+9", "has rewritten"),
        ("telephone", "0\t1", "tab"),
        ("postal address", "1 High\x0bSt", "vertical tab"),
        ("language", "Welsh!", "language tag"),
        ("language", "en-abcdefgh-abcdefgh", "at most 16"),
    ],
)
def test_another_cell_that_cannot_be_read_leaves_what_is_known(column: str, cell: str, what: str) -> None:
    row, said = complaint({column: cell})
    assert row == Row(2, number="1")
    assert what in said


def test_a_row_with_more_cells_than_the_header_says_nothing() -> None:
    raw = b"number,name,chairs-newsletter left\n7,Lee, Ann,2025-01-01\n8,Bob\n9,Cy,,,\n"
    found = read(raw, regions=REGIONS, streams=STREAMS, today=TODAY)
    assert found.rows[0] == Row(2, unread=(("", "7 | Lee |  Ann | 2025-01-01"),))
    assert [row.number for row in found.rows[1:]] == ["8", "9"]
    assert [c.line for c in found.complaints] == [2]


def test_the_guard_that_our_export_puts_before_formulas_is_dropped() -> None:
    assert one(telephone="'+44 20", name="'=cmd|' /C calc'!A0").name == "=cmd|' /C calc'!A0"
    assert one(telephone="'+44 20").telephone == "+44 20"
    assert one(name="'t Hooft").name == "'t Hooft"
    assert one(name='=HYPERLINK("x")').name == '=HYPERLINK("x")'


def test_text_is_kept_in_normal_form_c() -> None:
    assert one(name="Zoe\u0308").name == "Zoë"


DOCUMENT = (Path(__file__).parents[2] / "docs" / "members-file.md").read_text()


def test_the_secretarys_page_names_every_column_and_word() -> None:
    words = {*Column, *(f"chairs-newsletter {part}" for part in Part), *Standing, *GIVEN_BY}
    assert [word for word in words if word not in DOCUMENT] == []


def test_the_example_on_the_secretarys_page_is_read_without_complaint() -> None:
    example = DOCUMENT.partition("```csv\n")[2].partition("```")[0]
    found = read(example.encode(), regions=REGIONS | {"Suffolk": 4}, streams=STREAMS, today=TODAY)
    assert (len(found.rows), found.complaints, found.unknown_columns) == (4, (), ())
    assert [len(row.consents) for row in found.rows] == [1, 1, 0, 0]


HOSTILE = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        "2025-01-01",
        "norfolk",
        "paper form",
        "1",
        "member",
        "ann@example.org",
        "x" * 3000,
        "{{ 7*7 }}",
        "\u202eabc",
    ]
)
HEADERS = ["number", "name", "e-mail", "standing", "regions", "telephone", "postal address", "language"]


@settings(max_examples=150)
@given(st.lists(HOSTILE, min_size=14, max_size=14))
def test_hostile_cells_are_read_or_complained_of_and_lose_nothing(cells: list[str]) -> None:
    headers = [*HEADERS, *NEWS_CONSENT, "local-notices left date", "local-notices left channel"]
    found = read_file(dict(zip(headers, cells, strict=True)) | {"postal address": "here"})
    (row,) = found.rows
    assert all(str(c).isprintable() for c in found.complaints)
    for header, value in (("number", row.number), ("name", row.name), ("e-mail", row.address)):
        said = cells[headers.index(header)].strip()
        assert bool(said) is (value is not None or (header, said) in row.unread)
    for text in (row.number, row.name, row.telephone, row.language):
        assert text is None or not any(c in "\r\n\0\x85\u2028" for c in text)
    if row.consents:
        assert not [c for c in found.complaints if "consent" in c.column]
