"""Houses that differ from the tests' own in their relays, limits and quiet hours."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mailer.config.relays import DomainLimits, OtherRelay, RelayLimits
from mailer.core.configkind import Tls
from mailer.core.quiet import NO_QUIET_HOURS, QuietHours
from mailer.house import House


def spare(name: str, *, senders: tuple[str, ...] = (), password: str = "", signs: bool = False) -> OtherRelay:
    """A relay beside the first."""
    user = "friends" if password else ""
    return OtherRelay(
        name=name,
        host=f"{name}.example.net",
        port=587,
        tls=Tls.STARTTLS,
        user=user,
        password=password,
        ehlo_name="news.example.org",
        signs=signs,
        senders=senders,
    )


def with_relays(
    house: House,
    *others: OtherRelay,
    limits: Sequence[RelayLimits] = (),
    domains: Sequence[DomainLimits] = (),
    quiet: QuietHours = NO_QUIET_HOURS,
    password: str = "",
) -> House:
    """The same house with these beside its relay."""
    config = house.config
    smtp = replace(config.smtp, others=others, user="friends" if password else "", password=password)
    bounds = replace(config.limits, relays=tuple(limits), domains=tuple(domains))
    return replace(
        house, config=replace(config, smtp=smtp, limits=bounds, sending=replace(config.sending, quiet_hours=quiet))
    )


def with_token(house: House, *, token_file: Path | None = None, token_command: tuple[str, ...] = ()) -> House:
    """The same house logging in at its relay by an access token."""
    smtp = replace(house.config.smtp, user="friends", token_file=token_file, token_command=token_command)
    return replace(house, config=replace(house.config, smtp=smtp))
