"""Between the claim and MAIL FROM: whoever leaves, moves or is stopped meanwhile gets nothing (L8, P8, S24)."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from mailer import access
from mailer.actions.grant_office import revoke
from mailer.actions.leave import Extent, leave
from mailer.actions.steer_mailing import cancel, resume, stop
from mailer.core.consent import Channel
from mailer.models import Copy, Delivery, Mailing, Member, outbox, roll, site
from mailer.models import Office as OfficeRow
from mailer.models.base import writing
from tests.actions.goes_away import WAYS
from tests.actions.office import Office, copy_to, decoded, leave_token, outcome_of
from tests.world import TODAY, anne, bart, join, move, region_number, stream, withdraw

pytestmark = pytest.mark.django_db


def bumped(act: Callable[[], object]) -> Callable[[], None]:
    """As every story does it: the act and the sign of it in one transaction."""

    def together() -> None:
        with writing():
            site.bump(site.Counter.CHANGES)
            act()

    return together


def others(office: Office, member: Member) -> list[Member]:
    return [each for each in Member.unscoped.select_related("mailbox") if each.pk != member.pk]


def last_in_line(office: Office) -> Member:
    """Whose letter will be handed over last."""
    copy = Copy.unscoped.order_by("-position").first()
    assert copy is not None
    return Member.unscoped.select_related("mailbox").get(mailbox=copy.mailbox)


def crowd(office: Office, count: int = 4) -> int:
    news = stream(office.house)
    for n in range(count):
        join(office.house, f"Member {n}", f"m{n}@example.org", consents=[news])
    return office.begun(anne())


@pytest.mark.parametrize("when", [1, 2, 3])
@pytest.mark.parametrize("what", WAYS)
def test_no_letter_leaves_after_it(office: Office, what: str, when: int) -> None:
    act, expected = WAYS[what]
    issue = crowd(office)
    leaver = last_in_line(office)
    address = leaver.mailbox.address
    office.relay.meanwhile[when] = bumped(lambda: act(office, leaver))
    office.send_all()
    assert address not in [envelope.recipient for envelope in office.relay.handed]
    assert outcome_of(leaver) == expected
    assert office.reached() == {f"m{n}@example.org" for n in range(4)} - {address}
    assert office.mailing(issue).state == "sent"


def test_no_letter_leaves_after_one_that_was_in_a_slow_connection(office: Office) -> None:
    """The leave comes while the relay lets us wait for its greeting: that is after the last look, before MAIL FROM."""
    crowd(office, 1)
    leaver = last_in_line(office)
    office.relay.connecting = lambda: withdraw(office.house, leaver, stream(office.house), office.now)
    office.send_all()
    assert office.relay.handed == []
    assert outcome_of(leaver) == ("withdrawn", "left")


def test_the_link_of_one_letter_stops_the_other_of_the_same_person(office: Office) -> None:
    """Two mailings run; whoever leaves by the first one's link does not get the second."""
    news = stream(office.house)
    ann = join(office.house, "Ann Smith", consents=[news])
    chair = anne()
    first, second = office.scheduled(chair), office.scheduled(chair)
    office.now += timedelta(hours=1, minutes=1)
    office.ring()

    def leave_by_the_first() -> None:
        token = leave_token(office.relay.caught[0])
        assert leave(office.house, token, Extent.THIS, Channel.ONE_CLICK, now=office.now, draw=office.draw.handle)

    office.relay.meanwhile[2] = leave_by_the_first
    office.send_all()
    assert office.relay.copies == {ann.mailbox.address: 1}
    assert {office.mailing(issue).state for issue in (first, second)} == {"sent"}


