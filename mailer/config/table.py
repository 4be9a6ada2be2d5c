"""A table of TOML -> the values of a dataclass, each field with the kind that reads it. Complaints are collected."""

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from mailer.core.kind import LINE, Kind, KindError, Shape, nearest, refined

_T = TypeVar("_T")
PLACE = refined(LINE, "a path, taken from the folder of config.toml", Path)


@dataclass(frozen=True, slots=True)
class ConfigComplaint:
    """A dotted key and what is wrong with it."""

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"


def of(kind: Kind[Any], *, secret: bool = False) -> dict[str, Any]:
    """The metadata of a key: what it may be, and whether a complaint must not repeat it."""
    return {"kind": kind, "secret": secret}


def tables(cls: type[_T], expected: str) -> Kind[tuple[_T, ...]]:
    """A list of tables, each read as a section is. Its complaints repeat no table, as one may hold a password."""

    def read(value: object) -> tuple[_T, ...]:
        if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
            raise KindError
        entries, complaints = [], list[ConfigComplaint]()
        for number, table in enumerate(value, 1):
            found: list[ConfigComplaint] = []
            values = read_section(f"{number}. ", cls, table, found)
            complaints += found
            if not found:
                entries.append(cls(**values))
        if complaints:
            raise KindError("; ".join(map(str, complaints)))
        if any(entry in entries[:index] for index, entry in enumerate(entries)):
            raise KindError("an entry stands twice")
        return tuple(entries)

    return Kind(f"a list of tables, each with {expected}", read, Shape.LIST)


def read_section(prefix: str, cls: type, table: object, complaints: list[ConfigComplaint]) -> dict[str, Any]:
    """The values of a section that could be read, with the defaults of those left out."""
    if not isinstance(table, dict):
        complaints.append(ConfigComplaint(prefix.rstrip("."), f"expected a section, found {table!r}"))
        return {}
    known = {f.name: f for f in fields(cls)}
    complaints += [
        ConfigComplaint(prefix + key, f"nobody knows this key; {nearest(key, known)}")
        for key in table
        if key not in known
    ]
    values: dict[str, Any] = {}
    for name, each in known.items():
        kind: Kind[Any] = each.metadata["kind"]
        if name not in table and each.default is not MISSING:
            values[name] = each.default
        elif name not in table:
            complaints.append(ConfigComplaint(prefix + name, f"missing, expected {kind.expected}"))
        else:
            try:
                values[name] = kind.read(table[name])
            except KindError as refusal:
                message = kind.complaint(table[name], refusal, secret=each.metadata["secret"])
                complaints.append(ConfigComplaint(prefix + name, message))
    return values
