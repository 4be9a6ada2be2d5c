"""What must fit together in config.toml although each key alone is fine (standards T1, T14, T16, P5, F19).

Each check names the keys it needs and is asked only if all of them could be read, so that one fault does not
hide another and none is reported twice.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from mailer.core.configkind import Tls, is_loopback
from mailer.core.domain import organisational, same_organisation
from mailer.core.kind import nearest

#: The name of the relay that [smtp] describes; the others are given theirs.
FIRST_RELAY = "smtp"

_CHECKS: list[tuple[tuple[str, ...], Callable[..., str | None]]] = []


def misfits(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The dotted key and the complaint of every check that fails; `values` holds what could be read."""
    for keys, check in _CHECKS:
        if all(key in values for key in keys):
            complaint = check(*(values[key] for key in keys))
            if complaint:
                yield keys[0], complaint


def _needs(*keys: str) -> Callable[[Callable[..., str | None]], Callable[..., str | None]]:
    """Register a check; its complaints go to the first key."""

    def register(check: Callable[..., str | None]) -> Callable[..., str | None]:
        _CHECKS.append((keys, check))
        return check

    return register


@_needs("site.base_url", "site.production")
def _public_site(base_url: str, production: bool) -> str | None:
    if production and is_loopback(urlsplit(base_url).hostname or ""):
        return "expected a public https address while site.production is true: nobody else can open these links"
    return None


@_needs("smtp.tls", "smtp.host")
@_needs("alerts.tls", "alerts.host")
@_needs("bounces.imap_tls", "bounces.imap_host")
def _encrypted(tls: Tls, host: str) -> str | None:
    if tls is Tls.NONE and host and not is_loopback(host):
        return f'expected "implicit" or "starttls-required": mail to {host} would travel in the clear'
    return None


@_needs("smtp.port", "smtp.host")
@_needs("alerts.port", "alerts.host")
def _no_direct_delivery(port: int, host: str) -> str | None:
    if port == 25 and host and not is_loopback(host):
        return "expected 587 or 465, the ports of a relay: port 25 is where mail servers speak to each other"
    return None


@_needs("smtp.password", "smtp.user", "smtp.token_file", "smtp.token_command")
def _login(password: str, user: str, token_file: object, token_command: tuple[str, ...]) -> str | None:
    ways = sum(map(bool, (password, token_file, token_command)))
    if ways > 1:
        return "expected alone: one of password, token_file and token_command"
    if ways != bool(user):
        return "expected together with the user, or token_file or token_command in its place; or nothing of it"
    return None


@_needs("alerts.password", "alerts.user")
def _credentials(password: str, user: str) -> str | None:
    if bool(password) != bool(user):
        return "expected together with the user, or neither of the two"
    return None


@_needs("alerts.addresses", "alerts.host")
def _another_way(addresses: tuple[str, ...], host: str) -> str | None:
    if bool(addresses) != bool(host):
        return "expected together with alerts.host, a relay that is not the one of [smtp], or neither of the two"
    return None


@_needs("alerts.host", "smtp.host")
def _not_the_same(alerts_host: str, host: str) -> str | None:
    if alerts_host == host and not is_loopback(host):
        return f"expected another relay than smtp.host: when {host} fails, nobody would hear of it"
    return None


@_needs("smtp.ehlo_name", "smtp.host")
@_needs("smtp.ehlo_name", "alerts.host")
def _named(ehlo_name: str, host: str) -> str | None:
    if host and not is_loopback(host) and not ehlo_name.startswith("[") and is_loopback(ehlo_name):
        return f"expected the full name of this machine, as mail.example.org: {ehlo_name!r} tells {host} nothing"
    return None


