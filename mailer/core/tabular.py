"""A table out of octets: CSV as spreadsheet programs save it, read or refused (RFC 4180, standards S12).

Nothing is guessed twice: the encoding is UTF-8, or Windows-1252 where UTF-8 cannot be; the separator is the
one that makes more of the header known. What cannot be read as a table is refused whole, since after one
broken quote every later line may be shifted.
"""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mailer.core.errors import MailerError

MOST_OCTETS = 50_000_000
MOST_ROWS = 1_000_000

_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ESCAPED = re.compile("[\udc80-\udcff]")
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")


class TableError(MailerError, ValueError):
    """A file that is not a table we can read; the text says how to save it."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row: the line of the file on which it begins, and its cells as they stand."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A header and the rows below it; `records` is read once and raises TableError where it breaks."""

    encoding: str
    header: tuple[str, ...]
    records: Iterator[Record]


def read_table(raw: bytes, knows: Callable[[str], bool]) -> Table:
    """Read octets as a table; `knows` says whether a header is one of ours, which settles the separator."""
    encoding = _encoding(raw)
    comma, semicolon = _header(raw, encoding, ","), _header(raw, encoding, ";")
    best = max((comma, ","), (semicolon, ";"), key=lambda it: (sum(map(knows, it[0])), len(it[0])))
    records = _records(raw, encoding, best[1])
    header = next(records)
    return Table(encoding, tuple(cell.strip() for cell in header.cells), records)


def _header(raw: bytes, encoding: str, separator: str) -> list[str]:
    try:
        return next(_records(raw, encoding, separator)).cells
    except TableError:
        return []
    except StopIteration:
        raise TableError("The file is empty. Its first line must name the columns.") from None


def _records(raw: bytes, encoding: str, separator: str) -> Iterator[Record]:
    lines = io.TextIOWrapper(io.BytesIO(raw), encoding, newline="")
    reader = csv.reader(lines, delimiter=separator, strict=True)
    rows = 0
    while True:
        first = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise TableError(
                f"Line {first}: from here on the file cannot be read as a table ({error}). "
                'Look for a " that is not closed; inside a quoted cell it must be doubled ("").'
            ) from error
        if not any(map(str.strip, cells)):
            continue
        if rows > MOST_ROWS:
            raise TableError(f"The file has over {MOST_ROWS:,} rows. Split it and import the parts.")
        rows += 1
        yield Record(first, cells)


def _encoding(raw: bytes) -> str:
    if len(raw) > MOST_OCTETS:
        raise TableError(f"The file has over {MOST_OCTETS // 1_000_000} MB. Split it and import the parts.")
    if raw.startswith(_WORKBOOKS):
        raise TableError(
            "This is a workbook or a zip, not a table of text. "
            'Open it in the spreadsheet program and save it as "CSV UTF-8 (comma delimited)".'
        )
    if raw.startswith(_WIDE) or raw[:512].count(0) * 4 > len(raw[:512]):
        raise TableError('This is UTF-16 ("Unicode text"). Save it as "CSV UTF-8 (comma delimited)".')
    try:
        raw.decode()
    except UnicodeDecodeError as flaw:
        return _without_utf8(raw, _line(raw, flaw))
    return "utf-8-sig"


def _without_utf8(raw: bytes, line: int) -> str:
    """Windows-1252, unless it is plainly damaged UTF-8: then each accent would become two letters."""
    text = raw.decode(errors="surrogateescape")
    damaged = len(_ESCAPED.findall(text))
    whole = len(_BEYOND_ASCII.findall(text)) - damaged
    if raw.startswith(codecs.BOM_UTF8) or whole > damaged:
        raise TableError(f'Line {line}: damaged UTF-8. Save the file anew as "CSV UTF-8", or mend that line.')
    try:
        raw.decode("cp1252")
    except UnicodeDecodeError as flaw:
        raise TableError(
            f"Line {_line(raw, flaw)}: neither UTF-8 nor Windows-1252. "
            'Open the file in the spreadsheet program and save it as "CSV UTF-8".'
        ) from flaw
    return "cp1252"


def _line(raw: bytes, flaw: UnicodeDecodeError) -> int:
    return raw.count(b"\n", 0, flaw.start) + 1