def test_a_household_is_greeted_anew_without_the_one_who_left(office: Office) -> None:
    news = stream(office.house)
    for n in range(3):
        join(office.house, f"Member {n}", consents=[news])
    bob = join(office.house, "Bob Brown", "home@example.org", consents=[news])
    bea = join(office.house, "Bea Brown", "home@example.org", consents=[news])
    office.begun(anne())
    Copy.unscoped.filter(mailbox__address="home@example.org").update(position=(1 << 63) - 1)
    office.relay.meanwhile[2] = lambda: withdraw(office.house, bob, news, office.now)
    office.send_all()
    letter = decoded(office.relay.caught[-1].payload)
    assert office.relay.caught[-1].recipient == "home@example.org"
    assert "Bea Brown" in letter
    assert "Bob" not in letter
    assert outcome_of(bob) == ("withdrawn", "left")
    assert outcome_of(bea) == ("accepted", "")


def test_who_moves_while_their_letter_is_held_gets_it_at_the_new_address(office: Office) -> None:
    issue = crowd(office)
    mover = last_in_line(office)
    old = mover.mailbox.address
    office.relay.meanwhile[2] = bumped(lambda: move(office.house, mover, "new@example.org"))
    office.send_all()
    assert old not in office.reached()
    assert office.relay.copies["new@example.org"] == 1
    assert office.mailing(issue).state == "sent"
    assert copy_to(old).state == "withdrawn"


def test_who_moved_and_left_does_not_join_a_letter_that_is_on_its_way_elsewhere(office: Office) -> None:
    """The household's letter is out; whoever moves in and leaves got none, and no report says so."""
    news = stream(office.house)
    mona = join(office.house, "Mona Mover", "old@example.org", consents=[news])
    for n in range(3):
        join(office.house, f"Member {n}", "home@example.org" if n == 0 else f"m{n}@example.org", consents=[news])
    office.begun(anne())
    Copy.unscoped.filter(mailbox__address="home@example.org").update(position=-1)
    Copy.unscoped.filter(mailbox__address="old@example.org").update(position=(1 << 63) - 1)

    def move_and_leave() -> None:
        bumped(lambda: move(office.house, mona, "home@example.org"))()
        withdraw(office.house, mona, news, office.now)

    office.relay.meanwhile[2] = move_and_leave
    office.send_all()
    assert office.reached() == {"home@example.org", "m1@example.org", "m2@example.org"}
    assert outcome_of(mona) == ("withdrawn", "left")


def test_who_was_erased_before_the_claim_gets_nothing_and_holds_up_nothing(office: Office) -> None:
    issue = crowd(office, 2)
    erased = last_in_line(office)
    bumped(lambda: Delivery.unscoped.filter(member=erased).update(member=None))()
    office.sender.work()
    assert copy_to(erased.mailbox.address).state == "withdrawn"
    office.ring()
    assert office.mailing(issue).state == "sent"
    assert erased.mailbox.address not in office.reached()


@pytest.mark.parametrize("way", [stop, cancel])
def test_a_hand_on_it_is_felt_within_one_letter(office: Office, way: Callable[..., None]) -> None:
    issue = crowd(office, 6)
    chair = access.actor_by_email("anne@example.org", TODAY)
    office.relay.meanwhile[3] = lambda: way(chair, office.house, issue, office.now)
    office.send_all()
    assert len(office.relay.handed) == 3, "the third was announced, and its content held back"
    figures = office.report(chair, issue)
    left_over = "queued" if way is stop else "cancelled"
    assert figures.copies == {"accepted": 2, left_over: 4}
    assert sum(figures.outcomes.values()) == figures.candidates == 6
    if way is stop:
        resume(chair, office.house, issue, office.now)
        office.send_all()
        assert len(office.reached()) == len(office.relay.caught) == 6


def test_the_end_of_its_time_is_felt_within_one_letter(office: Office) -> None:
    issue = crowd(office, 5)
    ends = office.mailing(issue).not_after

    def sleep() -> None:
        office.now = ends + timedelta(seconds=1)

    office.relay.meanwhile[2] = sleep
    office.send_all()
    assert len(office.relay.handed) == 2
    chair = access.actor_by_email("anne@example.org", TODAY)
    office.now = ends - timedelta(hours=1)
    assert office.report(chair, issue).copies == {"accepted": 1, "expired": 4}


