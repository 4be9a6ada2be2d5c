"""What config.toml may say: one frozen dataclass a section, each key with its kind and its default."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_type_hints
from urllib.parse import urlsplit

from mailer.config.relays import Bounds, Smtp
from mailer.config.table import PLACE, of, tables
from mailer.core.configkind import (
    ALLOWED,
    BASE_URL,
    COMMAND,
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
)
from mailer.core.databaseurl import DATABASE_URL, SQLITE, Postgres, postgres
from mailer.core.kind import (
    ADDRESS,
    DOMAIN,
    FLAG,
    LINE,
    many,
    matching,
    whole,
)
from mailer.core.quiet import NO_QUIET_HOURS, QuietHours
from mailer.core.schedule import RETRY_MINUTES

_SELECTOR = matching("letters, digits and hyphens", r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Site:
    """Where the pages are, and whether this is the site that people know."""

    base_url: str = field(metadata=of(BASE_URL))
    production: bool = field(default=False, metadata=of(FLAG))
    trusted_proxies: tuple[str, ...] = field(default=(), metadata=of(many(PROXY, "a list of IP addresses or networks")))
    allow_list: tuple[str, ...] = field(
        default=(), metadata=of(many(ALLOWED, 'a list of e-mail addresses and "@domains"'))
    )

    @property
    def host(self) -> str:
        """The host name that people see in links."""
        return urlsplit(self.base_url).hostname or ""


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who writes: what every letter says of its sender (standards F19, L16, P5)."""

    name: str = field(metadata=of(LINE))
    postal_address: tuple[str, ...] = field(metadata=of(SOME_LINES))
    contact: str = field(metadata=of(ADDRESS))
    privacy_notice_url: str = field(metadata=of(WEB_PAGE))
    sender_name: str = field(metadata=of(LINE))
    sender_address: str = field(metadata=of(SENDER))
    reply_to: str = field(default="", metadata=of(ADDRESS))
    imprint: tuple[str, ...] = field(default=(), metadata=of(LINES))
    imprint_required: bool = field(default=False, metadata=of(FLAG))
    time_zone: str = field(default="Europe/London", metadata=of(TIME_ZONE))


@dataclass(frozen=True, slots=True)
class Data:
    """Where this site keeps its files: keys, journals and, by default, the database."""

    dir: Path = field(default=Path("var"), metadata=of(PLACE))
    shared: bool = field(default=False, metadata=of(FLAG))
    keep_departures_days: int = field(default=400, metadata=of(whole(400, 36_500)))
    keep_free_mb: int = field(default=200, metadata=of(whole(0, 1_000_000)))

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

    url: str = field(default=SQLITE, repr=False, metadata=of(DATABASE_URL, secret=True))

    @property
    def postgres(self) -> Postgres | None:
        """The parts of a PostgreSQL address, None for SQLite."""
        return postgres(self.url)


@dataclass(frozen=True, slots=True)
class Bounces:
    """Where letters that cannot be delivered come back to: a Maildir, a mailbox over IMAP, a provider's webhook."""

    domain: str = field(metadata=of(DOMAIN))
    maildir: Path | None = field(default=None, metadata=of(PLACE))
    imap_host: str = field(default="", metadata=of(HOST))
    imap_port: int = field(default=0, metadata=of(whole(1, 65535)))
    imap_tls: Tls = field(default=Tls.IMPLICIT, metadata=of(TLS))
    imap_user: str = field(default="", metadata=of(LINE))
    imap_password: str = field(default="", repr=False, metadata=of(SECRET, secret=True))
    imap_token_file: Path | None = field(default=None, metadata=of(PLACE))
    imap_token_command: tuple[str, ...] = field(default=(), metadata=of(COMMAND))
    imap_folder: str = field(default="INBOX", metadata=of(LINE))
    imap_ca_file: Path | None = field(default=None, metadata=of(PLACE))
    provider: Provider | None = field(default=None, metadata=of(PROVIDER))
    webhook_secret: str = field(default="", repr=False, metadata=of(SECRET, secret=True))
    disabled_letters: int = field(default=2, metadata=of(whole(1, 100)))
    soft_points: int = field(default=3, metadata=of(whole(1, 100)))
    soft_span_days: int = field(default=15, metadata=of(whole(0, 365)))
    settled_days: int = field(default=7, metadata=of(whole(1, 60)))
    hard_percent: int = field(default=5, metadata=of(whole(1, 100)))
    hard_of_at_least: int = field(default=50, metadata=of(whole(1, 100_000)))
    complaints_per_thousand: int = field(default=1, metadata=of(whole(1, 1000)))
    complaints_at_least: int = field(default=2, metadata=of(whole(1, 1000)))
    blocked_in_a_row: int = field(default=3, metadata=of(whole(1, 1000)))
    keep_raw_days: int = field(default=90, metadata=of(whole(1, 90)))


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A private key that signs letters, and the name it is published under."""

    selector: str = field(metadata=of(_SELECTOR))
    domain: str = field(metadata=of(DOMAIN))
    file: Path = field(metadata=of(PLACE))


@dataclass(frozen=True, slots=True)
class Dkim:
    """The keys that sign; more than one where a receiver may know only one algorithm."""

    keys: tuple[DkimKey, ...] = field(default=(), metadata=of(tables(DkimKey, "selector, domain and file")))


@dataclass(frozen=True, slots=True)
class Sending:
    """When a mailing leaves, and how long we try (design.md sections 2 and 4)."""

    cool_off_minutes: int = field(default=10, metadata=of(whole(0, 1440)))
    grace_minutes: int = field(default=120, metadata=of(whole(1, 10_080)))
    not_after_hours: int = field(default=48, metadata=of(whole(1, 720)))
    prepare_ahead_minutes: int = field(default=30, metadata=of(whole(0, 1440)))
    retry_minutes: tuple[int, ...] = field(
        default=RETRY_MINUTES,
        metadata=of(many(whole(30, 1440), "a list of whole numbers from 30 to 1440", least=1, twice=True)),
    )
    give_up_hours: int = field(default=96, metadata=of(whole(1, 240)))
    uncertain: Uncertain = field(default=Uncertain.KEEP, metadata=of(UNCERTAIN))
    quiet_hours: QuietHours = field(default=NO_QUIET_HOURS, metadata=of(QUIET))
    #: Sending processes of `mailer run`; 0: one for each core, four at most.
    workers: int = field(default=0, metadata=of(whole(0, 64)))


@dataclass(frozen=True, slots=True)
class Alerts:
    """How people hear of a fault of ours: by a relay that only alarms use, and by a command of the operator's."""

    addresses: tuple[str, ...] = field(default=(), metadata=of(many(ADDRESS, "a list of e-mail addresses")))
    host: str = field(default="", metadata=of(HOST))
    port: int = field(default=0, metadata=of(whole(1, 65535)))
    tls: Tls = field(default=Tls.STARTTLS, metadata=of(TLS))
    user: str = field(default="", metadata=of(LINE))
    password: str = field(default="", repr=False, metadata=of(SECRET, secret=True))
    command: tuple[str, ...] = field(default=(), metadata=of(COMMAND))


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


#: The class of each section, by its name.
SECTIONS: Mapping[str, type] = {name: hint for name, hint in get_type_hints(Config).items() if name != "source"}
