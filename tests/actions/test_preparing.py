"""Deliveries: in ranges that can be done again, one copy a household, and everybody checked once more at the start."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from mailer.access import Actor
from mailer.actions import keep_time as clock
from mailer.actions import prepare_mailing as ranges
from mailer.actions.grant_office import revoke
from mailer.actions.keep_time import keep_time
from mailer.actions.steer_mailing import resume, stop
from mailer.core.pace import Pace
from mailer.house import House
from mailer.models import Copy, Delivery, roll
from mailer.models import Office as OfficeRow
from tests.actions.goes_away import WAYS, Way
from tests.actions.office import Office, decoded, outcome_of
from tests.threads import together
from tests.world import NOW, TODAY, Draw, anne, bart, join, move, region_number, stream, withdraw

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """The process is gone."""


def kill_after(monkeypatch: pytest.MonkeyPatch, module: object, name: str, times: int) -> None:
    """The process dies when this is called for the n-th time, before it does anything."""
    real = getattr(module, name)
    left = [times]

    def dying(*args: object, **kwargs: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            monkeypatch.setattr(module, name, real)
            raise Killed
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, dying)


def in_ranges_of(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """However fast the machine is, so many members are done in one range."""
    monkeypatch.setattr(ranges, "FIRST_RANGE", size)
    monkeypatch.setattr(Pace, "after", lambda pace, _seconds: pace)


def ready(office: Office, author: Actor, slug: str = "chairs-newsletter", region: str | None = None) -> int:
    """A mailing that is prepared but not due."""
    issue = office.scheduled(author, slug, region)
    office.now = office.mailing(issue).starts_at - timedelta(minutes=1)
    office.ring()
    assert office.mailing(issue).state == "preparing"
    assert office.mailing(issue).prepared_at is not None
    return issue


def start(office: Office, issue: int) -> None:
    office.now = office.mailing(issue).starts_at
    office.ring()


@pytest.mark.parametrize("kills_at", [0, 1, 2])
@pytest.mark.parametrize("where", ["_make_range", "draft", "make_deliveries"])
def test_a_range_that_was_cut_off_is_done_again(
    office: Office, monkeypatch: pytest.MonkeyPatch, kills_at: int, where: str
) -> None:
    in_ranges_of(monkeypatch, 2)
    news = stream(office.house)
    people = [join(office.house, f"Member {n}", consents=[news]) for n in range(6)]
    issue = office.scheduled(anne())
    office.now += timedelta(hours=1)
    module = ranges if where == "_make_range" else ranges.preparing
    kill_after(monkeypatch, module, where, kills_at)
    with pytest.raises(Killed):
        office.ring()
    office.ring()
    assert office.mailing(issue).state == "sending"
    office.send_all()
    assert office.relay.copies == {member.mailbox.address: 1 for member in people}
    assert Delivery.unscoped.count() == Copy.unscoped.count() == 6


@pytest.mark.parametrize("kills_at", [0, 1, 2])
def test_a_start_that_was_cut_off_is_done_again(office: Office, monkeypatch: pytest.MonkeyPatch, kills_at: int) -> None:
    in_ranges_of(monkeypatch, 2)
    news = stream(office.house)
    people = [join(office.house, f"Member {n}", consents=[news]) for n in range(5)]
    issue = ready(office, anne())
    withdraw(office.house, people[4], news, office.now)
    kill_after(monkeypatch, ranges.recheck, "doubtful", kills_at)
    with pytest.raises(Killed):
        start(office, issue)
    start(office, issue)
    office.send_all()
    assert office.relay.copies == {member.mailbox.address: 1 for member in people[:4]}


def test_what_another_clock_is_still_preparing_does_not_start(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    news = stream(office.house)
    ann = join(office.house, "Ann Smith", consents=[news])
    issue = office.scheduled(anne())
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(clock, "make_deliveries", lambda *_: None)
        start(office, issue)
        assert office.mailing(issue).state == "preparing"
    start(office, issue)
    office.send_all()
    assert office.relay.copies == {ann.mailbox.address: 1}


def test_what_was_stopped_during_the_last_check_does_not_start(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    chair = anne()
    join(office.house, "Ann Smith", consents=[stream(office.house)])
    issue = ready(office, chair)
    real = ranges.recheck.doubtful

    def stopping(*arguments: Any, **ranges: Any) -> list[int]:
        stop(chair, office.house, issue, office.now)
        return real(*arguments, **ranges)

    monkeypatch.setattr(ranges.recheck, "doubtful", stopping)
    start(office, issue)
    assert office.mailing(issue).state == "stopped"


def test_a_household_across_ranges_gets_one_copy(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    in_ranges_of(monkeypatch, 2)
    news = stream(office.house)
    for n in range(5):
        join(office.house, f"Brown{n} Child", "home@example.org", consents=[news])
        join(office.house, f"Other{n} Person", consents=[news])
    office.begun(anne())
    office.send_all()
    assert office.relay.copies["home@example.org"] == 1
    letter = next(e for e in office.relay.caught if e.recipient == "home@example.org")
    assert all(f"Brown{n} Child" in decoded(letter.payload) for n in range(5))


def test_first_letters_and_others_share_a_households_copy(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them had a letter before, the other did not; and a range ends between the two."""
    in_ranges_of(monkeypatch, 1)
    news = stream(office.house)
    join(office.house, "Bob Brown", "home@example.org", consents=[news])
    chair = anne()
    office.begun(chair)
    office.send_all()
    join(office.house, "Bea Brown", "home@example.org", consents=[news])
    office.now = NOW
    office.begun(chair)
    office.send_all()
    assert office.relay.copies == {"home@example.org": 2}


