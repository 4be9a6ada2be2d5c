"""After a worker died: what was sent counts as sent, what was not goes again, and only the rest is in doubt (T6)."""

import fcntl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailer import access, reports
from mailer.actions.recover import recover
from mailer.house import House
from mailer.models import Copy, Event, outbox
from mailer.models.base import writing
from mailer.transport.journal import Journal, Mark, Marked, Remains
from tests.actions.office import Office
from tests.world import TODAY, anne, join, stream

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """kill -9: nothing of ours runs any more."""


def crowd(office: Office, count: int = 6) -> int:
    for n in range(count):
        join(office.house, f"Member {n}", f"m{n}@example.org", consents=[stream(office.house)])
    return office.begun(anne())


@pytest.fixture
def remains(monkeypatch: pytest.MonkeyPatch) -> Callable[[Remains], None]:
    """Let `recover` find this."""

    def set_up(found: Remains) -> None:
        monkeypatch.setattr("mailer.actions.recover.left_behind", lambda _folder: iter([found]))

    return set_up


@pytest.mark.parametrize("mark", list(Mark))
def test_each_mark_becomes_its_state(office: Office, remains: Callable[[Remains], None], mark: Mark) -> None:
    crowd(office, 1)
    with writing():
        claim, ids = outbox.claim(
            office.mailing(Copy.unscoped.get().mailing.issue_id).pk,
            "dead",
            now=office.now,
            lease=office.now - office.now,
            most=9,
        )
    remains(Remains("dead", (Marked(claim, ids[0], mark),)))
    assert recover(office.house, office.now) == 1
    expected = {
        Mark.UNTOUCHED: "queued",
        Mark.FINAL_DOT: "uncertain",
        Mark.ACCEPTED: "accepted",
        Mark.NOT_NOW: "deferred",
        Mark.REFUSED: "held",
    }
    assert Copy.unscoped.get().state == expected[mark]
    before = list(Copy.unscoped.values())
    recover(office.house, office.now)
    assert list(Copy.unscoped.values()) == before


@pytest.mark.parametrize(("tried_for", "state"), [(0, "deferred"), (5, "expired")])
def test_what_was_deferred_before_the_worker_died_keeps_its_back_off(
    office: Office, remains: Callable[[Remains], None], tried_for: int, state: str
) -> None:
    """Its destination has just said "not now": it is not asked again at once after the restart, nor for ever (T3)."""
    issue = crowd(office, 1)
    Copy.unscoped.update(first_attempt_at=office.now - timedelta(days=tried_for))
    with writing():
        claim, ids = outbox.claim(office.mailing(issue).pk, "dead", now=office.now, lease=timedelta(minutes=15), most=1)
    remains(Remains("dead", (Marked(claim, ids[0], Mark.NOT_NOW),)))
    recover(office.house, office.now)
    copy = Copy.unscoped.get()
    assert copy.state == state
    if state == "deferred":
        assert timedelta(minutes=30) <= copy.next_attempt_at - office.now <= timedelta(minutes=50)
    else:
        assert copy.next_attempt_at is None


def test_a_claim_that_is_not_in_the_journal_was_never_begun(office: Office, remains: Callable[[Remains], None]) -> None:
    issue = crowd(office, 3)
    with writing():
        outbox.claim(office.mailing(issue).pk, "dead", now=office.now, lease=office.now - office.now, most=9)
    remains(Remains("dead", ()))
    recover(office.house, office.now)
    assert {row.state for row in Copy.unscoped.all()} == {"queued"}
    office.send_all()
    assert set(office.relay.copies.values()) == {1}
    assert len(office.relay.copies) == 3


def test_what_an_illegible_journal_held_is_in_doubt(office: Office, remains: Callable[[Remains], None]) -> None:
    issue = crowd(office, 3)
    with writing():
        outbox.claim(office.mailing(issue).pk, "dead", now=office.now, lease=office.now - office.now, most=2)
    remains(Remains("dead", (), legible=False))
    assert recover(office.house, office.now) == 2
    assert sorted(row.state for row in Copy.unscoped.all()) == ["queued", "uncertain", "uncertain"]
    assert Event.unscoped.filter(verb="worker's journal illegible").exists()


