"""config.toml -> a frozen Config. The only reader of that file and of the environment.

It holds what a machine needs before the database speaks. Any key may be overridden by `MAILER_SECTION__KEY`,
or by `MAILER_SECTION__KEY_FILE`, which names a file that holds the value. Unknown keys are errors, and all
complaints come at once, each with its dotted key and what was expected (habits.md section 7). Doors pass
values down: nothing below them asks for the configuration.
"""

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints
from urllib.parse import urlsplit

from mailer.core.configcheck import misfits
from mailer.core.configkind import (
    ALLOWED,
    BASE_URL,
    COMMAND,
    EHLO_NAME,
    HOST,
    LINES,
    PROVIDER,
    PROXY,
    QUIET,
    SECRET,
    SENDER,
    SOME_LINES,
    TIME_ZONE,
    TLS,
    UNCERTAIN,
    WEB_PAGE,
    Provider,
    Tls,
    Uncertain,
    from_text,
)
from mailer.core.databaseurl import DATABASE_URL, SQLITE, Postgres, postgres
from mailer.core.errors import MailerError
from mailer.core.kind import (
    ADDRESS,
    DOMAIN,
    FLAG,
    LINE,
    SLUG,
    Kind,
    KindError,
    Shape,
    many,
    matching,
    nearest,
    refined,
    whole,
)
from mailer.core.limits import Limits
from mailer.core.quiet import NO_QUIET_HOURS, QuietHours