def test_a_mailbox_that_moved_before_the_start_is_written_to_at_the_new_address(office: Office) -> None:
    news = stream(office.house)
    ann = join(office.house, "Ann Smith", "old@example.org", consents=[news])
    issue = ready(office, anne())
    move(office.house, ann, "new@example.org")
    start(office, issue)
    office.send_all()
    assert office.relay.copies == {"new@example.org": 1}
    figures = office.report(anne_again(), issue)
    assert figures.outcomes == {"accepted": 1}


def anne_again() -> Actor:
    from mailer import access

    return access.actor_by_email("anne@example.org", TODAY)


def test_who_moves_into_a_household_shares_its_copy(office: Office) -> None:
    news = stream(office.house)
    join(office.house, "Bob Brown", "home@example.org", consents=[news])
    ann = join(office.house, "Ann Smith", "old@example.org", consents=[news])
    issue = ready(office, anne())
    move(office.house, ann, "home@example.org")
    start(office, issue)
    office.send_all()
    assert office.relay.copies == {"home@example.org": 1}
    assert "Bob Brown and Ann Smith" in decoded(office.relay.caught[0].payload)


_CHANGES: dict[str, Way] = WAYS | {
    "claimed": (lambda _, m: roll.change_member(m, standing="claimed"), ("withdrawn", "not_confirmed")),
    "off the list": (
        lambda o, m: move(o.house, m, "ann@elsewhere.example.edu"),
        ("withdrawn", "not_on_allow_list"),
    ),
    "erased": (lambda _, m: m.delete(), ("withdrawn", "region")),
}


@pytest.mark.parametrize("what", _CHANGES)
def test_who_may_not_be_written_to_any_more_is_withdrawn_at_the_start(office: Office, what: str) -> None:
    change, expected = _CHANGES[what]
    news = stream(office.house)
    ann = join(office.house, "Ann Smith", "ann@example.org", consents=[news])
    join(office.house, "Bob Brown", "bob@example.org", consents=[news])
    issue = ready(office, anne())
    delivery = Delivery.unscoped.get(member=ann)
    change(office, ann)
    start(office, issue)
    delivery.refresh_from_db()
    assert (delivery.outcome, delivery.reason) == expected
    office.send_all()
    assert office.relay.copies == {"bob@example.org": 1}
    figures = office.report(anne_again(), issue)
    assert (figures.state, figures.candidates, sum(figures.outcomes.values())) == ("sent", 2, 2)


def test_who_left_the_region_is_withdrawn(office: Office) -> None:
    notices = stream(office.house, "local-notices", "norfolk")
    ann = join(office.house, "Ann Smith", regions=["norfolk"], consents=[notices])
    bob = join(office.house, "Bob Brown", regions=["norfolk"], consents=[notices])
    issue = ready(office, bart(), "local-notices", "norfolk")
    roll.set_regions(ann, [region_number("suffolk")], TODAY)
    start(office, issue)
    office.send_all()
    assert office.reached() == {bob.mailbox.address}
    assert outcome_of(ann) == ("withdrawn", "region")


