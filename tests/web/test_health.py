"""What the world may know of our state: whether letters leave, since when not, and nothing else."""

import json
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.test import Client

from mailer.actions.use_relay import credentials_of, routes_of
from mailer.core.alarm import ADVICE, AlarmKind
from mailer.core.mailing import MailingState
from mailer.house import House
from mailer.models import RelayState, alarm, relay_state
from mailer.web import health
from tests.models.rows import copy_row, mailing_row
from tests.world import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "now", lambda: NOW)


def told(client: Client) -> tuple[int, object]:
    answer = client.get("/health")
    assert answer["Content-Type"] == "application/json"
    return answer.status_code, json.loads(answer.content)


def test_all_is_well(client: Client) -> None:
    assert told(client) == (200, {"ok": True, "alarms": []})
    page = client.get("/state")
    assert page.status_code == 200
    assert "Sending works" in page.text
    assert "mailer state" not in page.text


def test_a_relay_for_which_another_takes_over_stops_nothing(client: Client) -> None:
    alarm.set_off(AlarmKind.RELAY_DOWN, "smtp", "It cannot be reached.", NOW)
    assert told(client) == (503, {"ok": False, "alarms": ["relay_down"]})
    assert "Sending works" in client.get("/state").text, "the relay of this test is well, whatever the alarm says"


def test_machines_hear_the_kinds_and_people_since_when(client: Client, house: House) -> None:
    relay_state.fault("smtp", "auth", "535 wrong", "", NOW, None)
    RelayState.unscoped.update(credentials=credentials_of(house, routes_of(house.config)[0]))
    alarm.set_off(AlarmKind.RELAY_PASSWORD, "smtp", "535 wrong", NOW - timedelta(hours=2))
    alarm.set_off(AlarmKind.DISK_LOW, "host-a", "150 MB", NOW - timedelta(hours=1))
    assert told(client) == (503, {"ok": False, "alarms": ["disk_low", "relay_password"]})
    page = client.get("/state").text
    assert "Sending does not work" in page
    assert "Since Friday 20 November 2026, 08:00 GMT" in page
    assert "links in our letters work" in page


def test_what_stops_no_letter_is_not_said_to(client: Client) -> None:
    alarm.set_off(AlarmKind.RETURNS_SILENT, "", "", NOW)
    assert told(client) == (503, {"ok": False, "alarms": ["returns_silent"]})
    page = client.get("/state").text
    assert "Sending works" in page
    assert "mailer state" in page


def test_a_dead_worker_is_noticed_by_whoever_asks(client: Client, house: House) -> None:
    copy_row(mailing_row(house, MailingState.SENDING), "queued")
    assert told(client) == (503, {"ok": False, "alarms": ["no_worker"]})
    assert "Since Friday 20 November 2026, 09:00 GMT" in client.get("/state").text


def test_a_database_that_is_away_is_an_answer_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("could not connect to db.example.org")

    monkeypatch.setattr(health, "public_state", fail)
    assert told(client) == (503, {"ok": False, "alarms": ["database_away"]})
    page = client.get("/state").text
    assert "Sending does not work" in page
    assert "db.example.org" not in page
    assert "links in our letters work" not in page, "perhaps they do not"


@pytest.mark.parametrize("kind", [kind for kind in AlarmKind if kind is not AlarmKind.DATABASE_AWAY])
def test_no_words_no_name_and_no_number_gets_out(client: Client, house: House, kind: AlarmKind) -> None:
    mailing = mailing_row(house, MailingState.PAUSED, state_reason="Suffolk: 535")
    for _ in range(37):
        copy_row(mailing, "accepted")
    alarm.set_off(kind, "relay-9.example.net:465", "Mailing 4711 to Suffolk: 535 5.7.8 hunter2", NOW)
    for path in ("/health", "/state"):
        text = client.get(path).text
        for secret in ("relay-9", "4711", "Suffolk", "hunter2", "535", "37", "local-notices", ADVICE[kind].todo):
            assert secret not in text
