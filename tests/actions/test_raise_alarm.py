"""An alarm begins to ring and ends; the audit log knows of both, and of no address."""

from datetime import timedelta

import pytest

from mailer.actions.raise_alarm import clear_alarm, raise_alarm
from mailer.core.alarm import AlarmKind
from mailer.models import Event, alarm
from tests.actions.alarms import DISK, HOST, RELAY
from tests.world import NOW

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def events() -> list[str]:
    return list(Event.unscoped.filter(subject_type="alarm").order_by("pk").values_list("verb", flat=True))


def test_what_begins_and_what_ends_is_in_the_audit_log_and_what_lasts_is_not_said_again() -> None:
    assert raise_alarm(DISK, HOST, "150 MB", NOW)
    assert not raise_alarm(DISK, HOST, "150 MB", NOW + MINUTE)
    assert not raise_alarm(DISK, HOST, "140 MB", NOW + MINUTE)
    assert alarm.ringing()[0].words == "140 MB"
    assert clear_alarm(DISK, HOST, NOW + MINUTE)
    assert not clear_alarm(DISK, HOST, NOW + MINUTE)
    assert events() == ["alarm raised", "alarm cleared"]


def test_no_address_that_a_server_quoted_gets_into_it() -> None:
    raise_alarm(AlarmKind.RELAY_DOWN, RELAY, "550 <ann@example.org> is not known", NOW)
    assert alarm.ringing()[0].words == "550 <(an address)> is not known"
    assert "ann@example.org" not in str(list(Event.unscoped.values()))
