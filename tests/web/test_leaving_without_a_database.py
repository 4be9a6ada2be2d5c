"""Leaving while the database is locked, read-only or gone, and what happens when it is back (standards U13, P13)."""

import dataclasses
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from django.db import connection
from django.test import Client

from mailer.actions import leave as leave_story
from mailer.actions import write_down
from mailer.actions.face_restore import may_send
from mailer.actions.finish_leaving import left_behind
from mailer.actions.replay_departures import departures_waiting, replay_departures
from mailer.commands.finisher import Finisher
from mailer.house import House
from mailer.models import ConsentEntry, Event, Member, Subscription, Suppression
from mailer.web import leaving
from tests.actions.office import Office
from tests.web.away import WAYS, gone, locked
from tests.web.conftest import leave_path, newest, undo_paths
from tests.world import NOW, anne, join, stream

pytestmark = pytest.mark.django_db(transaction=True)

ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = "application/x-www-form-urlencoded"
HOST = {"host": "news.example.org"}

Away = Callable[[], AbstractContextManager[None]]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is logged here is expected, and nobody waits two seconds in a test."""
    caplog.set_level(logging.CRITICAL, logger="mailer.leaving")
    caplog.set_level(logging.CRITICAL, logger="django.request")
    monkeypatch.setattr(leave_story, "_PATIENCE", 0.05)


@pytest.fixture(params=WAYS)
def away(request: pytest.FixtureRequest) -> Away:
    """Each way in which the database may be away."""
    return WAYS[request.param]


@pytest.fixture
def shared(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """Web and worker use one data directory, whichever the database is."""
    return let_share(house, monkeypatch, shared=True)


def let_share(house: House, monkeypatch: pytest.MonkeyPatch, *, shared: bool) -> House:
    data = dataclasses.replace(house.config.data, shared=shared)
    other = House(dataclasses.replace(house.config, data=data), house.library, house.keys)
    monkeypatch.setattr(leaving, "house", lambda: other)
    return other


@pytest.fixture
def ann(shared: House, ann: Member) -> Member:
    """As elsewhere, where the line of a departure is enough."""
    return ann


@pytest.fixture
def path(office: Office, ann: Member) -> str:
    return leave_path(office, "ann@example.org")


def is_on(member: Member, office: Office) -> bool:
    return Subscription.unscoped.get(member=member, stream=stream(office.house)).state == "active"


def test_the_wish_holds_and_the_next_mailing_does_not_reach_them(
    client: Client, office: Office, ann: Member, path: str, away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving, "now", lambda: office.now - timedelta(minutes=20))
    join(office.house, "Bob Brown", "bob@example.org", consents=[stream(office.house)])
    with away():
        answer = client.post(path, ONE_CLICK, content_type=FORM)
    assert (answer.status_code, answer.content) == (200, b"You have been unsubscribed.\n")
    assert is_on(ann, office)
    assert departures_waiting(office.house)
    assert replay_departures(office.house, office.now) == 1
    assert not departures_waiting(office.house)
    assert not is_on(ann, office)
    line = ConsentEntry.unscoped.get(subject=ann.subject, kind="withdrawn")
    assert (line.channel, line.at, line.recorded_at) == ("one_click", leaving.now(), office.now)
    office.now = NOW
    office.begun(anne())
    before = len(office.relay.handed)
    office.send_all()
    assert [envelope.recipient for envelope in office.relay.handed[before:]] == ["bob@example.org"]


def test_everything_holds_as_well(client: Client, office: Office, ann: Member, path: str, away: Away) -> None:
    with away():
        page = client.post(path, {"extent": "everything"})
    assert page.status_code == 200
    assert "written down and holds" in page.text
    replay_departures(office.house, office.now)
    assert not is_on(ann, office)
    assert Suppression.unscoped.get().reason == "left_all"


def test_the_page_tells_no_more_than_it_knows(client: Client, ann: Member, path: str) -> None:
    with gone():
        shown, left = client.get(path), client.post(path)
        head, strange = client.head(path), client.get("/u/x")
    assert (shown.status_code, left.status_code, head.status_code, strange.status_code) == (200, 200, 200, 404)
    assert "Stop the list that this letter came from" in shown.text
    assert "the list that this one came from" in left.text
    assert "written down and holds" in left.text
    assert undo_paths(left.text) == []
    assert "newsletter" not in shown.text + left.text


def test_looking_writes_nothing_down(client: Client, office: Office, path: str) -> None:
    with gone():
        client.get(path)
        client.post("/u/x")
    assert not departures_waiting(office.house)


def test_where_no_sender_would_read_the_line_nobody_is_told_that_it_holds(
    client: Client, office: Office, path: str, away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://mailer@db.example.org/mailer"
    database = dataclasses.replace(office.house.config.database, url=url)
    config = dataclasses.replace(office.house.config, database=database)
    apart = House(config, office.house.library, office.house.keys)
    monkeypatch.setattr(leaving, "house", lambda: apart)
    with away():
        answers = [client.post(path, ONE_CLICK, content_type=FORM), client.post(path)]
    for answer in answers:
        assert answer.status_code == 503
        assert answer["Retry-After"] == "300"
        assert "may not have been done" in answer.text
        assert "office@example.org" in answer.text
        assert "1 Example Street" in answer.text


def test_without_a_disk_either_nobody_is_told_that_it_holds(
    client: Client, path: str, away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mailer.transport.departures.DepartureLog.append", refuse)
    with away():
        assert client.post(path, ONE_CLICK, content_type=FORM).status_code == 503


def test_without_a_disk_the_database_is_enough(
    client: Client, office: Office, ann: Member, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mailer.transport.departures.DepartureLog.append", refuse)
    assert client.post(path, ONE_CLICK, content_type=FORM).status_code == 200
    assert not is_on(ann, office)


def test_fifty_clicks_while_the_database_is_locked_are_one_departure(office: Office, ann: Member, path: str) -> None:
    def click(_: int) -> int:
        try:
            return Client(headers=HOST).post(path, ONE_CLICK, content_type=FORM).status_code
        finally:
            connection.close()

    with locked(), ThreadPoolExecutor(10) as threads:
        assert set(threads.map(click, range(50))) == {200}
    assert replay_departures(office.house, office.now) == 1
    assert ConsentEntry.unscoped.filter(subject=ann.subject, kind="withdrawn").count() == 1
    assert Event.unscoped.filter(verb="left").count() == 1


@pytest.mark.parametrize(
    ("body", "shares", "waits"), [(ONE_CLICK, True, 0.01), (b"", True, 0.05), (ONE_CLICK, False, 0.05)]
)
def test_only_a_click_whose_line_is_enough_does_not_wait_for_a_busy_sender(
    client: Client, house: House, path: str, monkeypatch: pytest.MonkeyPatch, body: bytes, shares: bool, waits: float
) -> None:
    let_share(house, monkeypatch, shared=shares)
    waited, real = [], leave_story.writing
    monkeypatch.setattr(leave_story, "writing", lambda patience: waited.append(patience) or real(patience))
    assert client.post(path, body, content_type=FORM, headers=HOST).status_code == 200
    # On SQLite everybody who sends reads the line, whatever is said.
    assert waited == [0.01 if body and connection.vendor == "sqlite" else waits]


@pytest.fixture
def faced(office: Office) -> None:
    """A worker knew this database before anything was sent."""
    assert may_send(office.house, office.now) is None


def test_a_click_that_finds_somebody_writing_is_carried_out_beside_the_pages(
    client: Client, office: Office, house: House, faced: None, ann: Member, path: str
) -> None:
    finisher = Finisher(house, lambda: office.now)
    beside = Thread(target=finisher.run)
    with locked():
        assert client.post(path, ONE_CLICK, content_type=FORM).status_code == 200
        assert left_behind(house).qsize() == 1
        beside.start()
        assert is_on(ann, office)
    finisher.stop()
    beside.join()
    assert not is_on(ann, office)


def test_nothing_is_left_behind_by_a_page_that_did_it_or_that_found_no_database(
    client: Client, house: House, ann: Member, path: str
) -> None:
    """After a restore a worker must face the database before anybody else changes it."""
    with gone():
        client.post(path, ONE_CLICK, content_type=FORM)
    client.post(path, ONE_CLICK, content_type=FORM)
    assert left_behind(house).empty()


def test_a_way_back_is_not_promised_while_nobody_can_take_it(
    client: Client, office: Office, ann: Member, path: str, away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    (back,) = undo_paths(client.post(path).text)
    with away():
        answer = client.post(back)
    assert answer.status_code == 503
    assert not is_on(ann, office)
    if away is not gone:  # then the line was written down, and counts
        assert replay_departures(office.house, office.now) == 1
        assert is_on(ann, office)
    else:
        assert client.post(back).status_code == 200
        assert is_on(ann, office)


def test_a_household_that_left_meanwhile_gets_its_farewell_when_the_database_is_back(
    client: Client, office: Office, shared: House
) -> None:
    for name in ("Bob Brown", "Bea Brown"):
        join(office.house, name, "home@example.org", consents=[stream(office.house)])
    office.begun(anne())
    office.send_all()
    with gone():
        client.post(leave_path(office, "home@example.org"), ONE_CLICK, content_type=FORM)
    office.now += timedelta(minutes=5)
    replay_departures(office.house, office.now)
    office.send_all()
    farewell = newest(office, "home@example.org")
    assert "You have been taken off Chair's newsletter" in farewell
    assert len(undo_paths(farewell)) == 2


def test_nothing_in_the_file_names_anybody(client: Client, office: Office, ann: Member, path: str) -> None:
    client.post(path, {"extent": "everything"})
    (name,) = write_down.departures(office.house).sizes()
    kept = (Path(office.house.config.data.departures) / name).read_text()
    assert ann.subject in kept
    for word in ("Ann", "Smith", "example.org", path.removeprefix("/u/")):
        assert word not in kept