def test_after_a_power_cut_nothing_is_given_back(office: Office) -> None:
    """The journal on the disk is of before the claim; whether letters went out meanwhile nobody knows."""
    issue = crowd(office, 3)
    journal = Journal(office.house.journals, "dead", "the boot before")
    with writing():
        outbox.claim(office.mailing(issue).pk, "dead", now=office.now, lease=timedelta(minutes=15), most=2)
    fcntl.flock(journal._file, fcntl.LOCK_UN)
    assert recover(office.house, office.now) == 2
    assert sorted(row.state for row in Copy.unscoped.all()) == ["queued", "uncertain", "uncertain"]


@pytest.mark.parametrize(
    ("mark", "because"),
    [
        (
            Mark.REFUSED,
            "our own mail server refuses it for now: Refused, but the words were lost when the worker died.",
        ),
        (Mark.FINAL_DOT, "nobody can say whether it arrived"),
    ],
)
def test_a_report_does_not_invent_what_the_server_said(
    office: Office, remains: Callable[[Remains], None], mark: Mark, because: str
) -> None:
    issue = crowd(office, 1)
    with writing():
        claim, ids = outbox.claim(office.mailing(issue).pk, "dead", now=office.now, lease=timedelta(minutes=15), most=1)
    remains(Remains("dead", (Marked(claim, ids[0], mark),)))
    recover(office.house, office.now)
    (row,) = reports.without_letter(access.actor_by_email("anne@example.org", TODAY), office.house, issue, office.now)
    assert row.because == because


@pytest.mark.parametrize("nth", [1, 3, 6])
@pytest.mark.parametrize(
    "moment", ["claimed", "before the letter", "final dot", "answered", "before writing", "written"]
)
def test_killed_at_any_moment_nobody_gets_it_twice_and_nobody_is_forgotten(
    house: House, office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, nth: int
) -> None:
    """The worker's own clean-up does not run: only the journal is left."""
    from mailer.actions import hand_over

    issue = crowd(office)
    _kill(monkeypatch, office, moment, nth)
    monkeypatch.setattr(hand_over.Sender, "_let_go", lambda *_: None)
    office.journal.close()
    office.journal = Journal(house.journals, "worker-1")
    with pytest.raises(Killed):
        office.sender.work()
    monkeypatch.undo()
    fcntl.flock(office.journal._file, fcntl.LOCK_UN)  # the lock goes with the process; its file stays
    recover(house, office.now)
    office.journal = Journal(tmp_path / "next", "worker-2")
    office.ring()
    office.send_all()
    doubtful = {c.mailbox.address for c in Copy.unscoped.filter(state="uncertain").select_related("mailbox")}
    assert len(doubtful) == (1 if moment == "final dot" else 0)
    everyone = {f"m{n}@example.org" for n in range(6)}
    assert set(office.relay.copies) | doubtful == everyone
    assert max(office.relay.copies.values()) == 1
    assert office.mailing(issue).state == "sent"
    assert not list(house.journals.glob("*.journal"))


def _kill(monkeypatch: pytest.MonkeyPatch, office: Office, moment: str, nth: int) -> None:
    """Die at the n-th time of this moment."""
    places: dict[str, tuple[object, str]] = {
        "claimed": (Journal, "begin"),
        "before the letter": (type(office.relay), "next_for"),
        "final dot": (Journal, "mark"),
        "answered": (Journal, "mark"),
        "before writing": (outbox, "mark_accepted"),
        "written": (Journal, "clear"),
    }
    where, name = places[moment]
    real = getattr(where, name)
    seen = [0]

    def dying(*args: Any) -> object:
        if moment in {"final dot", "answered"} and (args[2] is Mark.FINAL_DOT) != (moment == "final dot"):
            return real(*args)
        if moment in {"before writing", "written"} and not any(args[0 if moment == "before writing" else 1 :]):
            return real(*args)
        seen[0] += 1
        if seen[0] < (1 if moment == "claimed" else nth):
            return real(*args)
        if moment in {"final dot", "answered"}:
            real(*args)
        raise Killed

    monkeypatch.setattr(where, name, dying)
