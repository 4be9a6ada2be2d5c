"""How a mailing stands while it runs, as far as the one who asks may see it."""

from datetime import timedelta

import pytest

from mailer.access import NotFound
from mailer.actions.show_state import site_state
from mailer.actions.show_status import Step, issue_status, issue_step
from mailer.actions.steer_mailing import stop
from mailer.core.alarm import AlarmKind
from mailer.core.mailing import MailingState
from mailer.models import Delivery, Mailing, alarm
from tests.actions.office import Office
from tests.models.rows import copy_row, mailing_row
from tests.world import NOW, anne, bart, join, stream

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def notice(office: Office) -> Mailing:
    """A notice to Norfolk, half of it sent: of ten people nine live there alone, and one in London too."""
    mailing = mailing_row(office.house, MailingState.SENDING, slug="local-notices", region="norfolk")
    for number in range(10):
        member = join(office.house, f"Member {number}", regions=["norfolk", "london"] if number == 0 else ["norfolk"])
        values = {"state": "accepted", "decided_at": NOW - MINUTE / 2} if number < 5 else {"state": "queued"}
        copy = copy_row(mailing, mailbox=member.mailbox, **values)  # type: ignore[arg-type]
        Delivery.unscoped.create(mailing=mailing, member=member, copy=copy, outcome="carried")
    Mailing.unscoped.filter(pk=mailing.pk).update(prepared_at=NOW)
    return mailing


def test_it_is_told_by_outcome_domain_and_speed_with_its_end(office: Office, notice: Mailing) -> None:
    found = issue_status(anne(), office.house, notice.issue_id, NOW)
    (each,) = found.mailings
    assert each.figures.outcomes == {"accepted": 5, "queued": 5}
    assert each.domains == {"example.org": {"accepted": 5, "queued": 5}}
    assert (each.progress.done, each.progress.total, each.progress.rate) == (5, 10, 0.1)
    assert each.plan.words.startswith("5 letters left; ends")
    assert each.plan.ends is not None
    assert each.plan.ends >= NOW + timedelta(seconds=50), "five letters at one in ten seconds"


def test_a_coordinator_sees_the_own_region_only_and_not_that_there_is_another(office: Office, notice: Mailing) -> None:
    norfolk = {"norfolk": {"accepted": 5, "queued": 5}}
    assert issue_status(bart(), office.house, notice.issue_id, NOW).mailings[0].regions == norfolk
    foreign = mailing_row(office.house, MailingState.SENDING, slug="local-notices", region="suffolk")
    for look in (lambda n: issue_status(bart(), office.house, n, NOW), lambda n: issue_step(bart(), n)):
        with pytest.raises(NotFound):
            look(foreign.issue_id)


def test_a_letter_to_everybody_is_told_by_all_regions(office: Office) -> None:
    house = office.house
    join(house, "Ann", regions=["norfolk", "london"], consents=[stream(house)])
    join(house, "Bob", regions=["suffolk"], consents=[stream(house)])
    issue = office.begun(anne())
    found = issue_status(anne(), house, issue, office.now).mailings[0]
    assert found.regions == {"london": {"queued": 1}, "norfolk": {"queued": 1}, "suffolk": {"queued": 1}}
    assert found.figures.candidates == 2


def test_steps_are_followed_while_it_goes_on_by_itself(office: Office, notice: Mailing) -> None:
    assert issue_step(bart(), notice.issue_id) == Step(True, 5, 10)
    stop(bart(), office.house, notice.issue_id, NOW)
    assert issue_step(bart(), notice.issue_id) == Step(False, 5, 10)
    assert issue_step(anne(), office.written(anne())) == Step(False, 0, 0)


def test_what_stands_still_has_no_rate(office: Office, notice: Mailing) -> None:
    stop(anne(), office.house, notice.issue_id, NOW)
    (each,) = issue_status(anne(), office.house, notice.issue_id, NOW).mailings
    assert each.progress.rate == 0
    assert each.plan.ends is None


def test_the_state_of_the_site_is_shown_as_far_as_one_reaches(office: Office, notice: Mailing) -> None:
    other = mailing_row(office.house, MailingState.PAUSED, slug="local-notices", region="suffolk")
    mailing_row(office.house, MailingState.SENT)
    alarm.set_off(AlarmKind.MAILING_PAUSED, str(other.pk), "Mailing: why", NOW)
    alarm.set_off(AlarmKind.DISK_LOW, "host-a", "", NOW)
    whole, norfolk = (site_state(actor, office.house, NOW) for actor in (anne(), bart()))
    assert {each.issue for each in whole.mailings} == {notice.issue_id, other.issue_id}
    assert {each.issue for each in norfolk.mailings} == {notice.issue_id}
    kinds = [AlarmKind.MAILING_PAUSED, AlarmKind.DISK_LOW, AlarmKind.NO_WORKER]
    assert [each.kind for each in whole.alarms] == kinds, "nobody was alive to notice that nobody works"
    assert [each.kind for each in norfolk.alarms] == kinds[1:]
