"""What was written down is carried out once, in whatever state the files are (standards U7, U13, U14)."""

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mailer.actions.carry_out import carry_out
from mailer.actions.leave import Extent, leave, undo
from mailer.actions.replay_departures import (
    DeparturesUnreadable,
    SecondLook,
    departures_waiting,
    forget_old_departures,
    replay_departures,
)
from mailer.actions.write_down import departures, write_down
from mailer.core.consent import Channel
from mailer.core.departing import Act, Departure, NewerLine, Person
from mailer.core.departing import _checksum as checksum
from mailer.house import House
from mailer.models import CarriedOut, ConsentEntry, Event, Member, ReadTo, Subscription, Suppression
from mailer.models.base import Busy, writing
from mailer.models.outbox import unsigned
from tests.actions.office import Office, copy_to, leave_token
from tests.world import consent, stream

pytestmark = pytest.mark.django_db


@pytest.fixture
def departure(office: Office, ann: Member) -> Departure:
    """Ann leaves the list while the database is away."""
    return left(office)


def left(office: Office, seed: int = 5, **values: object) -> Departure:
    handle = unsigned(copy_to("ann@example.org").handle)
    made = Departure(seed, Act.LEAVE, handle, office.now - timedelta(minutes=1), Channel.ONE_CLICK)
    return dataclasses.replace(made, **values)  # type: ignore[arg-type]


def folder(office: Office) -> Path:
    return office.house.config.data.departures


def file(office: Office) -> Path:
    (name,) = departures(office.house).sizes()
    return folder(office) / name


def is_on(member: Member, house: House) -> bool:
    return Subscription.unscoped.get(member=member, stream=stream(house)).state == "active"


def start_again(office: Office) -> None:
    """A process remembers nothing of what another one read."""
    departures(office.house).forget()


def test_a_line_is_carried_out_once_with_its_own_time(office: Office, ann: Member, departure: Departure) -> None:
    house = office.house
    assert not departures_waiting(house)
    write_down(house, departure, office.now)
    assert departures_waiting(house)
    assert [replay_departures(house, office.now) for _ in range(3)] == [1, 0, 0]
    start_again(office)
    assert replay_departures(house, office.now) == 0
    line = ConsentEntry.unscoped.get(subject=ann.subject, kind="withdrawn")
    assert (line.at, line.recorded_at, line.channel) == (departure.at, office.now, Channel.ONE_CLICK)
    assert Event.unscoped.get(verb="left").details["asked_at"] == departure.at.isoformat()


def test_without_a_file_there_is_nothing_to_do(office: Office) -> None:
    assert not departures_waiting(office.house)
    assert replay_departures(office.house, office.now) == 0


def test_who_left_by_the_page_is_not_carried_out_again(office: Office, ann: Member) -> None:
    token = leave_token(office.relay.caught[0])
    leave(office.house, token, Extent.THIS, Channel.PAGE, now=office.now, draw=office.draw.handle)
    assert replay_departures(office.house, office.now + timedelta(hours=1)) == 0
    assert not departures_waiting(office.house)
    assert Event.unscoped.filter(verb="left").count() == 1


def test_a_second_click_that_changes_nothing_writes_nothing(office: Office, ann: Member) -> None:
    token = leave_token(office.relay.caught[0])
    for _ in range(3):
        leave(office.house, token, Extent.THIS, Channel.PAGE, now=office.now, draw=office.draw.handle)
    assert file(office).read_bytes().count(b"leave") == 1