def test_a_worker_that_slept_beyond_its_lease_sends_nothing_of_its_old_claim(office: Office) -> None:
    crowd(office, 5)

    def sleep() -> None:
        office.ticks += 3600
        office.now += timedelta(hours=1)

    office.relay.meanwhile[2] = sleep
    office.send_all()
    assert office.relay.copies == {f"m{n}@example.org": 1 for n in range(5)}
    claims = list(Copy.unscoped.order_by("position").values_list("claim", flat=True))
    assert claims[0] not in claims[1:], "all but the first were claimed anew"


def test_a_worker_whose_claim_was_called_lost_mails_nobody(office: Office) -> None:
    """Its own clock says that it is in good time; the database knows better."""
    crowd(office, 5)

    def lose() -> None:
        office.ticks += 400
        with writing():
            outbox.lose_lapsed(office.now + timedelta(hours=1))

    office.relay.meanwhile[2] = lose
    office.sender.work()
    assert len(office.relay.handed) == 2


def test_a_slow_claim_is_kept_while_its_worker_lives(office: Office) -> None:
    """Five letters of six minutes each outlast the lease; nobody may call them lost meanwhile."""
    issue = crowd(office, 5)

    def drag() -> None:
        office.ticks += 360
        office.now += timedelta(minutes=6)
        with writing():
            assert outbox.lose_lapsed(office.now) == []

    for n in range(1, 6):
        office.relay.meanwhile[n] = drag
    office.send_all()
    assert len(office.reached()) == 5
    assert office.mailing(issue).state == "sent"


def test_with_a_wrong_clock_nothing_is_claimed(office: Office) -> None:
    """By a clock that is behind, the claim would be over for every other host before its first letter."""
    crowd(office, 5)
    office.clock_fault = "It is 20 minutes behind the clock of the database's server."
    sender = office.sender
    assert not sender.work()
    assert (sender.pulse.sign.state, sender.pulse.sign.reason) == (
        "waiting",
        f"The clock is wrong. {office.clock_fault}",
    )
    assert set(Copy.unscoped.values_list("state", flat=True)) == {"queued"}
    office.clock_fault = None
    office.send_all()
    assert len(office.reached()) == 5


def test_a_clock_that_was_put_back_renews_no_claim(office: Office) -> None:
    crowd(office, 5)

    def put_back() -> None:
        office.ticks += 400
        office.now -= timedelta(minutes=20)
        office.clock_fault = "It was put back by 20 minutes a moment ago."

    office.relay.meanwhile[2] = put_back
    office.sender.work()
    assert len(office.relay.handed) == 2
    assert sorted(Copy.unscoped.values_list("state", flat=True)) == ["accepted"] + ["queued"] * 4


def test_a_revoked_office_stops_and_asks(office: Office) -> None:
    issue = crowd(office, 5)
    chair = access.actor_by_email("anne@example.org", TODAY)
    row = OfficeRow.unscoped.get(user__email="anne@example.org")
    office.relay.meanwhile[2] = lambda: revoke(chair, row.pk, office.now)
    office.send_all()
    assert len(office.relay.handed) == 2
    assert office.mailing(issue).state == "paused"
    assert "office" in office.mailing(issue).state_reason


def test_a_lapsed_office_stops_nothing(office: Office) -> None:
    issue = crowd(office, 5)
    OfficeRow.unscoped.update(ends=TODAY + timedelta(days=1))
    office.now += timedelta(hours=14)
    assert access.actor_by_email("anne@example.org", office.now.date()).roles == frozenset()
    office.send_all()
    assert len(office.reached()) == 5
    assert office.mailing(issue).state == "sent"


