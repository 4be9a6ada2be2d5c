"""Reads the file and the environment, and says all that is wrong with them at once."""

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mailer.config.defaults import fill_in, locate
from mailer.config.environment import file_content, override
from mailer.config.sections import SECTIONS, Config
from mailer.config.table import ConfigComplaint, read_section
from mailer.core.configcheck import misfits
from mailer.core.errors import MailerError
from mailer.core.kind import nearest


class ConfigError(MailerError, ValueError):
    """The configuration cannot be used; `complaints` are all that is wrong with it."""

    def __init__(self, source: Path, complaints: Iterable[ConfigComplaint]) -> None:
        self.source = source
        self.complaints = tuple(complaints)
        lines = "\n".join(f"  {complaint}" for complaint in self.complaints)
        super().__init__(f"{source} needs mending:\n{lines}")


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the file (by default the one MAILER_CONFIG names, else ./config.toml) and the environment."""
    environ = os.environ if environ is None else environ
    source = (path or Path(environ.get("MAILER_CONFIG") or "config.toml")).absolute()
    content = _content(source)
    complaints: list[ConfigComplaint] = []
    origins = override(content, environ, complaints)
    values = {
        section: read_section(f"{section}.", cls, content.pop(section, {}), complaints)
        for section, cls in SECTIONS.items()
    }
    complaints += [
        ConfigComplaint(section, f"nobody knows this section; {nearest(section, SECTIONS)}") for section in content
    ]
    locate(values, source.parent)
    complaints += _fetch_passwords(values["smtp"])
    fill_in(values)
    flat = {f"{section}.{key}": value for section, keys in values.items() for key, value in keys.items()}
    complaints += [ConfigComplaint(key, message) for key, message in misfits(flat)]
    complaints += _unreadable(flat)
    if complaints:
        raise ConfigError(source, _in_order(complaints, origins))
    return Config(source, **{section: cls(**values[section]) for section, cls in SECTIONS.items()})


def _content(source: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(source.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        message = "there is no such file; `mailer init` makes one, or MAILER_CONFIG names it"
        raise ConfigError(source, [ConfigComplaint(source.name, message)]) from error
    except OSError as error:
        raise ConfigError(source, [ConfigComplaint(source.name, f"cannot be read: {error.strerror}")]) from error
    except ValueError as error:
        raise ConfigError(source, [ConfigComplaint(source.name, f"this is not TOML: {error}")]) from error


def _fetch_passwords(smtp: dict[str, Any]) -> list[ConfigComplaint]:
    """Read the passwords of the other relays that lie in files of their own; the complaints."""
    complaints: list[ConfigComplaint] = []
    fetched = []
    for number, relay in enumerate(smtp.get("others", ()), 1):
        key, password = f"smtp.others[{number}].password_file", relay.password
        if relay.password_file is not None:
            if password:
                complaints.append(ConfigComplaint(key, "expected instead of password, not beside it"))
            password = file_content(key, key, str(relay.password_file), complaints)
        fetched.append(replace(relay, password=password))
    smtp |= {"others": tuple(fetched)} if "others" in smtp else {}
    return complaints


def _unreadable(values: Mapping[str, Any]) -> list[ConfigComplaint]:
    """Files that a letter could not leave without: better missed now than at the due time."""
    needed = [(key, values.get(key)) for key in ("smtp.ca_file", "bounces.imap_ca_file")]
    needed += [(f"dkim.keys[{n}].file", key.file) for n, key in enumerate(values.get("dkim.keys", ()), 1)]
    needed += [(f"smtp.others[{n}].ca_file", other.ca_file) for n, other in enumerate(values.get("smtp.others", ()), 1)]
    return [
        ConfigComplaint(key, f"expected a readable file, found nothing to read at {file}")
        for key, file in needed
        if file is not None and not (file.is_file() and os.access(file, os.R_OK))
    ]


def _in_order(complaints: list[ConfigComplaint], origins: Mapping[str, str]) -> list[ConfigComplaint]:
    """The first complaint about each key, which is the cause of the others, and the variable that set it."""
    firsts: dict[str, ConfigComplaint] = {}
    for complaint in complaints:
        firsts.setdefault(complaint.key, complaint)
    return [
        replace(each, message=f"{each.message} (set by {origins[key]})")
        if key in origins and origins[key] not in each.message
        else each
        for key, each in firsts.items()
    ]