def test_a_page_whose_line_a_sender_carried_out_first_offers_the_way_back_all_the_same(
    office: Office, ann: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(house: House, what: Departure, now: datetime) -> bool:
        written = write_down(house, what, now)
        assert replay_departures(house, now) == 1
        return written

    monkeypatch.setattr("mailer.actions.leave.write_down", meanwhile)
    token = leave_token(office.relay.caught[0])
    done = leave(office.house, token, Extent.THIS, Channel.PAGE, now=office.now, draw=office.draw.handle)
    assert done is not None
    assert done.changed
    assert undo(office.house, done.undo, now=office.now + timedelta(minutes=1)) == "done"
    assert is_on(ann, office.house)


def test_an_act_that_two_carry_out_at_once_is_done_once(office: Office, ann: Member, departure: Departure) -> None:
    with writing():
        assert carry_out(office.house, departure, departure.at)
    consent(office.house, ann, stream(office.house), departure.at + timedelta(seconds=1))
    with writing():
        assert not carry_out(office.house, departure, departure.at)
    assert is_on(ann, office.house)


def test_a_consent_that_was_given_since_stands(office: Office, ann: Member, departure: Departure) -> None:
    write_down(office.house, departure, office.now)
    consent(office.house, ann, stream(office.house), departure.at + timedelta(seconds=1))
    assert replay_departures(office.house, office.now) == 0
    assert is_on(ann, office.house)


def test_who_left_and_came_back_is_back_whatever_is_read_again(office: Office, ann: Member) -> None:
    house, token = office.house, leave_token(office.relay.caught[0])
    done = leave(house, token, Extent.EVERYTHING, Channel.PAGE, now=office.now, draw=office.draw.handle)
    assert done is not None
    undo(house, done.undo, now=office.now + timedelta(minutes=1))
    ReadTo.unscoped.all().delete()
    start_again(office)
    assert replay_departures(house, office.now + timedelta(hours=1)) == 0
    assert is_on(ann, house)
    assert not Suppression.unscoped.exists()


def test_a_torn_line_is_told_of_and_passed_over(
    office: Office, ann: Member, departure: Departure, caplog: pytest.LogCaptureFixture
) -> None:
    write_down(office.house, left(office, seed=6, handle=1), office.now)
    with file(office).open("ab") as stream_:
        stream_.write(b"\n" + departure.line()[:100])
    write_down(office.house, departure, office.now)
    with caplog.at_level(logging.ERROR, logger="mailer.leaving"):
        assert replay_departures(office.house, office.now) == 1
    assert "not written to its end" in caplog.text
    assert not is_on(ann, office.house)


def test_a_file_of_nothing_but_a_torn_line_holds_nothing_up(office: Office, departure: Departure) -> None:
    write_down(office.house, left(office, seed=6, handle=1), office.now)
    replay_departures(office.house, office.now)
    with file(office).open("ab") as stream_:
        stream_.write(b"\n" + departure.line()[:100] + b"\n")
    assert departures_waiting(office.house)
    assert replay_departures(office.house, office.now) == 0
    assert not departures_waiting(office.house)


def test_a_line_of_a_newer_version_lets_nothing_be_sent(office: Office, ann: Member) -> None:
    body = b"2 whatever comes"
    departures(office.house).append(body + b" " + checksum(body), office.now.date())
    for _ in range(2):
        with pytest.raises(NewerLine, match="Nothing is sent"):
            replay_departures(office.house, office.now)
        assert departures_waiting(office.house)


def test_a_file_that_cannot_be_read_lets_nothing_be_sent(office: Office) -> None:
    (folder(office) / "2026-11-0123456789abcdef.departures").mkdir(parents=True)
    with pytest.raises(DeparturesUnreadable, match="nothing is sent"):
        replay_departures(office.house, office.now)


def test_a_file_that_vanishes_while_it_is_looked_for_lets_nothing_be_sent_for_now(
    office: Office, departure: Departure
) -> None:
    """Another process forgets a month that is over for long, when this one has just begun to read."""
    write_down(office.house, departure, office.now)
    waiting = departures_waiting(office.house)
    file(office).unlink()
    with pytest.raises(DeparturesUnreadable, match="nothing is sent"):
        replay_departures(office.house, office.now, waiting)
    assert departures_waiting(office.house) == {}


def test_a_folder_that_cannot_be_read_lets_nothing_be_sent(office: Office) -> None:
    folder(office).parent.mkdir(parents=True, exist_ok=True)
    folder(office).touch()
    try:
        with pytest.raises(DeparturesUnreadable, match="nothing is sent"):
            departures_waiting(office.house)
    finally:
        folder(office).unlink()


def test_a_start_reads_on_where_the_database_says(
    office: Office, departure: Departure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.actions.replay_departures._UNNOTED", 0)
    write_down(office.house, departure, office.now)
    replay_departures(office.house, office.now)
    assert ReadTo.unscoped.get().offset == file(office).stat().st_size
    file(office).write_bytes(b"x" * (file(office).stat().st_size - 17) + file(office).read_bytes()[-17:])
    start_again(office)
    assert replay_departures(office.house, office.now) == 0, "what is done is not read again"


def test_the_database_is_not_told_of_every_line(office: Office, departure: Departure) -> None:
    write_down(office.house, departure, office.now)
    assert replay_departures(office.house, office.now) == 1
    assert not ReadTo.unscoped.exists()


def test_what_came_a_moment_ago_can_be_left_to_the_page_that_wrote_it(
    office: Office, ann: Member, departure: Departure
) -> None:
    write_down(office.house, departure, office.now)
    ((name, size),) = departures_waiting(office.house).items()
    write_down(office.house, left(office, seed=7, handle=2), office.now)
    assert replay_departures(office.house, office.now, {name: size}) == 1
    assert departures_waiting(office.house), "the other line is still to be read"
    assert not is_on(ann, office.house)


class Looks:
    """A sender's looks with a clock of their own, and the patience that each asked the lock with."""

    def __init__(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        self.office, self.ticks, self.asked = office, 1000.0, list[float | None]()
        self.look = SecondLook(office.house, lambda: office.now, lambda: self.ticks, 0.025)
        monkeypatch.setattr("mailer.actions.replay_departures.writing", self._locked)
        self.after(0.03)

    @contextmanager
    def _locked(self, patience: float | None) -> Iterator[None]:
        """Somebody else writes, but for whoever waits."""
        self.asked.append(patience)
        if patience == 0.0:
            raise Busy("database is locked")
        with writing(patience):
            yield

    def after(self, seconds: float) -> list[float | None]:
        self.ticks += seconds
        self.asked.clear()
        self.look.carry_out()
        return list(self.asked)

    def write(self, seed: int) -> None:
        write_down(self.office.house, left(self.office, seed=seed), self.office.now)


@pytest.fixture
def looks(office: Office, ann: Member, monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(office, monkeypatch)


def test_a_sender_that_finds_somebody_writing_waits_for_it_when_it_looks_again(looks: Looks, ann: Member) -> None:
    for seed in (5, 7):
        looks.write(seed)
        assert looks.after(0.03) == [], "the page that wrote the line is about to carry it out"
        assert looks.after(0.03) == [0.0], "somebody writes, and is left alone once"
        assert looks.after(0.03) == [None]
    assert not is_on(ann, looks.office.house)
    assert departures_waiting(looks.office.house) == {}


def test_a_sender_looks_no_sooner_than_it_should(looks: Looks) -> None:
    """However often it is asked: else two looks a millisecond apart would leave a page no time."""
    looks.write(5)
    assert [looks.after(0.002) for _ in range(30)] == [[]] * 25 + [[0.0]] + [[]] * 4


def test_after_a_long_time_without_a_look_nothing_is_left_to_a_page(looks: Looks, ann: Member) -> None:
    """The sender waited for the lock, while a page answered that the line holds, and went."""
    looks.write(5)
    assert looks.after(1.5) == [None]
    assert not is_on(ann, looks.office.house)


def test_a_start_leaves_nothing_to_a_page(office: Office, ann: Member, departure: Departure) -> None:
    write_down(office.house, departure, office.now)
    SecondLook(office.house, lambda: office.now, lambda: 0.0, 0.025).carry_out()
    assert not is_on(ann, office.house)


def test_a_departure_that_somebody_else_carried_out_is_waited_for_no_more(looks: Looks) -> None:
    looks.write(5)
    looks.after(0.03)
    assert looks.after(0.03) == [0.0]
    replay_departures(looks.office.house, looks.office.now)  # the clock of the same process
    assert looks.after(0.03) == []
    looks.write(7)
    looks.after(0.03)
    assert looks.after(0.03) == [0.0], "another departure, and it waits for nobody yet"


def test_a_look_that_does_not_wait_waits_for_nothing(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor to note how far it read."""
    monkeypatch.setattr("mailer.actions.replay_departures._UNNOTED", 0)
    looks.write(5)
    replay_departures(looks.office.house, looks.office.now)
    ReadTo.unscoped.all().delete()
    start_again(looks.office)
    looks.after(0.03)
    assert looks.after(0.03) == [0.0]


def test_a_sender_says_so_when_somebody_writes_for_longer_than_it_can_wait(
    looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def locked(_patience: float | None) -> Iterator[None]:
        raise Busy("database is locked")
        yield

    monkeypatch.setattr("mailer.actions.replay_departures.writing", locked)
    looks.write(5)
    looks.after(0.03)
    looks.after(0.03)
    with pytest.raises(Busy):
        looks.after(0.03)
    assert departures_waiting(looks.office.house), "nothing is forgotten"


def test_a_file_that_is_another_one_is_read_from_its_beginning(office: Office, ann: Member) -> None:
    write_down(office.house, left(office, seed=1, handle=2), office.now)
    replay_departures(office.house, office.now)
    other = b"\n" + left(office, seed=3).line() + b"\n"
    file(office).write_bytes(other + b"\n" + left(office, seed=4, handle=2).line() + b"\n")
    start_again(office)
    assert replay_departures(office.house, office.now) == 1
    assert not is_on(ann, office.house)


def test_a_file_that_became_shorter_is_read_from_its_beginning(office: Office, ann: Member) -> None:
    for seed in (1, 2):
        write_down(office.house, left(office, seed=seed, handle=2), office.now)
    replay_departures(office.house, office.now)
    file(office).write_bytes(b"\n" + left(office, seed=3).line() + b"\n")
    assert replay_departures(office.house, office.now) == 1
    assert not is_on(ann, office.house)


def test_old_files_go_with_what_was_remembered_of_them(office: Office, departure: Departure) -> None:
    house, kept = office.house, office.house.config.data.keep_departures_days
    write_down(house, departure, office.now)
    end_of_month = office.now + timedelta(days=11)
    forget_old_departures(house, end_of_month + timedelta(days=kept))
    assert len(departures(house).sizes()) == 1, "not before all of it is carried out"
    replay_departures(house, office.now)
    forget_old_departures(house, end_of_month + timedelta(days=kept - 2))
    assert len(departures(house).sizes()) == 1
    forget_old_departures(house, end_of_month + timedelta(days=kept + 32))
    assert departures(house).sizes() == {}
    assert not ReadTo.unscoped.exists()
    assert not CarriedOut.unscoped.exists()


def test_a_line_that_names_people_is_understood_without_its_letter(office: Office, ann: Member) -> None:
    named = left(office, handle=77, streams=(stream(office.house),), people=(Person(ann.subject, "x"),))
    write_down(office.house, named, office.now)
    assert replay_departures(office.house, office.now) == 1
    assert not is_on(ann, office.house)
