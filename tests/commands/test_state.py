"""`mailer state`: everything, for whoever has a shell; status 1 while a person is needed."""

import io
import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from click.testing import Result
from rich.console import Console

from mailer.actions.pulse import Pulse
from mailer.commands import shell
from mailer.core.alarm import AlarmKind
from mailer.core.mailing import MailingState
from mailer.core.watch import SignOfLife, WorkerState
from mailer.house import House
from mailer.models import Event, alarm
from tests.models.rows import copy_row, mailing_row
from tests.world import NOW

pytestmark = pytest.mark.django_db
Mailer = Callable[..., Result]


def worker(name: str, minutes: int, state: WorkerState = WorkerState.WORKING) -> None:
    at = NOW - timedelta(minutes=minutes)
    pulse = Pulse(SignOfLife(name, "host-a", 7, "0.1.0", at))
    pulse.is_now(state)
    pulse.handed(1200, at)
    pulse.beat(at)


def test_a_quiet_site_is_well(mailer: Mailer) -> None:
    told = mailer("state")
    assert told.exit_code == 0
    assert told.stdout == "All is well.\n"
    empty = {"ok": True, "alarms": [], "workers": [], "mailings": []}
    assert json.loads(mailer("state", "--json").stdout) == empty


def test_alarms_workers_and_mailings_are_shown_in_full(mailer: Mailer, house: House) -> None:
    alarm.set_off(AlarmKind.RELAY_DOWN, "smtp.example.net:587", "It cannot be reached.", NOW - timedelta(hours=1))
    worker("host-a-7-aa", 0)
    worker("host-a-8-bb", 10)
    mailing = mailing_row(house, MailingState.SENDING, slug="local-notices", region="norfolk", prepared_at=NOW)
    copy_row(mailing, "accepted", decided_at=NOW)
    copy_row(mailing, "queued")
    said = mailer("state")
    assert said.exit_code == 1
    for words in ("The mail server does not answer, since 09:00. It cannot be reached.", "mailer check --live",
                  "host-a-7-aa", "working", "gone", "1,200", "norfolk", "1 letter left"):  # fmt: skip
        assert words in said.stdout
    told = json.loads(mailer("state", "--json").stdout)
    assert not told["ok"]
    assert [(each["kind"], each["about"]) for each in told["alarms"]] == [("relay_down", "smtp.example.net:587")]
    assert [(each["name"], each["alive"]) for each in told["workers"]] == [
        ("host-a-7-aa", True),
        ("host-a-8-bb", False),
    ]
    (shown,) = told["mailings"]
    assert (shown["issue"], shown["list"], shown["region"]) == (mailing.issue_id, "local-notices", "norfolk")
    assert (shown["progress"]["done"], shown["progress"]["total"]) == (1, 2)
    assert shown["plan"]["letters"] == 1


def test_somebody_who_looked_may_say_that_the_clock_is_right(mailer: Mailer) -> None:
    assert mailer("state", "--clock-is-right").exit_code == 0
    event = Event.unscoped.latest("pk")
    assert (event.verb, event.at) == ("clock confirmed", NOW)
    assert event.actor.startswith("shell:")


@pytest.mark.parametrize(
    ("terminal", "as_json", "shown"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_a_bar_is_for_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, *, terminal: bool, as_json: bool, shown: bool
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(shell, "_console", lambda _: Console(file=screen, force_terminal=terminal, width=80))
    shell.Shell(as_json).bar(1, 2)
    assert ("\N{BOX DRAWINGS HEAVY HORIZONTAL}" in screen.getvalue()) is shown
