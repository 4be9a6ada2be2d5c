"""An alarm begins to ring, or rings no more: a row for those who look, an event for those who look back."""

from datetime import datetime

from mailer.access import THE_CLOCK
from mailer.core.alarm import AlarmKind, discreet
from mailer.models import alarm
from mailer.models.base import writing
from mailer.models.ledger import record
from mailer.transport.relay import FaultKind, RelayFault

#: What events of ours are about; the watch over the clock leaves them out.
ABOUT = "alarm"

_OF_A_RELAY = (AlarmKind.RELAY_DOWN, AlarmKind.RELAY_PASSWORD, AlarmKind.RELAY_TLS)
_KINDS = {FaultKind.AUTH: AlarmKind.RELAY_PASSWORD, FaultKind.TLS: AlarmKind.RELAY_TLS}


def raise_alarm(kind: AlarmKind, about: str, words: str, now: datetime) -> bool:
    """It rings from now on; True if it did not before. Cheap while nothing changes: say it as often as you like."""
    words = discreet(words)
    if alarm.rings(kind, about) == words:
        return False
    with writing():
        began = alarm.set_off(kind, about, words, now)
        if began:
            record(now, THE_CLOCK.reference, "alarm raised", about=ABOUT, number=kind, of=about, words=words)
    return began


def clear_alarm(kind: AlarmKind, about: str, now: datetime) -> bool:
    """It rings no more; False if it did not."""
    if alarm.rings(kind, about) is None:
        return False
    with writing():
        ended = alarm.silence(kind, about, now)
        if ended:
            record(now, THE_CLOCK.reference, "alarm cleared", about=ABOUT, number=kind, of=about)
    return ended


def relay_failed(relay: str, fault: RelayFault, now: datetime) -> bool:
    """No session with this relay came about; True if that is news."""
    return raise_alarm(_KINDS.get(fault.kind, AlarmKind.RELAY_DOWN), relay, str(fault), now)


def relay_works(relay: str, now: datetime) -> None:
    """A session with this relay came about."""
    for kind in _OF_A_RELAY:
        clear_alarm(kind, relay, now)


def forget_relays(now: datetime) -> None:
    """At a worker's start: the configuration may name other relays now; what still fails rings again at once."""
    for each in alarm.ringing():
        if each.kind in _OF_A_RELAY:
            clear_alarm(AlarmKind(each.kind), each.about, now)
