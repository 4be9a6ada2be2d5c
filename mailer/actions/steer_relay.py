"""What becomes of a relay that fails, and how a person lets it go on (standards T5, T14, T17, T19).

Contract, for the sender: `failed` when no session came about, `heard` for each answer that is not 2xx, `is_well` when
a session came about with a relay that `was_ill`. A refused login waits for a person or for other credentials, since
trying on may lock the account; everything else passes by itself.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mailer.access import THE_CLOCK, Actor
from mailer.actions.use_relay import Route, credentials_of, routes_of
from mailer.core.alarm import discreet
from mailer.core.delivery import LOGIN_REFUSED
from mailer.core.errors import MailerError
from mailer.core.limits import Limits, Used, kept
from mailer.core.reply import Answer
from mailer.core.throttle import RELAY_REST, Backoff, Slows, slows
from mailer.core.verdict import Class, classify
from mailer.house import House
from mailer.models import RelayState, destination, quota, relay_state, workload
from mailer.models.base import writing
from mailer.models.ledger import record
from mailer.transport.relay import FaultKind, RelayFault

#: A certificate is not renewed within a minute, and each try tells whoever listens on the line that we are here.
_TLS_REST = Backoff(timedelta(minutes=15), timedelta(minutes=15))
#: A relay's own quota renews with the hour or with the day; until then each letter would be refused by itself.
_QUOTA_REST = Backoff(timedelta(hours=1), timedelta(hours=4))
#: Google and Microsoft call who sends close to so many a day to their people a bulk sender (standards D13).
BULK_SENDER = 5000
_A_DAY = timedelta(hours=24)


class NoSuchRelay(MailerError, LookupError):
    """The configuration knows no relay of this name."""


@dataclass(frozen=True, slots=True)
class WindowReport:
    """How much of a limit is used: `kept` of it are the priority lane's."""

    window: str
    limit: int
    used: int
    kept: int


@dataclass(frozen=True, slots=True)
class RelayReport:
    """One relay as a person may see it: `well`, `resting` until a time, or `paused` until a person acts."""

    name: str
    address: str
    state: str
    reason: str
    since: datetime | None
    until: datetime | None
    senders: tuple[str, ...]
    windows: tuple[WindowReport, ...]


@dataclass(frozen=True, slots=True)
class RestingReport:
    """A destination that asked us to slow down."""

    domain: str
    until: datetime
    times: int
    reason: str


@dataclass(frozen=True, slots=True)
class VolumeReport:
    """Letters of the last 24 hours to one provider's domains."""

    domain: str
    letters: int


def failed(house: House, name: str, fault: RelayFault, now: datetime) -> None:
    """No session came about: let the relay rest, or wait for a person."""
    code = fault.reply.code if fault.reply else None
    _note(house, name, fault.kind, str(fault), now, _backoff(fault.kind, code, retry_later=fault.retry_later))


def heard(house: House, name: str, answer: Answer, now: datetime) -> bool:
    """An answer that is about the relay itself and not about a letter; False if it is not."""
    reply = answer.reply
    if reply is None or reply.first_digit == 2:
        return False
    if reply.code in LOGIN_REFUSED:
        _note(house, name, FaultKind.AUTH, str(reply), now, None)
    elif classify(reply.code, reply.status, reply.text) is Class.QUOTA:
        _note(house, name, FaultKind.BUSY, str(reply), now, _QUOTA_REST)
    elif slows(answer.step, reply) is Slows.RELAY:
        _note(house, name, FaultKind.BUSY, str(reply), now, RELAY_REST)
    else:
        return False
    return True


def is_well(name: str, now: datetime) -> None:
    """A session came about: what was wrong is over."""
    with writing():
        if relay_state.well(name):
            record(now, THE_CLOCK.reference, "relay well", about="relay", number=name)


def resume(actor: Actor, house: House, name: str, now: datetime) -> bool:
    """Try a relay again at once; False if nothing kept it back."""
    known = [route.name for route in routes_of(house.config)]
    if name not in known:
        raise NoSuchRelay(f"There is no relay {name!r}. The relays are: {', '.join(known)}.")
    with writing():
        if not relay_state.well(name):
            return False
        record(now, actor.reference, "relay resumed", about="relay", number=name)
    return True


def relays(house: House, now: datetime) -> tuple[RelayReport, ...]:
    """Every relay, how it stands and what is left of its limits."""
    routes, states = routes_of(house.config), relay_state.states()
    used = quota.used_by(quota.relay_scope(route.name) for route in routes)
    return tuple(
        _report(house, route, states.get(route.name), used[quota.relay_scope(route.name)], now) for route in routes
    )


def resting_destinations(now: datetime) -> tuple[RestingReport, ...]:
    """The destinations that rest, the longest first."""
    rows = destination.resting(now)
    return tuple(RestingReport(row.domain, row.rest_until, row.times, row.reason) for row in rows)


def volumes(now: datetime) -> tuple[VolumeReport, ...]:
    """Letters accepted in the last 24 hours, by the provider's primary domain, most first (standards D13)."""
    counts = workload.volumes(now - _A_DAY)
    return tuple(VolumeReport(domain, counts[domain]) for domain in sorted(counts, key=lambda each: -counts[each]))


def _backoff(kind: FaultKind, code: int | None, *, retry_later: bool) -> Backoff | None:
    if not retry_later or code in LOGIN_REFUSED:
        return None
    return _TLS_REST if kind is FaultKind.TLS else RELAY_REST


def _note(house: House, name: str, kind: FaultKind, words: str, now: datetime, backoff: Backoff | None) -> None:
    words = discreet(words)  # servers quote addresses, and what is written here is read by all and never changed (P22)
    route = next(route for route in routes_of(house.config) if route.name == name)
    with writing():
        if relay_state.fault(name, kind, words, credentials_of(house, route), now, backoff):
            verb = "relay rests" if backoff else "relay paused"
            record(now, THE_CLOCK.reference, verb, about="relay", number=name, kind=kind, reason=words[:500])


def _report(house: House, route: Route, state: RelayState | None, used: Used, now: datetime) -> RelayReport:
    if state is None or not state.rests(now, credentials_of(house, route)):
        stands, state = "well", None
    else:
        stands = "resting" if state.until else "paused"
    return RelayReport(
        name=route.name,
        address=str(route.relay),
        state=stands,
        reason=state.reason if state else "",
        since=state.since if state else None,
        until=state.until if state else None,
        senders=route.senders,
        windows=tuple(_windows(route.limits, used, now)),
    )


def _windows(limits: Limits, used: Used, now: datetime) -> list[WindowReport]:
    return [
        WindowReport(window.value, most, used.total(window, now), kept(window, most))
        for window, most in limits.letters()
    ]
