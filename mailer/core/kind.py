"""What a value in a TOML file may be, and how to say so (habits.md section 7).

config.toml and the list files are written by people. Each key has a `Kind`: the words for what is expected,
and a reader that refuses everything else. Complaints are collected by the caller, so that a person sees all
of them at once, each with its key.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Generic, TypeVar

from mailer.core import address
from mailer.core.errors import MailerError

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class KindError(MailerError, ValueError):
    """The value is not of the kind; the text, if any, says more than the kind's own words do."""


class Shape(Enum):
    """How the value is written, which is how a text from the environment is read."""

    TEXT = "text"
    FLAG = "flag"
    NUMBER = "number"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What is expected, in words that follow "expected", and the reader that raises KindError."""

    expected: str
    read: Callable[[object], T]
    shape: Shape = Shape.TEXT

    def complaint(self, value: object, refusal: KindError, *, secret: bool = False) -> str:
        """What is wrong with the value and what was expected; a secret is not repeated."""
        found = "" if secret else f", found {value!r}"
        more = f" ({refusal})" if str(refusal) else ""
        return f"expected {self.expected}{found}{more}"


def nearest(word: str, known: Iterable[str]) -> str:
    """The hint for a key or a word that nobody knows."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(known)}"


def matching(expected: str, pattern: str) -> Kind[str]:
    """A text that fits the pattern from its first to its last character."""
    compiled = re.compile(pattern)

    def read(value: object) -> str:
        if isinstance(value, str) and compiled.fullmatch(value):
            return value
        raise KindError

    return Kind(expected, read)


def refined(base: Kind[str], expected: str, check: Callable[[str], T]) -> Kind[T]:
    """A kind of text that `check` reads further; it may raise KindError or ValueError."""

    def read(value: object) -> T:
        text = base.read(value)
        try:
            return check(text)
        except KindError:
            raise
        except ValueError as error:
            raise KindError(str(error)) from error

    return Kind(expected, read)


def _read_flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise KindError


def whole(low: int, high: int) -> Kind[int]:
    """A whole number within bounds."""

    def read(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise KindError

    return Kind(f"a whole number from {low} to {high}", read, Shape.NUMBER)


def many(item: Kind[T], expected: str, *, least: int = 0, twice: bool = False) -> Kind[tuple[T, ...]]:
    """A list, each entry of the kind; none may stand `twice`, unless they are said to."""

    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list) or len(value) < least:
            raise KindError
        entries: list[T] = []
        for entry in value:
            try:
                entries.append(item.read(entry))
            except KindError as refusal:
                raise KindError(
                    f"{entry!r}: {refusal}" if str(refusal) else f"{entry!r} is not {item.expected}"
                ) from refusal
        if not twice and any(entry in entries[:index] for index, entry in enumerate(entries)):
            raise KindError("an entry stands twice")
        return tuple(entries)

    return Kind(expected, read, Shape.LIST)


def anything() -> Kind[object]:
    """Whatever stands there: a table, which its reader takes apart."""
    return Kind("anything", lambda value: value)


def optional(base: Kind[T]) -> Kind[T | None]:
    """The same for a key that may be left out: only then it is None."""
    return Kind(base.expected, base.read, base.shape)


def one_of(words: type[E], leave_out: Iterable[E] = ()) -> Kind[E]:
    """A word of a closed vocabulary."""
    allowed = {word.value: word for word in words if word not in leave_out}

    def read(value: object) -> E:
        if isinstance(value, str) and value in allowed:
            return allowed[value]
        raise KindError

    return Kind("one of " + ", ".join(f'"{word}"' for word in allowed), read)


FLAG = Kind("true or false", _read_flag, Shape.FLAG)
#: Control characters and line separators could end a header or hide a line, so no text of ours has any.
_HOSTILE = r"\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029"
LINE = matching("a line of text", rf"(?!\s*\Z)[^\n{_HOSTILE}]+")
PARAGRAPHS = matching("a text", rf"(?!\s*\Z)[^{_HOSTILE}]+")
SLUG = matching("a short name of small letters, digits and single hyphens", r"(?=.{1,63}$)[a-z0-9]+(-[a-z0-9]+)*")
DOMAIN = matching("a domain name such as example.org, in small letters", address.DOMAIN.pattern)
ADDRESS = refined(LINE, "an e-mail address such as office@example.org", lambda text: address.parse(text).text)
