"""Which relay takes the next letters: the first that is well and serves the sender's domain, outside quiet hours.

Contract, for the sender: ask `relay_for` before each claim, and hold to the answer. `Chosen` names the relay, for its
connections and for `models.quota.take`; `Waiting` says when to ask again (None: when a person has done something).
Quiet hours are the mailings'; with `priority` nothing but the relays' own state is asked.
"""

from dataclasses import dataclass
from datetime import datetime

from mailer.actions.use_relay import Route, credentials_of, routes_for
from mailer.core.limits import Limits
from mailer.core.schedule import brief
from mailer.house import House
from mailer.models import RelayState, relay_state
from mailer.transport.relay import Relay


@dataclass(frozen=True, slots=True)
class Chosen:
    """The relay to hand letters to; `was_ill` until a session with it has come about."""

    name: str
    relay: Relay
    limits: Limits
    was_ill: bool = False


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
    states, ill = relay_state.states(), list[RelayState]()
    for route in routes_for(house.config, sender_domain):
        state = states.get(route.name)
        if state is None or not state.rests(now, credentials_of(house, route)):
            return _chosen(route, state)
        ill.append(state)
    if not ill:
        return Waiting(None, f"No relay takes letters from {sender_domain}: see smtp.senders in config.toml.")
    return Waiting(min((state.until for state in ill if state.until), default=None), _why(ill))


def _chosen(route: Route, state: RelayState | None) -> Chosen:
    return Chosen(route.name, route.relay, route.limits, was_ill=state is not None)


def _why(ill: list[RelayState]) -> str:
    """What a person should know first: what waits for them."""
    worst = min(ill, key=lambda state: state.until is not None)
    return f"The relay {worst.name}: {worst.reason}"
