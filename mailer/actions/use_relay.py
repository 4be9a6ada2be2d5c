"""From the configuration to the relays and to the keys that sign; whoever sends asks here whether they may.

One click needs both List-Unsubscribe headers signed (RFC 8058 section 4), so nothing leaves this machine unsigned
unless somebody has said that the relay signs (design.md section 3 step 4).
"""

import hashlib
import hmac
from dataclasses import dataclass

from mailer.config import Config
from mailer.config.relays import OtherRelay, Smtp
from mailer.core.configcheck import FIRST_RELAY
from mailer.core.dkim import Signer
from mailer.core.errors import MailerError
from mailer.core.limits import NO_LIMITS, Limits
from mailer.house import House
from mailer.transport.relay import Relay


class Unsigned(MailerError, RuntimeError):
    """Letters would leave this machine without a signature."""


@dataclass(frozen=True, slots=True)
class Route:
    """A relay by its name, what it bears, whether it signs, and the domains in From that it takes (none: all)."""

    name: str
    relay: Relay
    limits: Limits = NO_LIMITS
    signs: bool = False
    senders: tuple[str, ...] = ()


def routes_of(config: Config) -> tuple[Route, ...]:
    """Every relay, in the order in which they take over."""
    smtp, limits = config.smtp, {each.name: each.limits for each in config.limits.relays}
    named: list[tuple[str, Smtp | OtherRelay]] = [(FIRST_RELAY, smtp), *((other.name, other) for other in smtp.others)]
    return tuple(
        Route(name, _relay(each), limits.get(name, NO_LIMITS), each.signs, each.senders) for name, each in named
    )


def routes_for(config: Config, sender_domain: str) -> list[Route]:
    """The relays that take letters from a domain: those that name it first, then those that take all."""
    routes = routes_of(config)
    own = [route for route in routes if sender_domain in route.senders]
    return own + [route for route in routes if not route.senders]


def relay_of(config: Config) -> Relay:
    """The first relay."""
    return _relay(config.smtp)


def signers_of(config: Config) -> tuple[Signer, ...]:
    """The keys that sign, in their order."""
    return tuple(
        Signer.from_pem(key.file.read_bytes(), domain=key.domain, selector=key.selector) for key in config.dkim.keys
    )


def must_be_signed(config: Config, relay: Relay, signers: tuple[Signer, ...]) -> None:
    """Refuse to send off this machine what nobody signs; in production a relay on this machine passes it on."""
    signs = any(route.signs for route in routes_of(config) if route.relay == relay)
    if signers or signs or (relay.on_loopback and not config.site.production):
        return
    raise Unsigned(
        f"Letters to {relay} would go without a DKIM signature, and then no mail program may offer to unsubscribe by"
        " one click: name a key in dkim.keys, or, if the relay signs, set signs = true for it in [smtp]."
        " Nothing is sent."
    )


def all_must_be_signed(config: Config, signers: tuple[Signer, ...]) -> None:
    """The same for every relay that may take over."""
    for route in routes_of(config):
        must_be_signed(config, route.relay, signers)


def credentials_of(house: House, route: Route) -> str:
    """A keyed fingerprint of where a relay is and how we log in there: it tells that they changed, and nothing else.

    Of an access token it is the source that counts: a token that was only renewed changes nothing.
    """
    relay = route.relay
    login = relay.password or str(relay.token_from or "")
    parts = ("relay", relay.host, str(relay.port), relay.tls, relay.user, login)
    return hmac.new(house.keys.django.encode(), "\0".join(parts).encode(), hashlib.sha256).hexdigest()


def _relay(smtp: Smtp | OtherRelay) -> Relay:
    return Relay(
        host=smtp.host,
        port=smtp.port,
        tls=smtp.tls.value,
        ehlo_name=smtp.ehlo_name,
        user=smtp.user,
        password=smtp.password,
        ca_file=smtp.ca_file,
        token_from=smtp.token_file or smtp.token_command or None,
    )
