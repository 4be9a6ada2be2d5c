"""Whose letter a report is about: by one of our own signatures or not at all (standards B3, L17).

Law of the file: an address that stands in a report is never looked up. The two readers verify a keyed token
and answer the handle of a Copy, or None; a report without one changes nothing and is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from mailer.core.bounce.finding import Report

Reader = Callable[[str], int | None]


class How(StrEnum):
    """What the match rests on, in order of authority."""

    RETURN_PATH = "return_path"
    ENVELOPE_ID = "envelope_id"
    MESSAGE_ID = "message_id"


@dataclass(frozen=True, slots=True)
class Match:
    handle: int
    how: How


def match(report: Report, read_return_path: Reader, read_message_id: Reader) -> Match | None:
    """The Copy that the report is about. An envelope id of ours is a return path or a Message-ID."""
    asked: tuple[tuple[How, Reader, tuple[str, ...]], ...] = (
        (How.RETURN_PATH, read_return_path, report.delivered_to),
        (How.ENVELOPE_ID, read_return_path, report.envelope_ids),
        (How.ENVELOPE_ID, read_message_id, report.envelope_ids),
        (How.RETURN_PATH, read_return_path, report.return_paths),
        (How.MESSAGE_ID, read_message_id, report.message_ids),
    )
    for how, reader, values in asked:
        for value in values:
            handle = reader(value)
            if handle is not None:
                return Match(handle, how)
    return None
