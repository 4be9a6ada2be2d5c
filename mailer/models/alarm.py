"""Alarms: at most one at a time about one thing. `core.alarm` says what they mean and when people are told."""

from datetime import datetime, timedelta

from django.db import IntegrityError, models
from django.db.models import Q

from mailer.core.alarm import LONGEST, AlarmKind
from mailer.models.base import Table, one_of, writing

#: Whoever began to tell an alarm has so long before another tries.
RETRY = timedelta(minutes=5)


class Alarm(Table):
    """A fault of ours, from when it was noticed until people have heard that it is over."""

    kind = models.CharField(max_length=24)
    #: What it is about, in the words of its kind: a relay, a host, the number of a mailing.
    about = models.CharField(max_length=300, default="")
    since = models.DateTimeField()
    words = models.CharField(max_length=LONGEST, default="")
    told_at = models.DateTimeField(null=True)
    #: When somebody last began to tell it: a claim, so that two workers do not tell the same thing.
    tried_at = models.DateTimeField(null=True)
    cleared_at = models.DateTimeField(null=True)
    over = models.BooleanField(default=False)

    class Meta(Table.Meta):
        constraints = (
            one_of("alarm_kind", "kind", AlarmKind),
            models.UniqueConstraint(fields=("kind", "about"), condition=Q(over=False), name="alarm_once"),
            models.CheckConstraint(condition=Q(over=False) | Q(cleared_at__isnull=False), name="alarm_over_is_cleared"),
        )


def ringing() -> list[Alarm]:
    """The alarms that hold now, longest first."""
    return list(Alarm.unscoped.filter(over=False, cleared_at=None).order_by("since", "pk"))


def not_over() -> list[Alarm]:
    """Those of which somebody may have to be told: that they hold, or that they do no more."""
    return list(Alarm.unscoped.filter(over=False).order_by("since", "pk"))


def rings(kind: AlarmKind, about: str) -> str | None:
    """The words of an alarm that holds, None if it does not."""
    words: str | None = (
        Alarm.unscoped.filter(kind=kind, about=about, over=False, cleared_at=None)
        .values_list("words", flat=True)
        .first()
    )
    return words


def set_off(kind: AlarmKind, about: str, words: str, now: datetime) -> bool:
    """Make it hold, in these words; False if it did already. One that was quiet for a moment goes on."""
    rows = Alarm.unscoped.filter(kind=kind, about=about, over=False)
    if rows.filter(cleared_at__isnull=False).update(cleared_at=None, words=words) == 1:
        return True
    if rows.update(words=words):
        return False
    try:
        with writing():
            Alarm.unscoped.create(kind=kind, about=about, since=now, words=words)
    except IntegrityError:
        return False  # another worker noticed it at the same moment
    return True


def silence(kind: AlarmKind, about: str, now: datetime) -> bool:
    """It holds no more; False if it did not."""
    return Alarm.unscoped.filter(kind=kind, about=about, over=False, cleared_at=None).update(cleared_at=now) == 1


def begin_telling(alarm: Alarm, now: datetime) -> bool:
    """Take it upon oneself to tell it; False if somebody else has, or tried a moment ago."""
    free = Q(tried_at=None) | Q(tried_at__lte=now - RETRY) | Q(tried_at__gt=now)
    return Alarm.unscoped.filter(free, pk=alarm.pk, told_at=alarm.told_at, over=False).update(tried_at=now) == 1


def note_told(alarm: Alarm, now: datetime) -> None:
    """People have heard that it holds."""
    Alarm.unscoped.filter(pk=alarm.pk).update(told_at=now, tried_at=None)


def lay_to_rest(alarm: Alarm) -> None:
    """Nobody needs to hear of it any more, unless it holds again."""
    Alarm.unscoped.filter(pk=alarm.pk, cleared_at__isnull=False).update(over=True)
