"""Every key that config.toml may hold, dotted, with those of the tables that stand in lists."""

from dataclasses import fields, is_dataclass
from typing import get_args, get_type_hints

from mailer.config.sections import SECTIONS


def config_keys() -> set[str]:
    """As the documents name them."""
    tables = dict(SECTIONS)
    for section, cls in SECTIONS.items():
        for key, hint in get_type_hints(cls).items():
            tables |= {f"{section}.{key}": entry for entry in get_args(hint) if _is_table(entry)}
    return {f"{name}.{each.name}" for name, cls in tables.items() for each in fields(cls)}


def _is_table(hint: object) -> bool:
    return isinstance(hint, type) and is_dataclass(hint)
