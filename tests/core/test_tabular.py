"""Tables out of octets: every shape that spreadsheet programs write, and every one that must be refused."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core import tabular
from mailer.core.tabular import TableError, read_table

KNOWN = {"number", "name", "e-mail"}


def rows(raw: bytes) -> list[tuple[int, list[str]]]:
    return [(record.line, record.cells) for record in read_table(raw, KNOWN.__contains__).records]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_what_spreadsheet_programs_write_is_read_alike(end: str, separator: str, encoding: str) -> None:
    text = end.join(["number;name", '7;"Zoë ""Z"" Ångström"', '8;"Müller; Renée, elder"', ""])
    text = (
        text
        if separator == ";"
        else "number,name" + text.removeprefix("number;name").replace("7;", "7,").replace("8;", "8,")
    )
    assert rows(text.encode(encoding)) == [(2, ["7", 'Zoë "Z" Ångström']), (3, ["8", "Müller; Renée, elder"])]


def test_a_line_number_is_that_of_the_line_a_row_begins_on() -> None:
    raw = b'number,name\r\n7,"two\r\nlines"\r\n\r\n,\r\n8,Ann\r\n'
    assert rows(raw) == [(2, ["7", "two\r\nlines"]), (6, ["8", "Ann"])]


def test_the_separator_is_the_one_that_makes_more_headers_known() -> None:
    assert rows(b"number;name,title;e-mail\n7;Ann;x\n") == [(2, ["7", "Ann", "x"])]


def test_windows_1252_is_read_where_utf8_cannot_be() -> None:
    table = read_table("name\nO\u2019Brien \u2013 5 €\n".encode("cp1252"), KNOWN.__contains__)
    assert (table.encoding, next(table.records).cells) == ("cp1252", ["O\u2019Brien \u2013 5 €"])


@pytest.mark.parametrize(
    ("raw", "advice"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"PK\x03\x04rest", "workbook or a zip"),
        (b"\xd0\xcf\x11\xe0rest", "workbook or a zip"),
        ("name\nAnn".encode("utf-16"), "UTF-16"),
        ("name\nAnn".encode("utf-16-be"), "UTF-16"),
        ("name\nAnn".encode("utf-32"), "UTF-16"),
        ("name\nZoë Ångström\n".encode() + b"Ren\xe9e\n", "Line 3: damaged UTF-8"),
        ("\ufeffname\nAnn\n".encode() + b"Ren\xe9e\n", "Line 3: damaged UTF-8"),
        (b"name\nAnn\nRen\xe9e \x81\n", "Line 3: neither UTF-8 nor Windows-1252"),
        (b'name\nAnn\n"Bob\nCarol\n', "Line 3: from here on"),
        (b'name\n"Ann" Lee,7\n', "Line 2: from here on"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_do(raw: bytes, advice: str) -> None:
    with pytest.raises(TableError, match=advice):
        rows(raw)


def test_a_file_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular, "MOST_ROWS", 2)
    assert len(rows(b"name\na\nb\n")) == 2
    with pytest.raises(TableError, match="over 2 rows"):
        rows(b"name\na\nb\nc\n")
    monkeypatch.setattr(tabular, "MOST_OCTETS", 4)
    with pytest.raises(TableError, match="Split it"):
        rows(b"name\n")


CELLS = st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4)


@settings(max_examples=150)
@given(st.lists(CELLS, max_size=5), st.sampled_from(",;"))
def test_what_a_csv_writer_wrote_comes_back(table: list[list[str]], separator: str) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, quoting=csv.QUOTE_ALL).writerows([["number", "name"], *table])
    raw = out.getvalue().encode()
    if raw[:512].count(0) * 4 > len(raw[:512]):
        return
    assert [cells for _, cells in rows(raw)] == [row for row in table if any(map(str.strip, row))]


@settings(max_examples=150)
@given(st.binary(max_size=200))
def test_any_octets_are_a_table_or_refused(raw: bytes) -> None:
    try:
        table = rows(b"name,number\n" + raw)
    except TableError:
        return
    assert all(any(map(str.strip, cells)) for _, cells in table)