def test_stopped_before_the_start_and_resumed_it_still_starts(office: Office) -> None:
    news = stream(office.house)
    ann = join(office.house, "Ann Smith", consents=[news])
    chair = anne()
    issue = ready(office, chair)
    stop(chair, office.house, issue, office.now)
    office.ring()
    resume(chair, office.house, issue, office.now)
    start(office, issue)
    office.send_all()
    assert office.relay.copies == {ann.mailbox.address: 1}
    assert office.mailing(issue).state == "sent"


def test_a_letter_that_cannot_be_made_pauses_its_mailing_and_no_other(office: Office) -> None:
    news, notices = stream(office.house), stream(office.house, "local-notices", "norfolk")
    ann = join(office.house, "Ann Smith", regions=["norfolk"], consents=[news, notices])
    chair = anne()
    broken = office.scheduled(bart(), "local-notices", "norfolk")
    whole = office.scheduled(chair)
    # The list's file has gone, although the database knows it.
    library = office.house.library
    lists = {slug: each for slug, each in library.lists.items() if slug != "local-notices"}
    office.house = replace(office.house, library=replace(library, lists=lists))
    office.now += timedelta(hours=1)
    office.ring()
    office.send_all()
    assert office.mailing(broken).state == "paused"
    assert "local-notices" in office.mailing(broken).state_reason
    assert office.mailing(whole).state == "sent"
    assert office.relay.copies == {ann.mailbox.address: 1}


@pytest.mark.parametrize("step", ["_prepare", "_finish"])
def test_an_error_of_ours_in_one_mailing_does_not_hold_up_the_others(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    news, notices = stream(office.house), stream(office.house, "local-notices", "norfolk")
    join(office.house, "Ann Smith", regions=["norfolk"], consents=[news, notices])
    chair = anne()
    broken = office.scheduled(bart(), "local-notices", "norfolk")
    whole = office.scheduled(chair)
    number, real = office.mailing(broken).pk, getattr(clock, step)

    def fails(*arguments: Any) -> None:
        if any(getattr(each, "pk", None) == number for each in arguments):
            raise KeyError("ann@example.org")
        real(*arguments)

    monkeypatch.setattr(clock, step, fails)
    office.now += timedelta(hours=1)
    office.ring()
    office.send_all()
    assert (office.mailing(broken).state, office.mailing(broken).state_reason) == (
        "paused",
        "an error of ours: KeyError",
    )
    assert office.mailing(whole).state == "sent"
    assert "KeyError" in caplog.text


def test_a_database_that_is_away_pauses_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no fault of the mailing: the bell rings again."""
    issue = office.scheduled(anne())

    def fails(*_: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(clock, "_prepare", fails)
    office.now += timedelta(hours=1)
    with pytest.raises(OperationalError):
        office.ring()
    assert office.mailing(issue).state == "scheduled"


def test_a_mailing_whose_author_was_turned_out_waits_for_a_person(office: Office) -> None:
    news = stream(office.house)
    join(office.house, "Ann Smith", consents=[news])
    issue = office.scheduled(anne())
    revoke(anne_again(), OfficeRow.unscoped.get(user__email="anne@example.org").pk, office.now)
    office.now += timedelta(hours=1)
    office.ring()
    office.send_all()
    assert office.relay.handed == []
    mailing = office.mailing(issue)
    assert mailing.state == "paused"
    assert "office" in mailing.state_reason


@pytest.mark.django_db(transaction=True)
def test_two_clocks_side_by_side_make_no_double(house: House, monkeypatch: pytest.MonkeyPatch, office: Office) -> None:
    in_ranges_of(monkeypatch, 3)
    news = stream(house)
    people = [join(house, f"Member {n}", consents=[news]) for n in range(20)]
    for n in range(6):
        join(house, f"Brown{n} Child", "home@example.org", consents=[news])
    issue = office.scheduled(anne())
    now = NOW + timedelta(hours=1)
    failures = together(3, lambda n: keep_time(house, now=now, draw=Draw(n).handle, draw_word=Draw(n).word))
    assert failures == []
    assert office.mailing(issue).state == "sending"
    office.now = now
    office.send_all()
    assert office.relay.copies == {"home@example.org": 1} | {member.mailbox.address: 1 for member in people}
    assert Delivery.unscoped.count() == 26
