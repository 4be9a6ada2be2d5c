"""The environment lays its values over those of the file."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from mailer.config.sections import SECTIONS
from mailer.config.table import ConfigComplaint
from mailer.core.configkind import from_text
from mailer.core.kind import nearest

_PREFIX = "MAILER_"


def override(content: dict[str, Any], environ: Mapping[str, str], complaints: list[ConfigComplaint]) -> dict[str, str]:
    """Put the values from the environment in their places; returns which variable each key came from."""
    origins: dict[str, str] = {}
    for name in sorted(name for name in environ if name.startswith(_PREFIX) and "__" in name):
        section, _, key = name.removeprefix(_PREFIX).lower().partition("__")
        own = {f.name: f for f in fields(SECTIONS[section])} if section in SECTIONS else {}
        named = own.get(key) or own.get(key.removesuffix("_file"))
        if named is None:
            known = [f"{_PREFIX}{s}__{f.name}".upper() for s, cls in SECTIONS.items() for f in fields(cls)]
            complaints.append(ConfigComplaint(name, f"nobody knows this variable; {nearest(name, known)}"))
            continue
        dotted = f"{section}.{named.name}"
        if dotted in origins:
            complaints.append(ConfigComplaint(dotted, f"expected from {origins[dotted]} or from {name}, not both"))
        origins[dotted] = name
        text = environ[name] if named.name == key else file_content(dotted, name, environ[name], complaints)
        table = content.setdefault(section, {})
        if isinstance(table, dict):
            table[named.name] = from_text(text, named.metadata["kind"].shape)
    return origins


def file_content(dotted: str, name: str, file: str, complaints: list[ConfigComplaint]) -> str:
    """What the named file holds, without its last line end; one that cannot be read is never passed over."""
    try:
        return Path(file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        complaints.append(ConfigComplaint(dotted, f"expected a readable file in {name}, found {file!r}: {reason}"))
        return ""
