"""The relay that letters are handed to: where it is, how it is reached, and the faults that are its own.

Law of the file: a relay that could leak is refused when it is described, not when it is used (standards T1,
T14); and what goes wrong before the first MAIL is the relay's fault, never a member's (T19).
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from mailer.core.errors import MailerError
from mailer.core.reply import Reply, Step
from mailer.transport.access_token import Source

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_FQDN = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}")


class RelayRefused(MailerError, ValueError):
    """A relay described in a way that is not safe to use."""


class FaultKind(StrEnum):
    """What is wrong with a relay."""

    UNREACHABLE = "unreachable"
    TLS = "tls"
    AUTH = "auth"
    PROTOCOL = "protocol"
    REFUSED_GREETING = "refused_greeting"
    BUSY = "busy"


class RelayFault(MailerError, ConnectionError):
    """No session came about. `retry_later` False means: pause the relay until a person has looked."""

    def __init__(
        self, text: str, *, kind: FaultKind, retry_later: bool, step: Step, reply: Reply | None = None
    ) -> None:
        super().__init__(text)
        self.kind = kind
        self.retry_later = retry_later
        self.step = step
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; the defaults are not below those of RFC 5321 section 4.5.3.2 (T2)."""

    connect: float = 60
    greeting: float = 300
    command: float = 300  # EHLO, STARTTLS and its handshake, AUTH, RSET
    mail: float = 300
    rcpt: float = 300
    data: float = 120
    block: float = 180
    final_dot: float = 600
    quit: float = 10  # the letters are settled by then: nothing is lost by not hearing the farewell

    def of(self, step: Step) -> float:
        match step:
            case Step.CONNECT:
                return self.greeting
            case Step.BODY:
                return self.block
            case Step.MAIL | Step.RCPT | Step.DATA | Step.FINAL_DOT | Step.QUIT:
                return float(getattr(self, step.value))
            case _:
                return self.command


@dataclass(frozen=True, slots=True)
class Relay:
    """One submission server. No `user` means no AUTH; `ca_file` replaces the machine's own authorities.

    `token_from` stands in the place of a password where the server wants an access token (T20).
    """

    host: str
    port: int
    tls: Literal["implicit", "starttls-required", "none"]
    ehlo_name: str
    user: str = ""
    password: str = field(default="", repr=False)
    timeouts: Timeouts = Timeouts()
    ca_file: Path | None = None
    token_from: Source | None = None

    def __post_init__(self) -> None:
        name = self.ehlo_name.lower()
        local_name = name == "localhost" or name.startswith("localhost.")
        if self.tls not in ("implicit", "starttls-required", "none"):
            raise RelayRefused(f"tls is {self.tls!r}: write 'implicit' or 'starttls-required'.")
        if self.tls == "none" and not self.on_loopback:
            raise RelayRefused(f"Mail to {self.host} would travel in the clear: write 'starttls-required'.")
        if local_name and not self.on_loopback:
            raise RelayRefused(f"ehlo_name {name!r} says nothing to another machine: write the full name.")
        if not (_FQDN.fullmatch(name) or _is_literal(self.ehlo_name) or name == "localhost"):
            raise RelayRefused(f"ehlo_name {name!r}: write this machine's full name, as mail.example.org.")
        if self.password and self.token_from:
            raise RelayRefused("A password and an access token are one too many: leave out one of them.")
        if bool(self.user) != bool(self.password or self.token_from):
            raise RelayRefused("user and password (or token) go together; leave out both for no AUTH.")
        # AUTH PLAIN parts its fields by NUL, OAuth by SOH.
        if "\0" in self.user + self.password or "\1" in self.user:
            raise RelayRefused("user and password hold no control characters such as NUL.")

    @property
    def on_loopback(self) -> bool:
        return self.host.lower() == "localhost" or is_loopback(self.host)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _is_literal(name: str) -> bool:
    if not (name.startswith("[") and name.endswith("]")):
        return False
    inside = name[1:-1]
    try:
        return (ip_address(inside.removeprefix("IPv6:")).version == 6) == inside.startswith("IPv6:")
    except ValueError:
        return False
