"""`mailer site`, and what `check` and `migrate` say of a database that may not be sent from."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from click.testing import Result

from mailer.actions import face_restore
from mailer.actions.face_restore import may_send, note_claim
from mailer.actions.write_down import write_down
from mailer.checks import Fault, of_database, of_files
from mailer.core.consent import Channel
from mailer.core.departing import Act, Departure
from mailer.house import House
from mailer.models import Event, Site
from tests.world import NOW

pytestmark = pytest.mark.django_db
Mailer = Callable[..., Result]


@pytest.fixture
def standstill(house: House) -> House:
    """An older database was restored, and nobody has said yet what goes on."""
    assert may_send(house, NOW) is None
    note_claim(house, 4711)
    return house


def test_a_site_that_may_send_says_so(mailer: Mailer, house: House) -> None:
    may_send(house, NOW)
    told = mailer("site", "status", "--json")
    assert told.exit_code == 0
    assert json.loads(told.stdout) == {"may_send": True, "reason": "", "departures_of_people_not_known": 0}


def test_a_standstill_is_explained_adopted_and_over(mailer: Mailer, standstill: House) -> None:
    told = mailer("site", "status")
    assert told.exit_code == 1
    assert "An older database was restored" in told.stdout
    assert "mailer site adopt" in told.stdout
    adopted = mailer("site", "adopt", "--reason", "Tuesday's backup", "--json")
    assert json.loads(adopted.stdout) == {"adopted": True, "was": "older database restored"}
    assert Site.unscoped.get().incarnation != "0" * 32
    event = Event.unscoped.get(verb="site adopted")
    assert event.details["reason"] == "Tuesday's backup"
    assert event.actor.startswith("shell:")
    assert mailer("site", "status").exit_code == 0
    again = mailer("site", "adopt", "--reason", "once more")
    assert again.exit_code == 1
    assert "nothing to adopt" in again.stderr


def test_who_adopts_says_why(mailer: Mailer, standstill: House) -> None:
    assert mailer("site", "adopt").exit_code == 2
    assert face_restore.why_not(standstill) is not None


def test_a_host_without_a_worker_replays_what_was_written_down_there(mailer: Mailer, house: House) -> None:
    unknown = Departure(5, Act.LEAVE, 7, datetime(2026, 11, 1, tzinfo=UTC), Channel.PAGE)
    write_down(house, unknown, NOW)
    assert json.loads(mailer("site", "replay", "--json").stdout) == {"carried_out": 0}
    told = mailer("site", "status")
    assert "people whom this database does not know: 1." in told.stdout


def test_a_check_and_a_migration_say_that_nothing_is_sent(mailer: Mailer, standstill: House) -> None:
    found = {finding.id: finding for finding in of_database(standstill, NOW)}
    assert "An older database was restored" in found[Fault.STANDSTILL].message
    migrated = mailer("migrate")
    assert migrated.exit_code == 0
    assert "An older database was restored" in migrated.stderr


def test_a_folder_in_which_nobody_can_be_written_down_is_complained_of(house: House) -> None:
    assert Fault.DEPARTURES not in {finding.id for finding in of_files(house.config)}
    folder = house.config.data.departures
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.touch()
    try:
        (finding,) = [each for each in of_files(house.config) if each.id == Fault.DEPARTURES]
    finally:
        folder.unlink()
    assert finding.file == str(folder)
