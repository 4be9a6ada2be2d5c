"""An alarm begins to ring, or rings no more: a row for those who look, an event for those who look back."""

from datetime import datetime

from mailer.access import THE_CLOCK
from mailer.core.alarm import AlarmKind, discreet
from mailer.models import alarm
from mailer.models.base import writing
from mailer.models.ledger import record

#: What events of ours are about; the watch over the clock leaves them out.
ABOUT = "alarm"


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
