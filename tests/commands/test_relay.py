"""What `mailer relay` tells of relays, limits, destinations and volumes, and that a relay can be let go on."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result

from mailer.actions.steer_relay import failed
from mailer.commands.shell import Shell
from mailer.core.limits import Limits
from mailer.core.reply import Step, parse
from mailer.house import House
from mailer.models.destination import slow
from mailer.models.quota import take
from mailer.transport.relay import FaultKind, RelayFault
from tests.actions.conftest import office
from tests.actions.office import Office
from tests.world import NOW, anne, join, stream

__all__ = ("office",)

pytestmark = pytest.mark.django_db
Mailer = Callable[..., Result]


def told(mailer: Mailer, *arguments: str) -> dict[str, Any]:
    result = mailer("relay", *arguments, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def lock_out(house: House) -> None:
    fault = RelayFault("The login was refused.", kind=FaultKind.AUTH, retry_later=False, step=Step.AUTH)
    failed(house, "smtp", fault, NOW)


def test_a_relay_that_is_well_says_so_and_nothing_else(mailer: Mailer) -> None:
    assert told(mailer, "status") == {
        "relays": [
            {"name": "smtp", "address": "127.0.0.1:2525", "state": "well", "reason": "", "since": None, "until": None,
             "senders": [], "windows": []},
        ],
        "quiet_hours": "none", "resting": [], "volumes": {}, "bulk_sender": 5000,
    }  # fmt: skip
    shown = mailer("relay", "status").stdout
    assert shown == "smtp (127.0.0.1:2525): well\nQuiet hours: none.\n"


def test_what_is_left_of_limits_is_told(mailer: Mailer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_LIMITS__RELAYS", '[{name = "smtp", per_day = 500}]')
    monkeypatch.setenv("MAILER_SENDING__QUIET_HOURS", "21:00-08:00")
    take("smtp", 120, NOW, Limits(per_day=500))
    assert told(mailer, "status")["relays"][0]["windows"] == [{"window": "day", "limit": 500, "used": 120, "kept": 20}]
    shown = mailer("relay", "status").stdout
    assert all(word in shown for word in ("smtp", "day", "120", "500", "20", "Quiet hours: 21:00-08:00."))


def test_a_relay_that_waits_for_a_person_says_what_to_do(mailer: Mailer, house: House) -> None:
    lock_out(house)
    shown = mailer("relay", "status").stdout
    assert "smtp (127.0.0.1:2525): paused since Friday 10:00: The login was refused." in shown
    assert "mailer relay resume smtp" in shown
    assert told(mailer, "resume", "smtp") == {"relay": "smtp", "resumed": True}
    assert told(mailer, "status")["relays"][0]["state"] == "well"
    assert mailer("relay", "resume", "smtp").stdout == "The relay smtp was not kept back.\n"


def test_a_relay_that_rests_says_until_when(mailer: Mailer, house: House) -> None:
    failed(house, "smtp", RelayFault("Busy.", kind=FaultKind.BUSY, retry_later=True, step=Step.CONNECT), NOW)
    assert (
        "smtp (127.0.0.1:2525): resting until Friday 10:01, since Friday 10:00: Busy."
        in mailer("relay", "status").stdout
    )
    assert told(mailer, "status")["relays"][0]["until"] == str(NOW + timedelta(minutes=1))


def test_an_unknown_relay_is_refused_by_name(mailer: Mailer) -> None:
    refused = mailer("relay", "resume", "spare")
    assert refused.exit_code == 1
    assert "The relays are: smtp." in refused.stderr


def test_destinations_that_rest_are_told(mailer: Mailer) -> None:
    slow("example.net", parse(b"421 4.7.0 Too many messages\r\n"), NOW)
    (resting,) = told(mailer, "status")["resting"]
    assert (resting["domain"], resting["times"], resting["reason"]) == ("example.net", 1, "421 4.7.0 Too many messages")
    assert "example.net" in mailer("relay", "status").stdout


def test_the_volume_of_a_day_stands_beside_what_makes_a_bulk_sender(
    mailer: Mailer, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        join(office.house, f"Member {n}", f"m{n}@example.net", consents=[stream(office.house)])
    office.begun(anne())
    office.send_all()
    monkeypatch.setattr(Shell, "now", office.now)
    assert told(mailer, "status")["volumes"] == {"example.net": 3}
    shown = mailer("relay", "status").stdout
    assert "Letters of example.org in the last 24 hours" in shown
    assert "5,000" in shown