@_needs("smtp.others")
def _others(others: tuple[Any, ...]) -> str | None:
    """What holds for the first relay holds for each."""
    names = [other.name for other in others]
    if FIRST_RELAY in names or len(set(names)) < len(names):
        return f"expected a name of its own for each relay, other than {FIRST_RELAY!r}, found {', '.join(names)}"
    faults = [
        f"{other.name}: {fault}"
        for other in others
        for fault in (
            _encrypted(other.tls, other.host),
            _no_direct_delivery(other.port, other.host),
            _login(other.password or str(other.password_file or ""), other.user, other.token_file, other.token_command),
            _named(other.ehlo_name, other.host),
        )
        if fault
    ]
    return "; ".join(faults) or None


@_needs("smtp.senders", "smtp.others", "organisation.sender_address")
def _somebody_sends(senders: tuple[str, ...], others: tuple[Any, ...], sender_address: str) -> str | None:
    domain = sender_address.rpartition("@")[2]
    if all(taken and domain not in taken for taken in (senders, *(other.senders for other in others))):
        return f"expected one relay that takes letters from {domain}, the sender's domain; each is for others only"
    return None


@_needs("limits.relays", "smtp.others")
def _limited_relays(limits: tuple[Any, ...], others: tuple[Any, ...]) -> str | None:
    known = [FIRST_RELAY, *(other.name for other in others)]
    names = [each.name for each in limits]
    if unknown := sorted(set(names) - set(known)):
        return f"expected names of relays, found {unknown[0]!r}; {nearest(unknown[0], known)}"
    return _once(names)


@_needs("limits.domains")
def _limited_domains(limits: tuple[Any, ...]) -> str | None:
    return _once([each.domain for each in limits])


def _once(names: list[str]) -> str | None:
    twice = sorted({name for name in names if names.count(name) > 1})
    return f"expected each once, found {twice[0]} twice" if twice else None


@_needs("organisation.imprint", "organisation.imprint_required")
def _imprint(imprint: tuple[str, ...], required: bool) -> str | None:
    if required and not imprint:
        return "expected the promoter's name and postal address while organisation.imprint_required is true"
    return None


@_needs("bounces.domain", "organisation.sender_address")
def _return_path(domain: str, sender_address: str) -> str | None:
    sender = sender_address.rpartition("@")[2]
    if not same_organisation(domain, sender):
        own = f"bounces.{organisational(sender)}"
        return f"expected a domain of the sender's own, such as {own}, found {domain!r}"
    return None


@_needs("bounces.imap_host", "bounces.imap_user")
def _mailbox(host: str, user: str) -> str | None:
    if bool(host) != bool(user):
        return "expected together with bounces.imap_user, or neither of the two"
    return None


@_needs("bounces.imap_password", "bounces.imap_token_file", "bounces.imap_token_command", "bounces.imap_host")
def _one_key_to_the_mailbox(password: str, token_file: object, command: tuple[str, ...], host: str) -> str | None:
    if sum(map(bool, (password, token_file, command))) != bool(host):
        return "expected with bounces.imap_host, or one of imap_token_file and imap_token_command in its place"
    return None


@_needs("bounces.webhook_secret", "bounces.provider")
def _webhook(secret: str, provider: object) -> str | None:
    if provider is None and not secret:
        return None
    if provider is None or len(secret) < 16:
        return "expected at least 16 characters, together with bounces.provider: anybody can call a webhook"
    return None


@_needs("dkim.keys", "organisation.sender_address")
def _signature(keys: tuple[Any, ...], sender_address: str) -> str | None:
    sender = sender_address.rpartition("@")[2]
    foreign = sorted({key.domain for key in keys if not same_organisation(key.domain, sender)})
    if foreign:
        return f"expected keys of {organisational(sender)}, the sender's domain, found {', '.join(foreign)}"
    return None


@_needs("sending.not_after_hours", "sending.grace_minutes")
def _grace(not_after_hours: int, grace_minutes: int) -> str | None:
    if not_after_hours * 60 < grace_minutes:
        return f"expected no less than sending.grace_minutes, which is {grace_minutes}"
    return None
