"""RFC 3464 delivery reports, and their internationalised twin of RFC 6533 (standards B1, B2, B4)."""

import re

from mailer.core.bounce.finding import KINDS, MAX_DIAGNOSTIC, Finding, Kind
from mailer.core.bounce.mime import Headers, Part, fields, walk
from mailer.core.verdict import rule

NAME = "delivery_status"
TYPES = ("message/delivery-status", "message/global-delivery-status")
MAX_RECIPIENTS = 100

_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
# A reply stands first, or after "said:", or beside an enhanced code; other numbers are ports and sizes.
_REPLY = re.compile(r"(?:^|said:\s*)([245]\d\d)(?=[ \t-]|$)|(?<![\d.])([245]\d\d)[ -](?=[245]\.\d{1,3}\.\d)")
_COMMENT = re.compile(r"\([^()]*\)")
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")


def find(message: Part) -> tuple[Finding, ...]:
    """One finding for each recipient block; a delivery-status part without any tells nothing."""
    return tuple(
        _finding(block)
        for part in status_parts(message)
        for block in blocks(part)
        if _value(block, "final-recipient", "original-recipient") or _value(block, "action")
    )[:MAX_RECIPIENTS]


def status_parts(message: Part) -> list[Part]:
    return [part for part in walk(message) if part.content_type in TYPES]


def blocks(part: Part) -> list[Headers]:
    """The groups of fields that empty lines divide: one about the message, then one for each recipient."""
    return [fields(group) for group in re.split(r"\n[ \t]*\n", part.text(), maxsplit=MAX_RECIPIENTS)]


def _finding(block: Headers) -> Finding:
    said = _value(block, "diagnostic-code")
    words = said.partition(";")[2].strip() or said
    reply = _REPLY.search(words)
    reply_code = int(reply[1] or reply[2]) if reply else None
    status = _status(_value(block, "status"), words)
    action = _COMMENT.sub("", _value(block, "action")).strip().lower()
    to = rule(reply_code, status, words, action=action)
    diagnostic = " ".join(words.split())[:MAX_DIAGNOSTIC]
    kind = KINDS.get(to.klass, Kind.SOFT)
    return Finding(_recipient(block), status, reply_code, kind, to.reason, diagnostic, NAME, to.klass)


def _status(field: str, words: str) -> str | None:
    """The code that the refusing server wrote in its words, else the one the reporting server chose."""
    given, spoken = _STATUS.search(field), _STATUS.search(words)
    if spoken and (given is None or given[1][0] == spoken[1][0]):
        given = spoken
    return given[1] if given else None


def _recipient(block: Headers) -> str | None:
    """Final-Recipient names who failed; the original one may be what a list or an alias was called."""
    for name in ("final-recipient", "original-recipient"):
        kind, semicolon, address = _value(block, name).partition(";")
        address = (address if semicolon else kind).strip().strip("<>").strip()
        if "@" in address:
            return _ESCAPED.sub(_character, address)
    return None


def _character(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return chr(number) if 0x20 < number < 0xD800 or 0xE000 <= number <= 0x10FFFF else "\ufffd"


def _value(block: Headers, *names: str) -> str:
    return next((value for name in names for found, value in block if found == name), "")
