"""People are told by a way that does not depend on what failed: once, again once a day, and when it is over."""

import email
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email import policy

import pytest

from mailer.actions.raise_alarm import clear_alarm, raise_alarm
from mailer.actions.tell_alarms import Teller
from mailer.core.alarm import CALM, AlarmKind
from mailer.core.configkind import Tls
from mailer.core.envelope import Envelope
from mailer.house import House
from mailer.models import alarm
from mailer.transport.command import CommandFailed
from mailer.transport.memory import MemoryRelay, MemorySession, accepts, refuses
from mailer.transport.relay import FaultKind, Relay
from tests.actions.alarms import DISK, HOST, RELAY, fault
from tests.world import NOW

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@dataclass
class Outside:
    """A relay that only alarms use, a command, and what they were given."""

    house: House
    relay: MemoryRelay = field(default_factory=MemoryRelay)
    runs: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    fails: bool = False
    now: datetime = NOW
    asked: list[Relay] = field(default_factory=list)

    def connect(self, relay: Relay) -> MemorySession:
        self.asked.append(relay)
        return self.relay.connect()

    def run(self, words: tuple[str, ...], text: str) -> None:
        if self.fails:
            raise CommandFailed("it failed")
        self.runs.append((words, text))

    def tell(self) -> int:
        return Teller(self.house, lambda: self.now, lambda: "ZQX" * 8, self.connect, self.run).tell_all()

    @property
    def letters(self) -> list[Envelope]:
        return self.relay.caught


MakeOutside = Callable[..., Outside]


@pytest.fixture
def outside(house: House) -> MakeOutside:
    def make(**alerts: object) -> Outside:
        config = replace(house.config, alerts=replace(house.config.alerts, tls=Tls.NONE, port=25, **alerts))
        return Outside(replace(house, config=config))

    return make


BY_LETTER = {"addresses": ("olga@example.org", "paul@example.net"), "host": "127.0.0.1"}
BY_COMMAND = {"command": ("/usr/local/bin/tell-us",)}


def test_it_is_told_once_again_once_a_day_and_once_when_it_is_over(outside: MakeOutside) -> None:
    told = outside(**BY_COMMAND)
    raise_alarm(DISK, HOST, "About 150 MB are free.", told.now)
    for minutes in range(0, 26 * 60, 15):
        told.now = NOW + minutes * MINUTE
        told.tell()
    clear_alarm(DISK, HOST, told.now)
    for _ in range(10):
        told.now += MINUTE
        told.tell()
    assert [text.splitlines()[0] for _, text in told.runs] == [
        "Alarm: The disk is nearly full",
        "Still: The disk is nearly full",
        "Over: The disk is nearly full",
    ]
    assert alarm.not_over() == []


def test_what_comes_and_goes_is_one_alarm(outside: MakeOutside) -> None:
    told = outside(**BY_COMMAND)
    for _ in range(30):
        raise_alarm(DISK, HOST, "", told.now)
        told.tell()
        told.now += CALM / 5
        clear_alarm(DISK, HOST, told.now)
        told.tell()
        told.now += CALM / 5
    assert len(told.runs) == 1


def test_what_passes_by_itself_is_told_to_nobody(outside: MakeOutside) -> None:
    told = outside(**BY_COMMAND)
    raise_alarm(AlarmKind.RELAY_DOWN, RELAY, "", told.now)
    told.tell()
    told.now += MINUTE
    clear_alarm(AlarmKind.RELAY_DOWN, RELAY, told.now)
    told.now += 2 * CALM
    assert told.tell() == 0
    assert told.runs == []
    assert alarm.not_over() == []


def test_a_letter_goes_to_each_address_by_a_relay_of_its_own(outside: MakeOutside) -> None:
    told = outside(**BY_LETTER, user="alarms", password="secret")
    raise_alarm(AlarmKind.RELAY_DOWN, RELAY, "The mail relay cannot be reached.", NOW - 9 * MINUTE)
    assert told.tell() == 1
    assert [letter.recipient for letter in told.letters] == ["olga@example.org", "paul@example.net"]
    (relay,) = told.asked
    assert (relay.host, relay.port, relay.user, relay.password) == ("127.0.0.1", 25, "alarms", "secret")
    assert relay.timeouts.connect <= 10, "who tells must not be held up"
    assert {letter.sender for letter in told.letters} == {""}
    message = email.message_from_bytes(told.letters[0].payload, policy=policy.default)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Subject"] == "Alarm: The mail server does not answer"
    assert message["From"] == "The Friends <letters@example.org>"
    assert not any(name.startswith("List-") for name in message)
    body = message.get_body(("plain",))
    assert body is not None
    assert "since Friday 20 November 2026, 09:51 GMT" in body.get_content()
    assert "The mail relay cannot be reached." in body.get_content()
    assert "https://news.example.org/state" in body.get_content()


def test_off_production_alarms_too_keep_to_the_allow_list(outside: MakeOutside) -> None:
    told = outside(addresses=("eve@elsewhere.example.edu", "olga@example.org"), host="127.0.0.1")
    raise_alarm(DISK, HOST, "", NOW)
    assert told.tell() == 1
    assert [letter.recipient for letter in told.letters] == ["olga@example.org"]


def test_what_nobody_took_is_tried_again_later(outside: MakeOutside, caplog: pytest.LogCaptureFixture) -> None:
    told = outside(**BY_COMMAND, **BY_LETTER)
    told.fails, told.relay.fault = True, fault(FaultKind.UNREACHABLE)
    raise_alarm(DISK, HOST, "", NOW)
    assert told.tell() == 0
    assert "was not told" in caplog.text
    told.fails = False
    told.now += MINUTE
    assert told.tell() == 0, "not at once"
    told.now += alarm.RETRY
    assert told.tell() == 1
    assert [words for words, _ in told.runs] == [BY_COMMAND["command"]]


def test_one_way_that_works_is_enough_and_the_other_is_tried_all_the_same(outside: MakeOutside) -> None:
    told = outside(**BY_COMMAND, **BY_LETTER)
    told.fails = True
    for address in BY_LETTER["addresses"]:
        told.relay.script(address, refuses("550 5.7.1 No"))
    raise_alarm(DISK, HOST, "", NOW)
    assert told.tell() == 0
    told.relay.script("paul@example.net", accepts())
    told.now += alarm.RETRY
    assert told.tell() == 1


def test_without_any_way_the_log_is_told_and_it_counts(outside: MakeOutside, caplog: pytest.LogCaptureFixture) -> None:
    told = outside()
    raise_alarm(DISK, HOST, "About 150 MB are free.", NOW)
    assert told.tell() == 1
    assert "The disk is nearly full" in caplog.text
    assert "About 150 MB are free." in caplog.text
    assert told.tell() == 0
