"""An alarm rings once about one thing; whoever tells it does so alone."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from mailer.core.alarm import AlarmKind
from mailer.models import Alarm, alarm
from tests.world import NOW

pytestmark = pytest.mark.django_db
DISK = AlarmKind.DISK_LOW
MINUTE = timedelta(minutes=1)


def test_it_rings_once_about_one_thing() -> None:
    assert alarm.set_off(DISK, "host-a", "150 MB", NOW)
    assert not alarm.set_off(DISK, "host-a", "140 MB", NOW + MINUTE)
    assert alarm.set_off(DISK, "host-b", "10 MB", NOW + MINUTE)
    assert [(row.about, row.words, row.since) for row in alarm.ringing()] == [
        ("host-a", "140 MB", NOW),
        ("host-b", "10 MB", NOW + MINUTE),
    ]


def test_the_database_too_keeps_it_to_one() -> None:
    alarm.set_off(DISK, "host-a", "", NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        Alarm.unscoped.create(kind=DISK, about="host-a", since=NOW)


def test_two_workers_that_notice_it_at_the_same_moment_make_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    alarm.set_off(DISK, "host-a", "first", NOW)
    rows = Alarm.unscoped.none()
    monkeypatch.setattr(Alarm.unscoped, "filter", lambda *_, **__: rows)
    assert not alarm.set_off(DISK, "host-a", "second", NOW)
    monkeypatch.undo()
    assert [row.words for row in alarm.ringing()] == ["first"]


def test_one_that_was_quiet_for_a_moment_goes_on_as_the_same() -> None:
    alarm.set_off(DISK, "host-a", "150 MB", NOW)
    assert alarm.silence(DISK, "host-a", NOW + MINUTE)
    assert not alarm.silence(DISK, "host-a", NOW + MINUTE)
    assert alarm.ringing() == []
    assert alarm.set_off(DISK, "host-a", "140 MB", NOW + 2 * MINUTE)
    assert [(row.since, row.words) for row in alarm.ringing()] == [(NOW, "140 MB")]
    assert Alarm.unscoped.count() == 1


def test_one_that_was_laid_to_rest_is_followed_by_a_new_one() -> None:
    alarm.set_off(DISK, "host-a", "", NOW)
    alarm.silence(DISK, "host-a", NOW + MINUTE)
    alarm.lay_to_rest(alarm.not_over()[0])
    assert alarm.not_over() == []
    alarm.set_off(DISK, "host-a", "", NOW + 9 * MINUTE)
    assert [row.since for row in alarm.ringing()] == [NOW + 9 * MINUTE]


def test_one_that_rings_again_is_not_laid_to_rest() -> None:
    alarm.set_off(DISK, "host-a", "", NOW)
    alarm.silence(DISK, "host-a", NOW + MINUTE)
    (seen_before,) = alarm.not_over()
    alarm.set_off(DISK, "host-a", "", NOW + 2 * MINUTE)
    alarm.lay_to_rest(seen_before)
    assert len(alarm.ringing()) == 1


def test_two_that_would_tell_it_do_not_both() -> None:
    alarm.set_off(DISK, "host-a", "", NOW)
    (one,) = alarm.not_over()
    (other,) = alarm.not_over()
    assert alarm.begin_telling(one, NOW)
    assert not alarm.begin_telling(other, NOW + MINUTE)
    assert alarm.begin_telling(other, NOW + alarm.RETRY), "who tried has failed, or died"
    alarm.note_told(other, NOW + alarm.RETRY)
    assert not alarm.begin_telling(one, NOW + 9 * alarm.RETRY), "what one knew is not so any more"
