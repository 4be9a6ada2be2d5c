"""What follows from other keys, and from where the file lies."""

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mailer.core.configkind import Tls

_PORTS = {Tls.IMPLICIT: 465, Tls.STARTTLS: 587, Tls.NONE: 25}
_IMAP_PORTS = {Tls.IMPLICIT: 993, Tls.STARTTLS: 143, Tls.NONE: 143}


def locate(values: dict[str, dict[str, Any]], folder: Path) -> None:
    """Paths are taken from the folder of config.toml, wherever the command is called."""
    for keys in values.values():
        keys.update({key: _located(value, folder) for key, value in keys.items()})


def _located(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return folder / value.expanduser()
    if not (isinstance(value, tuple) and value and is_dataclass(value[0])):
        return value
    return tuple(replace(row, **{f.name: _located(getattr(row, f.name), folder) for f in fields(row)}) for row in value)


def fill_in(values: dict[str, dict[str, Any]]) -> None:
    """The defaults that follow from other keys; a key that could not be read stays away."""
    organisation, smtp, site, alerts = (values[name] for name in ("organisation", "smtp", "site", "alerts"))
    if organisation.get("reply_to") == "" and "contact" in organisation:
        organisation["reply_to"] = organisation["contact"]
    for relay in (smtp, alerts):
        if relay.get("port") == 0 and "tls" in relay:
            relay["port"] = _PORTS[relay["tls"]]
    bounces = values["bounces"]
    if bounces.get("imap_port") == 0 and "imap_tls" in bounces:
        bounces["imap_port"] = _IMAP_PORTS[bounces["imap_tls"]]
    if smtp.get("ehlo_name") == "" and "base_url" in site:
        smtp["ehlo_name"] = urlsplit(site["base_url"]).hostname or ""
    if "others" in smtp:
        smtp["others"] = tuple(
            replace(
                relay,
                port=relay.port or _PORTS[relay.tls],
                ehlo_name=relay.ehlo_name or smtp.get("ehlo_name", ""),
            )
            for relay in smtp["others"]
        )
