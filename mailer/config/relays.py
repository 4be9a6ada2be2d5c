"""The relays that letters are handed to, and how much may go where: sections [smtp] and [limits]."""

from dataclasses import dataclass, field
from pathlib import Path

from mailer.config.table import PLACE, of, tables
from mailer.core.configkind import (
    COMMAND,
    EHLO_NAME,
    HOST,
    SECRET,
    TLS,
    Tls,
)
from mailer.core.kind import (
    DOMAIN,
    FLAG,
    LINE,
    SLUG,
    many,
    whole,
)
from mailer.core.limits import Limits

_SENDERS = many(DOMAIN, "a list of domain names")
_LETTERS = whole(0, 1_000_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Relay:
    """How a relay is reached (standards T1, T14, T16); `signs`: it adds the DKIM signature.

    `senders` are the domains in From that it takes; none named is all.
    """

    host: str = field(metadata=of(HOST))
    port: int = field(default=0, metadata=of(whole(1, 65535)))
    tls: Tls = field(default=Tls.STARTTLS, metadata=of(TLS))
    user: str = field(default="", metadata=of(LINE))
    password: str = field(default="", repr=False, metadata=of(SECRET, secret=True))
    token_file: Path | None = field(default=None, metadata=of(PLACE))
    token_command: tuple[str, ...] = field(default=(), metadata=of(COMMAND))
    ehlo_name: str = field(default="", metadata=of(EHLO_NAME))
    ca_file: Path | None = field(default=None, metadata=of(PLACE))
    signs: bool = field(default=False, metadata=of(FLAG))
    senders: tuple[str, ...] = field(default=(), metadata=of(_SENDERS))


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherRelay(_Relay):
    """A further relay: it takes over when those before it cannot send, or sends for domains of its own."""

    name: str = field(metadata=of(SLUG))
    password_file: Path | None = field(default=None, metadata=of(PLACE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp(_Relay):
    """The relay that letters are handed to, and the others, in the order in which they take over."""

    others: tuple[OtherRelay, ...] = field(default=(), metadata=of(tables(OtherRelay, "name and host"), secret=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class _LetterLimits:
    """So many letters in any second, minute, hour and day; 0 is no limit."""

    per_second: int = field(default=0, metadata=of(_LETTERS))
    per_minute: int = field(default=0, metadata=of(_LETTERS))
    per_hour: int = field(default=0, metadata=of(_LETTERS))
    per_day: int = field(default=0, metadata=of(_LETTERS))


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainLimits(_LetterLimits):
    """What may go to the addresses of one domain."""

    domain: str = field(metadata=of(DOMAIN))

    @property
    def limits(self) -> Limits:
        """The limits as the core reasons about them."""
        return Limits(self.per_second, self.per_minute, self.per_hour, self.per_day)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayLimits(_LetterLimits):
    """What may go through one relay, by its name; the one of [smtp] is called smtp."""

    name: str = field(metadata=of(SLUG))
    connections: int = field(default=0, metadata=of(whole(0, 1000)))
    letters_per_connection: int = field(default=0, metadata=of(_LETTERS))

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

    relays: tuple[RelayLimits, ...] = field(default=(), metadata=of(tables(RelayLimits, "name and limits")))
    domains: tuple[DomainLimits, ...] = field(default=(), metadata=of(tables(DomainLimits, "domain and limits")))
