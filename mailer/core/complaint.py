"""What is wrong with a list file: collected while it is read, so that a person sees everything at once.

The ids are those of the system checks that `mailer check` shows, each with file, key and hint.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from mailer.core.errors import MailerError
from mailer.core.kind import Kind, KindError, nearest

T = TypeVar("T")


class Flaw(StrEnum):
    """What can be wrong with the files; the ids of the system checks."""

    NOT_TOML = "mailer.E001"
    MISSING_KEY = "mailer.E002"
    UNKNOWN_KEY = "mailer.E003"
    WRONG_VALUE = "mailer.E004"
    NO_TREE = "mailer.E005"
    USED_TWICE = "mailer.E006"
    WRONG_CONDITION = "mailer.E007"
    NO_TEMPLATE = "mailer.E008"
    UNREADABLE = "mailer.E009"
    SAME_VERSION = "mailer.E010"
    STILL_MEMBERS = "mailer.E011"
    STILL_SUBSCRIBED = "mailer.E012"
    NUMBER_CHANGED = "mailer.E013"
    LABEL_CHANGED = "mailer.E014"


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong, where, and what to do; `file` and `key` are as a person would look for them."""

    id: Flaw
    file: str
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}: " if self.key else f"{self.file}: "
        return f"{where}{self.message}" + (f" ({self.hint})" if self.hint else "")


class ListFileError(MailerError, ValueError):
    """A list file cannot be used as it is; `complaints` says why."""

    def __init__(self, complaints: Iterable[Complaint]) -> None:
        self.complaints = tuple(complaints)
        super().__init__("\n".join(str(complaint) for complaint in self.complaints))


class Table:
    """A TOML table that is emptied key by key; what is left in the end is unknown."""

    def __init__(self, file: str, prefix: str, content: object, complaints: list[Complaint]) -> None:
        self.file = file
        self.prefix = prefix
        self.content: dict[str, object] = dict(content) if isinstance(content, dict) else {}
        self.known: list[str] = []
        self.complaints = complaints
        if not isinstance(content, dict):
            self.complain(Flaw.WRONG_VALUE, "", f"expected a table, found {content!r}")

    def complain(self, flaw: Flaw, key: str, message: str, hint: str = "") -> None:
        """Keep a complaint about a key of this table."""
        dotted = ".".join(part for part in (self.prefix, key) if part)
        self.complaints.append(Complaint(flaw, self.file, dotted, message, hint))

    def take(self, key: str, kind: Kind[T], fallback: T) -> T:
        """The value of a key that must be there; the fallback only keeps the reading going."""
        self.known.append(key)
        if key not in self.content:
            self.complain(Flaw.MISSING_KEY, key, "the key is missing", f"expected {kind.expected}")
            return fallback
        return self._read(key, kind, fallback)

    def take_optional(self, key: str, kind: Kind[T], default: T) -> T:
        """The value of a key that may be left out."""
        self.known.append(key)
        return self._read(key, kind, default) if key in self.content else default

    def table(self, key: str) -> "Table":
        """A table within this one, which must be there."""
        self.known.append(key)
        if key not in self.content:
            self.complain(Flaw.MISSING_KEY, key, "the table is missing", f"begin it with a line [{key}]")
            return Table(self.file, key, {}, [])  # one complaint is enough: those about its keys go nowhere
        inner = ".".join(part for part in (self.prefix, key) if part)
        return Table(self.file, inner, self.content.pop(key), self.complaints)

    def close(self) -> None:
        """Complain about every key that nobody asked for."""
        for key in self.content:
            self.complain(Flaw.UNKNOWN_KEY, key, "nobody knows this key", nearest(key, self.known))

    def _read(self, key: str, kind: Kind[T], fallback: T) -> T:
        value = self.content.pop(key)
        try:
            return kind.read(value)
        except KindError as refusal:
            self.complain(Flaw.WRONG_VALUE, key, kind.complaint(value, refusal))
            return fallback