_T = TypeVar("_T")
_PREFIX = "MAILER_"
_PLACE = refined(LINE, "a path, taken from the folder of config.toml", Path)
_SELECTOR = matching("letters, digits and hyphens", r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_SENDERS = many(DOMAIN, "a list of domain names")
_LETTERS = whole(0, 1_000_000_000)
_PORTS = {Tls.IMPLICIT: 465, Tls.STARTTLS: 587, Tls.NONE: 25}
_IMAP_PORTS = {Tls.IMPLICIT: 993, Tls.STARTTLS: 143, Tls.NONE: 143}


@dataclass(frozen=True, slots=True)
class ConfigComplaint:
    """A dotted key and what is wrong with it."""

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"


class ConfigError(MailerError, ValueError):
    """The configuration cannot be used; `complaints` are all that is wrong with it."""

    def __init__(self, source: Path, complaints: Iterable[ConfigComplaint]) -> None:
        self.source = source
        self.complaints = tuple(complaints)
        lines = "\n".join(f"  {complaint}" for complaint in self.complaints)
        super().__init__(f"{source} needs mending:\n{lines}")


def _of(kind: Kind[Any], *, secret: bool = False) -> dict[str, Any]:
    return {"kind": kind, "secret": secret}


def _tables(cls: type[_T], expected: str) -> Kind[tuple[_T, ...]]:
    """A list of tables, each read as a section is. Its complaints repeat no table, as one may hold a password."""

    def read(value: object) -> tuple[_T, ...]:
        if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
            raise KindError
        entries, complaints = [], list[ConfigComplaint]()
        for number, table in enumerate(value, 1):
            found: list[ConfigComplaint] = []
            values = _read_section(f"{number}. ", cls, table, found)
            complaints += found
            if not found:
                entries.append(cls(**values))
        if complaints:
            raise KindError("; ".join(map(str, complaints)))
        if any(entry in entries[:index] for index, entry in enumerate(entries)):
            raise KindError("an entry stands twice")
        return tuple(entries)

    return Kind(f"a list of tables, each with {expected}", read, Shape.LIST)


@dataclass(frozen=True, slots=True)
class Site:
    """Where the pages are, and whether this is the site that people know."""

    base_url: str = field(metadata=_of(BASE_URL))
    production: bool = field(default=False, metadata=_of(FLAG))
    trusted_proxies: tuple[str, ...] = field(
        default=(), metadata=_of(many(PROXY, "a list of IP addresses or networks"))
    )
    allow_list: tuple[str, ...] = field(
        default=(), metadata=_of(many(ALLOWED, 'a list of e-mail addresses and "@domains"'))
    )

    @property
    def host(self) -> str:
        """The host name that people see in links."""
        return urlsplit(self.base_url).hostname or ""


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who writes: what every letter says of its sender (standards F19, L16, P5)."""

    name: str = field(metadata=_of(LINE))
    postal_address: tuple[str, ...] = field(metadata=_of(SOME_LINES))
    contact: str = field(metadata=_of(ADDRESS))
    privacy_notice_url: str = field(metadata=_of(WEB_PAGE))
    sender_name: str = field(metadata=_of(LINE))
    sender_address: str = field(metadata=_of(SENDER))
    reply_to: str = field(default="", metadata=_of(ADDRESS))
    imprint: tuple[str, ...] = field(default=(), metadata=_of(LINES))
    imprint_required: bool = field(default=False, metadata=_of(FLAG))
    time_zone: str = field(default="Europe/London", metadata=_of(TIME_ZONE))


@dataclass(frozen=True, slots=True)
class Data:
    """Where this site keeps its files: keys, journals and, by default, the database."""

    dir: Path = field(default=Path("var"), metadata=_of(_PLACE))
    shared: bool = field(default=False, metadata=_of(FLAG))
    keep_departures_days: int = field(default=400, metadata=_of(whole(400, 36_500)))
    keep_free_mb: int = field(default=200, metadata=_of(whole(0, 1_000_000)))

    @property
    def keys(self) -> Path:
        """The folder of the key files."""
        return self.dir / "keys"

    @property
    def departures(self) -> Path:
        """The folder of the files in which everybody who leaves is written down."""
        return self.dir / "journal" / "departures"


@dataclass(frozen=True, slots=True)
class Database:
    """Which database: SQLite in the data directory, or PostgreSQL."""

    url: str = field(default=SQLITE, repr=False, metadata=_of(DATABASE_URL, secret=True))

    @property
    def postgres(self) -> Postgres | None:
        """The parts of a PostgreSQL address, None for SQLite."""
        return postgres(self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Relay:
    """How a relay is reached (standards T1, T14, T16); `signs`: it adds the DKIM signature.

    `senders` are the domains in From that it takes; none named is all.
    """

    host: str = field(metadata=_of(HOST))
    port: int = field(default=0, metadata=_of(whole(1, 65535)))
    tls: Tls = field(default=Tls.STARTTLS, metadata=_of(TLS))
    user: str = field(default="", metadata=_of(LINE))
    password: str = field(default="", repr=False, metadata=_of(SECRET, secret=True))
    token_file: Path | None = field(default=None, metadata=_of(_PLACE))
    token_command: tuple[str, ...] = field(default=(), metadata=_of(COMMAND))
    ehlo_name: str = field(default="", metadata=_of(EHLO_NAME))
    ca_file: Path | None = field(default=None, metadata=_of(_PLACE))
    signs: bool = field(default=False, metadata=_of(FLAG))
    senders: tuple[str, ...] = field(default=(), metadata=_of(_SENDERS))


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherRelay(_Relay):
    """A further relay: it takes over when those before it cannot send, or sends for domains of its own."""

    name: str = field(metadata=_of(SLUG))
    password_file: Path | None = field(default=None, metadata=_of(_PLACE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp(_Relay):
    """The relay that letters are handed to, and the others, in the order in which they take over."""

    others: tuple[OtherRelay, ...] = field(default=(), metadata=_of(_tables(OtherRelay, "name and host"), secret=True))


@dataclass(frozen=True, slots=True)
class Bounces:
    """Where letters that cannot be delivered come back to: a Maildir, a mailbox over IMAP, a provider's webhook."""

    domain: str = field(metadata=_of(DOMAIN))
    maildir: Path | None = field(default=None, metadata=_of(_PLACE))
    imap_host: str = field(default="", metadata=_of(HOST))
    imap_port: int = field(default=0, metadata=_of(whole(1, 65535)))
    imap_tls: Tls = field(default=Tls.IMPLICIT, metadata=_of(TLS))
    imap_user: str = field(default="", metadata=_of(LINE))
    imap_password: str = field(default="", repr=False, metadata=_of(SECRET, secret=True))
    imap_token_file: Path | None = field(default=None, metadata=_of(_PLACE))
    imap_token_command: tuple[str, ...] = field(default=(), metadata=_of(COMMAND))
    imap_folder: str = field(default="INBOX", metadata=_of(LINE))
    imap_ca_file: Path | None = field(default=None, metadata=_of(_PLACE))
    provider: Provider | None = field(default=None, metadata=_of(PROVIDER))
    webhook_secret: str = field(default="", repr=False, metadata=_of(SECRET, secret=True))
    disabled_letters: int = field(default=2, metadata=_of(whole(1, 100)))
    soft_points: int = field(default=3, metadata=_of(whole(1, 100)))
    soft_span_days: int = field(default=15, metadata=_of(whole(0, 365)))
    settled_days: int = field(default=7, metadata=_of(whole(1, 60)))
    hard_percent: int = field(default=5, metadata=_of(whole(1, 100)))
    hard_of_at_least: int = field(default=50, metadata=_of(whole(1, 100_000)))
    complaints_per_thousand: int = field(default=1, metadata=_of(whole(1, 1000)))
    complaints_at_least: int = field(default=2, metadata=_of(whole(1, 1000)))
    blocked_in_a_row: int = field(default=3, metadata=_of(whole(1, 1000)))
    keep_raw_days: int = field(default=90, metadata=_of(whole(1, 90)))


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A private key that signs letters, and the name it is published under."""

    selector: str = field(metadata=_of(_SELECTOR))
    domain: str = field(metadata=_of(DOMAIN))
    file: Path = field(metadata=_of(_PLACE))


@dataclass(frozen=True, slots=True)
class Dkim:
    """The keys that sign; more than one where a receiver may know only one algorithm."""

    keys: tuple[DkimKey, ...] = field(default=(), metadata=_of(_tables(DkimKey, "selector, domain and file")))


@dataclass(frozen=True, slots=True)
class Sending:
    """When a mailing leaves, and how long we try (design.md sections 2 and 4)."""

    cool_off_minutes: int = field(default=10, metadata=_of(whole(0, 1440)))
    grace_minutes: int = field(default=120, metadata=_of(whole(1, 10_080)))
    not_after_hours: int = field(default=48, metadata=_of(whole(1, 720)))
    prepare_ahead_minutes: int = field(default=30, metadata=_of(whole(0, 1440)))
    give_up_hours: int = field(default=96, metadata=_of(whole(1, 240)))
    uncertain: Uncertain = field(default=Uncertain.KEEP, metadata=_of(UNCERTAIN))
    quiet_hours: QuietHours = field(default=NO_QUIET_HOURS, metadata=_of(QUIET))
    #: Sending processes of `mailer run`; 0: one for each core, four at most.
    workers: int = field(default=0, metadata=_of(whole(0, 64)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _LetterLimits:
    """So many letters in any second, minute, hour and day; 0 is no limit."""

    per_second: int = field(default=0, metadata=_of(_LETTERS))
    per_minute: int = field(default=0, metadata=_of(_LETTERS))
    per_hour: int = field(default=0, metadata=_of(_LETTERS))
    per_day: int = field(default=0, metadata=_of(_LETTERS))


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainLimits(_LetterLimits):
    """What may go to the addresses of one domain."""

    domain: str = field(metadata=_of(DOMAIN))

    @property
    def limits(self) -> Limits:
        """The limits as the core reasons about them."""
        return Limits(self.per_second, self.per_minute, self.per_hour, self.per_day)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayLimits(_LetterLimits):
    """What may go through one relay, by its name; the one of [smtp] is called smtp."""

    name: str = field(metadata=_of(SLUG))
    connections: int = field(default=0, metadata=_of(whole(0, 1000)))
    letters_per_connection: int = field(default=0, metadata=_of(_LETTERS))

    @property
    def limits(self) -> Limits:
        """The limits as the core reasons about them."""
        return Limits(
            self.per_second,
            self.per_minute,
            self.per_hour,
            self.per_day,
            self.connections,
            self.letters_per_connection,
        )


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may go where, in which time (standards T25, D14)."""

    relays: tuple[RelayLimits, ...] = field(default=(), metadata=_of(_tables(RelayLimits, "name and limits")))
    domains: tuple[DomainLimits, ...] = field(default=(), metadata=_of(_tables(DomainLimits, "domain and limits")))


@dataclass(frozen=True, slots=True)
class Alerts:
    """How people hear of a fault of ours: by a relay that only alarms use, and by a command of the operator's."""

    addresses: tuple[str, ...] = field(default=(), metadata=_of(many(ADDRESS, "a list of e-mail addresses")))
    host: str = field(default="", metadata=_of(HOST))
    port: int = field(default=0, metadata=_of(whole(1, 65535)))
    tls: Tls = field(default=Tls.STARTTLS, metadata=_of(TLS))
    user: str = field(default="", metadata=_of(LINE))
    password: str = field(default="", repr=False, metadata=_of(SECRET, secret=True))
    command: tuple[str, ...] = field(default=(), metadata=_of(COMMAND))


@dataclass(frozen=True, slots=True)
class Config:
    """All of config.toml; `source` is the file it was read from."""

    source: Path
    site: Site
    organisation: Organisation
    data: Data
    database: Database
    smtp: Smtp
    bounces: Bounces
    dkim: Dkim
    sending: Sending
    limits: Bounds
    alerts: Alerts

    @property
    def departures_are_shared(self) -> bool:
        """Whether whoever sends reads what is written down here while the database is away (standards U13)."""
        return self.database.postgres is None or self.data.shared


_SECTIONS: Mapping[str, type] = {name: hint for name, hint in get_type_hints(Config).items() if name != "source"}
#: The tables that stand in lists.
_NESTED: Mapping[str, type] = {
    "dkim.keys": DkimKey,
    "limits.domains": DomainLimits,
    "limits.relays": RelayLimits,
    "smtp.others": OtherRelay,
}


def known_keys() -> dict[str, str]:
    """Every dotted key with what is expected of it, for the documents."""
    tables = [*_SECTIONS.items(), *_NESTED.items()]
    return {f"{name}.{f.name}": f.metadata["kind"].expected for name, cls in tables for f in fields(cls)}


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the file (by default the one MAILER_CONFIG names, else ./config.toml) and the environment."""
    environ = os.environ if environ is None else environ
    source = (path or Path(environ.get("MAILER_CONFIG") or "config.toml")).absolute()
    content = _content(source)
    complaints: list[ConfigComplaint] = []
    origins = _override(content, environ, complaints)
    values = {
        section: _read_section(f"{section}.", cls, content.pop(section, {}), complaints)
        for section, cls in _SECTIONS.items()
    }
    complaints += [
        ConfigComplaint(section, f"nobody knows this section; {nearest(section, _SECTIONS)}") for section in content
    ]
    _locate(values, source.parent)
    complaints += _fetch_passwords(values["smtp"])
    _fill_in(values)
    flat = {f"{section}.{key}": value for section, keys in values.items() for key, value in keys.items()}
    complaints += [ConfigComplaint(key, message) for key, message in misfits(flat)]
    complaints += _unreadable(flat)
    if complaints:
        raise ConfigError(source, _in_order(complaints, origins))
    return Config(source, **{section: cls(**values[section]) for section, cls in _SECTIONS.items()})


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


def _override(content: dict[str, Any], environ: Mapping[str, str], complaints: list[ConfigComplaint]) -> dict[str, str]:
    """Put the values from the environment in their places; returns which variable each key came from."""
    origins: dict[str, str] = {}
    for name in sorted(name for name in environ if name.startswith(_PREFIX) and "__" in name):
        section, _, key = name.removeprefix(_PREFIX).lower().partition("__")
        own = {f.name: f for f in fields(_SECTIONS[section])} if section in _SECTIONS else {}
        named = own.get(key) or own.get(key.removesuffix("_file"))
        if named is None:
            known = [f"{_PREFIX}{s}__{f.name}".upper() for s, cls in _SECTIONS.items() for f in fields(cls)]
            complaints.append(ConfigComplaint(name, f"nobody knows this variable; {nearest(name, known)}"))
            continue
        dotted = f"{section}.{named.name}"
        if dotted in origins:
            complaints.append(ConfigComplaint(dotted, f"expected from {origins[dotted]} or from {name}, not both"))
        origins[dotted] = name
        text = environ[name] if named.name == key else _file_content(dotted, name, environ[name], complaints)
        table = content.setdefault(section, {})
        if isinstance(table, dict) and text is not None:
            table[named.name] = from_text(text, named.metadata["kind"].shape)
    return origins


def _file_content(dotted: str, name: str, file: str, complaints: list[ConfigComplaint]) -> str | None:
    """What the named file holds, without its last line end; one that cannot be read is never passed over."""
    try:
        return Path(file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        complaints.append(ConfigComplaint(dotted, f"expected a readable file in {name}, found {file!r}: {reason}"))
        return ""


def _read_section(prefix: str, cls: type, table: object, complaints: list[ConfigComplaint]) -> dict[str, Any]:
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
        if name not in table:
            if each.default is MISSING:
                message = f"missing, expected {each.metadata['kind'].expected}"
                complaints.append(ConfigComplaint(prefix + name, message))
            else:
                values[name] = each.default
            continue
        kind: Kind[Any] = each.metadata["kind"]
        try:
            values[name] = kind.read(table[name])
        except KindError as refusal:
            message = kind.complaint(table[name], refusal, secret=each.metadata["secret"])
            complaints.append(ConfigComplaint(prefix + name, message))
    return values


def _locate(values: dict[str, dict[str, Any]], folder: Path) -> None:
    """Paths are taken from the folder of config.toml, wherever the command is called."""
    for keys in values.values():
        keys.update({key: _located(value, folder) for key, value in keys.items()})


def _located(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return folder / value.expanduser()
    if not (isinstance(value, tuple) and value and is_dataclass(value[0])):
        return value
    return tuple(replace(row, **{f.name: _located(getattr(row, f.name), folder) for f in fields(row)}) for row in value)


def _fetch_passwords(smtp: dict[str, Any]) -> list[ConfigComplaint]:
    """Read the passwords of the other relays that lie in files of their own; the complaints."""
    complaints: list[ConfigComplaint] = []
    fetched = []
    for number, relay in enumerate(smtp.get("others", ()), 1):
        key, password = f"smtp.others[{number}].password_file", relay.password
        if relay.password_file is not None:
            if password:
                complaints.append(ConfigComplaint(key, "expected instead of password, not beside it"))
            file = str(relay.password_file)
            password = _file_content(key, key, file, complaints) or ""
        fetched.append(replace(relay, password=password))
    smtp |= {"others": tuple(fetched)} if "others" in smtp else {}
    return complaints


def _fill_in(values: dict[str, dict[str, Any]]) -> None:
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
