"""After a restore, a copy or a move nobody is written to twice, who left stays off, and a person goes on (U14, P13)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection

from mailer import access
from mailer.access import Actor
from mailer.actions import face_restore
from mailer.actions.face_restore import NothingToAdopt, adopt, may_send, note_changes, note_claim, why_not
from mailer.actions.leave import Extent, leave, undo
from mailer.actions.replay_departures import people_waited_for, replay_departures
from mailer.actions.steer_mailing import resume, send_again_to_uncertain, stop
from mailer.core.consent import Channel
from mailer.core.standing import IN_WORDS, Doubt, Machine, Mirrored
from mailer.core.token import Purpose
from mailer.models import Copy, Counter, Event, Site, Subscription, Suppression, halt
from mailer.models.base import writing
from mailer.models.halt import newest_line
from mailer.models.ledger import record
from mailer.models.outbox import unsigned
from mailer.models.site import current
from mailer.transport.mirror import Mirror
from tests.actions.backup import Backup
from tests.actions.office import Office, leave_token
from tests.transport.test_mirror import as_an_earlier_version
from tests.world import TODAY, anne, join, stream

pytestmark = pytest.mark.django_db(transaction=True)
OPERATOR = access.the_operator("test")


@pytest.fixture
def chair() -> Actor:
    return anne()


def chair_again() -> Actor:
    """Rows from before a restore are not those from after it."""
    return access.actor_by_email("anne@example.org", TODAY)


@pytest.fixture
def backup(tmp_path: Path) -> Iterator[type[Backup]]:
    """Makes backups that are gone afterwards."""
    made: list[Backup] = []

    class Kept(Backup):
        def __init__(self) -> None:
            super().__init__(tmp_path)
            made.append(self)

    yield Kept  # type: ignore[misc]
    for each in made:
        each.drop()


def crowd(office: Office, chair: Actor, count: int = 6) -> int:
    for n in range(count):
        join(office.house, f"Member {n}", f"m{n}@example.org", consents=[stream(office.house)])
    return office.begun(chair)


def sends(office: Office) -> None:
    """All that can be sent is sent, and mirrored, as a worker does it."""
    office.send_all()
    note_claim(office.house, current(Counter.SENDS))
    note_changes(office.house)


def leaves(office: Office, address: str, extent: Extent = Extent.THIS) -> str:
    envelope = next(each for each in reversed(office.relay.caught) if each.recipient == address)
    done = leave(office.house, leave_token(envelope), extent, Channel.PAGE, now=office.now, draw=office.draw.handle)
    assert done is not None
    return done.undo


def is_on(office: Office, address: str) -> bool:
    rows = Subscription.unscoped.filter(member__mailbox__address=address, stream=stream(office.house))
    return [row.state for row in rows] == ["active"]


def states() -> set[str]:
    return set(Copy.unscoped.values_list("state", flat=True))


def test_a_restore_in_the_middle_of_a_mailing_doubles_nobody_and_forgets_no_departure(
    office: Office, chair: Actor, backup: type[Backup]
) -> None:
    assert may_send(office.house, office.now) is None
    issue = crowd(office, chair)
    old = backup()
    sends(office)
    assert office.reached() == {f"m{n}@example.org" for n in range(6)}
    leaves(office, "m1@example.org")
    assert replay_departures(office.house, office.now) == 0

    old.restore()
    assert states() == {"queued"}
    assert is_on(office, "m1@example.org")
    reason = may_send(office.house, office.now)
    assert reason is not None
    assert IN_WORDS[Doubt.RESTORED] in reason
    assert "mailer site adopt" in reason
    assert (office.mailing(issue).state, office.mailing(issue).state_reason) == ("stopped", IN_WORDS[Doubt.RESTORED])
    assert states() == {"uncertain"}
    assert not is_on(office, "m1@example.org")
    event = Event.unscoped.get(verb=Doubt.RESTORED)
    assert (event.details["uncertain"], event.details["departures_replayed"]) == (6, 1)
    assert may_send(office.house, office.now) == why_not(office.house) == reason
    assert Event.unscoped.filter(verb=Doubt.RESTORED).count() == 1

    assert adopt(office.house, OPERATOR, "restored it", incarnation="b" * 32, now=office.now) is Doubt.RESTORED
    assert may_send(office.house, office.now) is None
    office.send_all()
    resume(chair_again(), office.house, issue, office.now)
    office.send_all()
    assert set(office.relay.copies.values()) == {1}
    assert office.mailing(issue).state == "sent"
    assert send_again_to_uncertain(chair_again(), office.house, issue, office.now) == 6
    office.send_all()
    twice = {address for address, times in office.relay.copies.items() if times == 2}
    assert twice == {f"m{n}@example.org" for n in (0, 2, 3, 4, 5)}


def test_who_left_through_a_letter_that_the_older_database_never_saw_is_off(
    office: Office, chair: Actor, backup: type[Backup]
) -> None:
    may_send(office.house, office.now)
    for name in ("Ann Smith", "Bob Brown"):
        join(office.house, name, f"{name[:3].lower()}@example.org", consents=[stream(office.house)])
    old = backup()
    office.begun(chair)
    sends(office)
    back = leaves(office, "ann@example.org")
    leaves(office, "bob@example.org", Extent.EVERYTHING)
    undo(office.house, back, now=office.now + timedelta(minutes=1))
    office.now += timedelta(minutes=2)
    leaves(office, "ann@example.org", Extent.EVERYTHING)

    old.restore()
    assert not Copy.unscoped.exists()
    assert may_send(office.house, office.now) is not None
    assert not is_on(office, "ann@example.org")
    assert not is_on(office, "bob@example.org")
    assert Suppression.unscoped.count() == 2
    assert people_waited_for() == 0


def test_who_came_back_before_the_restore_is_back_after_it(office: Office, chair: Actor, backup: type[Backup]) -> None:
    may_send(office.house, office.now)
    join(office.house, "Ann Smith", "ann@example.org", consents=[stream(office.house)])
    old = backup()
    office.begun(chair)
    sends(office)
    back = leaves(office, "ann@example.org", Extent.EVERYTHING)
    undo(office.house, back, now=office.now + timedelta(minutes=1))
    old.restore()
    may_send(office.house, office.now + timedelta(hours=1))
    assert is_on(office, "ann@example.org")
    assert not Suppression.unscoped.exists()


@pytest.mark.parametrize("extent", Extent)
def test_who_is_not_known_any_more_is_waited_for(
    office: Office, chair: Actor, backup: type[Backup], extent: Extent
) -> None:
    may_send(office.house, office.now)
    old = backup()
    join(office.house, "Ann Smith", "ann@example.org", consents=[stream(office.house)])
    office.begun(chair)
    sends(office)
    leaves(office, "ann@example.org", extent)
    old.restore()
    may_send(office.house, office.now)
    assert people_waited_for() == 1
    assert Event.unscoped.get(verb=Doubt.RESTORED).details["departures_of_people_not_known"] == 1
    assert Suppression.unscoped.count() == (1 if extent is Extent.EVERYTHING else 0)
    join(office.house, "Ann Jones", "jones@example.org", consents=[stream(office.house)])
    join(office.house, "Ann Smith", "ann@example.org", consents=[stream(office.house)])
    assert replay_departures(office.house, office.now) == 1
    assert not is_on(office, "ann@example.org")
    assert is_on(office, "jones@example.org")
    assert people_waited_for() == 0


def test_a_household_is_written_no_second_farewell(office: Office, chair: Actor, backup: type[Backup]) -> None:
    may_send(office.house, office.now)
    for name in ("Bob Brown", "Bea Brown"):
        join(office.house, name, "home@example.org", consents=[stream(office.house)])
    office.begun(chair)
    office.send_all()
    old = backup()
    leaves(office, "home@example.org")
    sends(office)
    assert office.relay.copies["home@example.org"] == 2
    old.restore()
    may_send(office.house, office.now)
    adopt(office.house, OPERATOR, "restored it", incarnation="b" * 32, now=office.now)
    office.send_all()
    assert office.relay.copies["home@example.org"] == 2


def test_what_was_due_meanwhile_asks_a_person_in_words(office: Office, chair: Actor, backup: type[Backup]) -> None:
    may_send(office.house, office.now)
    join(office.house, "Ann Smith", "ann@example.org", consents=[stream(office.house)])
    issue = office.scheduled(chair)
    old = backup()
    office.now += timedelta(hours=1, minutes=1)
    office.ring()
    sends(office)
    assert office.reached() == {"ann@example.org"}
    old.restore()
    may_send(office.house, office.now)
    mailing = office.mailing(issue)
    assert mailing.state == "stopped"
    assert "had not begun then, but was due" in mailing.state_reason
    office.send_all()
    assert office.relay.copies == {"ann@example.org": 1}


def test_a_stop_that_a_restore_lost_is_noticed(office: Office, chair: Actor, backup: type[Backup]) -> None:
    may_send(office.house, office.now)
    issue = crowd(office, chair)
    old = backup()
    stop(chair, office.house, issue, office.now)
    note_changes(office.house)
    old.restore()
    assert office.mailing(issue).state == "sending"
    assert may_send(office.house, office.now) is not None
    assert office.mailing(issue).state == "stopped"


def test_a_lost_stop_is_noticed_though_the_older_database_has_counted_on_since(
    office: Office, chair: Actor, backup: type[Backup]
) -> None:
    """Pages may be back before a worker is, and people leave by them."""
    may_send(office.house, office.now)
    issue = crowd(office, chair)
    old = backup()
    stop(chair, office.house, issue, office.now)
    note_changes(office.house)
    seen = current(Counter.CHANGES)
    old.restore()
    for handle in Copy.unscoped.values_list("handle", flat=True)[:3]:
        token = office.house.tokens.sign(Purpose.LEAVE, unsigned(handle))
        leave(office.house, token, Extent.THIS, Channel.PAGE, now=office.now, draw=office.draw.handle)
    assert current(Counter.CHANGES) > seen
    assert office.mailing(issue).state == "sending"
    assert may_send(office.house, office.now) is not None
    assert office.mailing(issue).state == "stopped"


def test_a_mirror_of_an_earlier_version_learns_the_line_after_the_next_start(office: Office, chair: Actor) -> None:
    may_send(office.house, office.now)
    crowd(office, chair)
    path = office.house.journals / "site"
    as_an_earlier_version(path)
    assert may_send(office.house, office.now) is None
    note_changes(office.house)
    renewed = Mirror(path).read()
    assert renewed is not None
    assert renewed.line == newest_line()


def test_a_number_of_a_claim_never_comes_again(office: Office, chair: Actor, backup: type[Backup]) -> None:
    may_send(office.house, office.now)
    crowd(office, chair)
    old = backup()
    note_claim(office.house, 4711)
    old.restore()
    adopt(office.house, OPERATOR, "restored it", incarnation="b" * 32, now=office.now)
    assert current(Counter.SENDS) == 4711
    mirrored = Mirror(office.house.journals / "site").read()
    assert mirrored is not None
    assert (mirrored.counts.sends, mirrored.counts.incarnation) == (4711, "b" * 32)


def test_killed_while_it_was_faced_the_next_start_goes_on(
    office: Office, chair: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_send(office.house, office.now)
    issue = crowd(office, chair)
    note_claim(office.house, 4711)

    class Killed(BaseException):
        """kill -9."""

    def die(*_: object) -> int:
        raise Killed

    with monkeypatch.context() as killed:
        killed.setattr(face_restore, "recover", die)
        with pytest.raises(Killed):
            may_send(office.house, office.now)
    assert office.mailing(issue).state == "stopped"
    assert may_send(office.house, office.now) is not None
    assert states() == {"uncertain"}


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_restore, "this_machine", lambda _data: Machine("another", "boot", frozenset(), 1, 2))


def test_a_copy_of_the_site_sends_nothing_until_it_is_adopted(
    office: Office, chair: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_send(office.house, office.now)
    issue = crowd(office, chair)
    elsewhere(monkeypatch)
    reason = may_send(office.house, office.now)
    assert reason is not None
    assert IN_WORDS[Doubt.COPIED] in reason
    office.send_all()
    assert office.reached() == set()
    assert states() == {"uncertain"}
    adopt(office.house, OPERATOR, "moved to the new server", incarnation="b" * 32, now=office.now)
    assert may_send(office.house, office.now) is None
    resume(chair, office.house, issue, office.now)
    send_again_to_uncertain(chair, office.house, issue, office.now)
    office.send_all()
    assert set(office.relay.copies.values()) == {1}
    assert len(office.relay.copies) == 6


def test_a_journal_folder_that_was_lost_is_noticed_where_one_host_sends_alone(office: Office, chair: Actor) -> None:
    may_send(office.house, office.now)
    crowd(office, chair)
    sends(office)
    (office.house.journals / "site").unlink()
    assert (may_send(office.house, office.now) is None) == (connection.vendor != "sqlite")


def test_everyday_life_raises_no_alarm(office: Office, chair: Actor) -> None:
    assert may_send(office.house, office.now) is None
    crowd(office, chair)
    office.sender.work()  # killed before it mirrored its claim
    assert may_send(office.house, office.now) is None
    sends(office)
    for _ in range(3):
        assert may_send(office.house, office.now) is None
    assert why_not(office.house) is None
    assert not Event.unscoped.filter(verb__in=list(Doubt)).exists()
    with pytest.raises(NothingToAdopt):
        adopt(office.house, OPERATOR, "for fun", incarnation="b" * 32, now=office.now)


def test_to_ask_why_changes_nothing(office: Office, chair: Actor) -> None:
    may_send(office.house, office.now)
    issue = crowd(office, chair)
    note_claim(office.house, 4711)
    assert why_not(office.house) is not None
    assert office.mailing(issue).state == "sending"
    assert states() == {"queued"}


def test_a_new_database_beside_an_old_journal_goes_on_counting(office: Office, chair: Actor) -> None:
    may_send(office.house, office.now)
    crowd(office, chair)
    sends(office)
    note_claim(office.house, 4711)
    Counter.unscoped.filter(name=Counter.SENDS).update(value=0)
    Site.unscoped.update(incarnation="c" * 32)
    assert may_send(office.house, office.now) is None
    assert current(Counter.SENDS) == 4711
    mirrored = Mirror(office.house.journals / "site").read()
    assert mirrored is not None
    assert mirrored.counts.incarnation == "c" * 32


def test_the_database_of_another_site_that_is_sending_is_noticed(office: Office, chair: Actor) -> None:
    may_send(office.house, office.now)
    crowd(office, chair)
    Site.unscoped.update(incarnation="c" * 32)
    mirror = Mirror(office.house.journals / "site")
    mirrored = mirror.read()
    assert mirrored is not None
    mirror.write(replace(mirrored, counts=replace(mirrored.counts, incarnation="d" * 32)))
    reason = may_send(office.house, office.now)
    assert reason is not None
    assert IN_WORDS[Doubt.OTHER] in reason


def test_a_database_that_another_host_adopted_is_the_same_one(office: Office, chair: Actor) -> None:
    may_send(office.house, office.now)
    crowd(office, chair)
    mirrored = Mirror(office.house.journals / "site").read()
    assert mirrored is not None
    with writing():
        record(office.now, OPERATOR.reference, halt.MADE, about="site", incarnation=mirrored.counts.incarnation)
        halt.renew_site("c" * 32, mirrored.counts)
        record(office.now, OPERATOR.reference, halt.ADOPTED, about="site", incarnation="c" * 32)
    # On SQLite there is no other host.
    assert (may_send(office.house, office.now) is None) == (connection.vendor != "sqlite")


def test_a_backup_from_before_an_adoption_is_noticed(office: Office, chair: Actor, backup: type[Backup]) -> None:
    """It was the wrong one, so another is restored; meanwhile the site went on."""
    may_send(office.house, office.now)
    issue = crowd(office, chair)
    old = backup()
    sends(office)
    old.restore()
    assert may_send(office.house, office.now) is not None
    adopt(office.house, OPERATOR, "restored it", incarnation="b" * 32, now=office.now)
    resume(chair_again(), office.house, issue, office.now)
    send_again_to_uncertain(chair_again(), office.house, issue, office.now)
    sends(office)
    old.restore()
    before = dict(office.relay.copies)
    assert may_send(office.house, office.now) is not None
    office.send_all()
    assert office.relay.copies == before


def test_no_worker_sees_the_adopted_database_beside_the_old_mirror(
    office: Office, chair: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_send(office.house, office.now)
    crowd(office, chair)
    note_claim(office.house, 4711)
    assert may_send(office.house, office.now) is not None
    replaces = Mirror._replace
    before_it_is_seen: list[bool] = []

    def watched(mirror: Mirror, mirrored: Mirrored) -> None:
        before_it_is_seen.append(connection.in_atomic_block)
        replaces(mirror, mirrored)

    with monkeypatch.context() as patched:
        patched.setattr(Mirror, "_replace", watched)
        adopt(office.house, OPERATOR, "restored it", incarnation="b" * 32, now=office.now)
    assert before_it_is_seen == [True]
    assert may_send(office.house, office.now) is None