def test_an_office_of_long_ago_does_not_carry_on_a_revoked_one(office: Office) -> None:
    """Bart was chair years ago; when Norfolk is taken from him, that old office gives him nothing."""
    from datetime import date

    notices = stream(office.house, "local-notices", "norfolk")
    join(office.house, "Ann Smith", regions=["norfolk"], consents=[notices])
    author = bart()
    assert author.user is not None
    OfficeRow.unscoped.create(user_id=author.user, role="chair", starts=date(2019, 1, 1), ends=date(2020, 1, 1))
    issue = office.scheduled(author, "local-notices", "norfolk")
    revoke(author, OfficeRow.unscoped.get(user=author.user, role="coordinator").pk, office.now)
    office.now += timedelta(hours=1, minutes=1)
    office.ring()
    office.send_all()
    assert office.relay.handed == []
    assert office.mailing(issue).state == "paused"


def test_an_office_that_may_not_write_to_the_list_does_not_carry_on_a_revoked_one(office: Office) -> None:
    """Bart keeps the member list too; a secretary reaches everyone, but does not write local notices."""
    from datetime import date

    notices = stream(office.house, "local-notices", "norfolk")
    join(office.house, "Ann Smith", regions=["norfolk"], consents=[notices])
    author = bart()
    issue = office.scheduled(author, "local-notices", "norfolk")
    OfficeRow.unscoped.create(user_id=author.user, role="secretary", starts=date(2026, 1, 1))
    revoke(author, OfficeRow.unscoped.get(user=author.user, role="coordinator").pk, office.now)
    office.now += timedelta(hours=1, minutes=1)
    office.ring()
    office.send_all()
    assert office.relay.handed == []
    assert office.mailing(issue).state == "paused"


def test_a_region_lost_since_scheduling_is_not_written_to(office: Office) -> None:
    """A coordinator of the East loses Suffolk: what goes out is what both offices reach."""
    from mailer.core.listfile import Office as Role
    from tests.world import office as grant_and_become

    house = office.house
    author = grant_and_become(Role.COORDINATOR, "edna@example.org", "Edna East", ["east-of-england"])
    people = {
        slug: join(house, f"{slug.title()} Person", regions=[slug], consents=[stream(house, "local-notices", slug)])
        for slug in ("norfolk", "suffolk", "east-of-england", "london")
    }
    issue = office.scheduled(author, "local-notices", "east-of-england")
    old = OfficeRow.unscoped.get(user=author.user)
    grant_and_become(Role.COORDINATOR, "edna@example.org", "Edna East", ["norfolk", "london"])
    revoke(author, old.pk, office.now)
    office.now += timedelta(hours=1, minutes=1)
    office.ring()
    office.send_all()
    assert office.reached() == {people["norfolk"].mailbox.address}
    assert office.mailing(issue).state == "sent"


def test_the_region_lost_while_a_claim_is_held(office: Office) -> None:
    house, notices = office.house, stream(office.house, "local-notices", "norfolk")
    for n in range(4):
        join(house, f"Member {n}", f"m{n}@example.org", regions=["norfolk"], consents=[notices])
    office.begun(bart(), "local-notices", "norfolk")
    mover = last_in_line(office)
    away = [region_number("suffolk")]
    office.relay.meanwhile[2] = bumped(lambda: roll.set_regions(mover, away, TODAY))
    office.send_all()
    assert mover.mailbox.address not in office.reached()
    assert outcome_of(mover) == ("withdrawn", "region")
    assert Mailing.unscoped.get().state == "sent"


def test_a_letter_already_handed_over_is_not_booked_as_withdrawn_when_its_reader_leaves(office: Office) -> None:
    """They read it and leave at once, while the rest of the claim is still going out: the server has their letter."""
    house, chair = office.house, anne()
    for n in range(6):
        join(house, f"Member {n}", f"m{n}@example.org", consents=[stream(house)])
    issue = office.begun(chair)

    def first_reader_leaves() -> None:
        token = leave_token(office.relay.caught[0])
        assert leave(house, token, Extent.THIS, Channel.ONE_CLICK, now=office.now, draw=office.draw.handle)

    office.relay.meanwhile[3] = first_reader_leaves
    office.send_all()
    figures = office.report(chair, issue)
    assert figures.copies == {"accepted": 6}
    assert figures.outcomes == {"accepted": 6}
    assert len(office.relay.caught) == 6
