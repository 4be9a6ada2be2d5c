"""Characters that no text of ours may hold: they end headers, lines or XML documents (F16; XML 1.0 2.2)."""

import re
import unicodedata

_ABOVE = "\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
_NONE_AT_ALL = re.compile(f"[\x00-\x1f{_ABOVE}]")
_NONE_BUT_LINES = re.compile(f"[\x00-\x08\x0b-\x1f{_ABOVE}]")

_NAMES = {
    "\x00": "NUL",
    "\t": "tab",
    "\n": "line feed",
    "\x0b": "vertical tab",
    "\x0c": "form feed",
    "\r": "carriage return",
    "\x85": "next line",
}


def _described(character: str) -> str:
    name = _NAMES.get(character) or unicodedata.name(character, "control character").lower()
    return f"U+{ord(character):04X} ({name})"


def unsafe_in_line(text: str) -> str | None:
    """The first character that may not stand in a line of text, described; None if there is none."""
    found = _NONE_AT_ALL.search(text)
    return _described(found[0]) if found else None


def unsafe_in_lines(text: str) -> str | None:
    """The same for text of several lines, where line feed and tab are at home."""
    found = _NONE_BUT_LINES.search(text)
    return _described(found[0]) if found else None


def without_unsafe(text: str, *, lines: bool) -> str:
    """Foreign text with a space for each of them; `lines`: where line feed and tab are at home."""
    return (_NONE_BUT_LINES if lines else _NONE_AT_ALL).sub(" ", text)


def storable(text: str) -> str:
    """Foreign text as every database takes it: PostgreSQL refuses NUL, and no encoding knows half a surrogate."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
