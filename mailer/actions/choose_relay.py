"""Which relay takes the next letters: the first that is well and serves the sender's domain, outside quiet hours.

Contract, for the sender: ask `relay_for` before each claim, and hold to the answer. `Chosen` names the relay, for its
connections and for `models.quota.take`; `Waiting` says when to ask again (None: when a person has done something).
Quiet hours are the mailings'; with `priority` nothing but the relays' own state is asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mailer.actions.use_relay import Route, credentials_of, routes_for
from mailer.core.limits import Limits
from mailer.core.schedule import brief
from mailer.house import House
from mailer.models import RelayState, relay_state
from mailer.transport.relay import Relay


@dataclass(frozen=True, slots=True)
class Chosen:
    """The relay to hand letters to; `was_ill` until a letter has been taken by it.

    `has_spare` where another would take over. `meanwhile` is one that is well, to go on with until this one, which was
    ill, lets us in again.
    """

    name: str
    relay: Relay
    limits: Limits
    was_ill: bool = False
    has_spare: bool = False
    meanwhile: "Chosen | None" = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing may go now."""

    until: datetime | None
    reason: str


def relay_for(house: House, sender_domain: str, now: datetime, *, priority: bool = False) -> Chosen | Waiting:
    """The relay for letters from this domain, or until when there is none."""
    zone = house.config.organisation.time_zone
    quiet = None if priority else house.config.sending.quiet_hours.over_at(now, house.zone)
    if quiet is not None:
        return Waiting(quiet, f"Quiet hours, until {brief(quiet, zone, now)}.")
    states, routes = relay_state.states(), routes_for(house.config, sender_domain)
    if not routes:
        return Waiting(None, f"No relay takes letters from {sender_domain}: see smtp.senders in config.toml.")
    ill = [state for route in routes if (state := _rests(house, route, states, now))]
    awake = [_chosen(route, states, routes) for route in routes if not _rests(house, route, states, now)]
    if not awake:
        return Waiting(min((state.until for state in ill if state.until), default=None), _why(ill))
    first, well = awake[0], next((each for each in awake if not each.was_ill), None)
    return replace(first, meanwhile=well) if first.was_ill else first


def _rests(house: House, route: Route, states: Mapping[str, RelayState], now: datetime) -> RelayState | None:
    """What is wrong with a relay that is not to be tried now."""
    state = states.get(route.name)
    return state if state is not None and state.rests(now, credentials_of(house, route)) else None


def _chosen(route: Route, states: Mapping[str, RelayState], routes: Sequence[Route]) -> Chosen:
    return Chosen(route.name, route.relay, route.limits, was_ill=route.name in states, has_spare=len(routes) > 1)


def _why(ill: list[RelayState]) -> str:
    """What a person should know first: what waits for them."""
    worst = min(ill, key=lambda state: state.until is not None)
    return f"The relay {worst.name}: {worst.reason}"
