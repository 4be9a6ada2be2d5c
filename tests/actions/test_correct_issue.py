"""A correction goes only to those who have the first letter, and consent, region and scope are asked as ever."""

from datetime import timedelta

import pytest

from mailer.access import Actor, NotAllowed, NotFound
from mailer.actions.correct_issue import NothingToCorrect, correct
from mailer.actions.schedule_mailing import schedule
from mailer.actions.steer_mailing import cancel, resume, stop
from mailer.core.mailing import MailingState
from mailer.models import Issue, Member
from mailer.transport.memory import accepts, drops_after_final_dot, refuses
from tests.actions.office import LETTER, Office, outcome_of
from tests.models.rows import mailing_row
from tests.world import anne, bart, join, sima, stream, withdraw

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(office: Office) -> dict[str, Member]:
    names = ("got", "lost", "refused", "left", "late")
    return {name: join(office.house, name, f"{name}@example.org", consents=[stream(office.house)]) for name in names}


def correction(office: Office, issue: int, actor: Actor | None = None) -> int:
    return correct(actor or anne(), office.house, issue, LETTER, now=office.now, draw_word=office.draw.word).number


def sent(office: Office, issue: int) -> list[str]:
    """Schedule an issue, let the clock come by, and send it; who got it now."""
    before = len(office.relay.caught)
    office.now += timedelta(hours=2)
    schedule(anne(), office.house, issue, f"{office.now:%Y-%m-%d %H:%M}", now=office.now)
    office.now += timedelta(minutes=30)
    office.ring()
    office.send_all()
    assert office.mailing(issue).state == "sent", office.mailing(issue).state_reason
    return sorted(letter.recipient for letter in office.relay.caught[before:])


def test_only_those_who_have_the_letter_or_may_have_it_get_its_correction(
    office: Office, people: dict[str, Member]
) -> None:
    office.relay.script("lost@example.org", drops_after_final_dot(kept=True), accepts())
    office.relay.script("refused@example.org", refuses("554 5.7.1 Not you"), accepts())
    issue = office.begun(anne())
    office.send_all()
    join(office.house, "new", "new@example.org", consents=[stream(office.house)])
    cancel(anne(), office.house, issue, office.now)
    second = correction(office, issue)
    withdraw(office.house, people["left"], stream(office.house), office.now)
    assert sent(office, second) == ["got@example.org", "late@example.org", "lost@example.org"]
    assert office.report(anne(), second).candidates == 4
    assert office.report(anne(), second).excluded == {"left": 1}


def test_scheduling_says_how_few_it_reaches(office: Office, people: dict[str, Member]) -> None:
    office.relay.script("got@example.org", accepts())
    for name in ("lost", "refused", "left", "late"):
        office.relay.script(f"{name}@example.org", refuses("550 5.1.1 No such mailbox"))
    issue = office.begun(anne())
    office.send_all()
    done = schedule(anne(), office.house, correction(office, issue), "2026-11-21 09:00", now=office.now)
    assert (done.reaches, done.candidates) == (1, 1)


def test_who_gets_the_letter_while_the_correction_waits_gets_the_correction_too(
    office: Office, people: dict[str, Member]
) -> None:
    chair = anne()
    issue = office.begun(chair)
    office.relay.meanwhile[2] = lambda: stop(chair, office.house, issue, office.now)
    office.send_all()
    first = {letter.recipient for letter in office.relay.caught}
    assert 0 < len(first) < len(people)
    second = correction(office, issue)
    resume(anne(), office.house, issue, office.now)
    office.send_all()
    assert len(sent(office, second)) == len(people)


def test_a_letter_that_is_going_out_or_never_left_has_no_correction(office: Office, people: dict[str, Member]) -> None:
    issue = office.scheduled(anne())
    with pytest.raises(NothingToCorrect, match="Nothing of issue"):
        correction(office, issue)
    office.now += timedelta(hours=1)
    office.ring()
    with pytest.raises(NothingToCorrect, match="still going out"):
        correction(office, issue)
    with pytest.raises(NothingToCorrect):
        correction(office, office.written(anne()))


def test_it_is_of_the_same_list_and_region_and_of_nobody_elses(office: Office) -> None:
    notices = stream(office.house, "local-notices", "norfolk")
    join(office.house, "ann", "ann@example.org", regions=["norfolk"], consents=[notices])
    join(office.house, "bob", "bob@example.org", regions=["norfolk"], consents=[notices])
    office.relay.script("bob@example.org", refuses("550 5.1.1 No such mailbox"))
    issue = office.begun(bart(), "local-notices", "norfolk")
    office.send_all()
    second = Issue.unscoped.get(pk=correction(office, issue, bart()))
    assert (second.mailing_list.slug, second.region.slug, second.corrects_id) == ("local-notices", "norfolk", issue)
    assert sent(office, second.pk) == ["ann@example.org"]


def test_nobody_corrects_what_they_may_not_write(office: Office) -> None:
    issue = mailing_row(office.house, MailingState.SENT, slug="local-notices", region="suffolk").issue_id
    with pytest.raises(NotFound):
        correction(office, issue, bart())
    with pytest.raises(NotAllowed):
        correction(office, issue, sima())


def test_the_member_who_gets_it_has_an_outcome(office: Office, people: dict[str, Member]) -> None:
    issue = office.begun(anne())
    office.send_all()
    assert outcome_of(people["got"]) == ("accepted", "")
    assert len(sent(office, correction(office, issue))) == len(people)
