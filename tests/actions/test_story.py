"""From a file to the mailbox: one newsletter, one household, one who leaves, one who never agreed."""

from datetime import timedelta

import pytest

from mailer.transport.memory import defers, drops_after_final_dot, drops_before_final_dot, refuses
from tests.actions.office import Office
from tests.world import anne, join, stream

pytestmark = pytest.mark.django_db


def test_a_newsletter_reaches_those_who_agreed_and_nobody_else(office: Office) -> None:
    house, chair = office.house, anne()
    news = stream(house)
    ann = join(house, "Ann Smith", consents=[news])
    join(house, "Bob Brown", "home@example.org", consents=[news])
    join(house, "Bea Brown", "home@example.org", consents=[news])
    join(house, "Never Asked")
    join(house, "Gone Away", left=[news])
    join(house, "No Mailbox", None)
    join(house, "Off Limits", "off@elsewhere.example.edu", consents=[news])
    issue = office.scheduled(chair)
    office.now += timedelta(hours=1, minutes=1)
    office.ring()
    office.send_all()
    figures = office.report(chair, issue)
    assert figures.state == "sent"
    assert figures.candidates == 7 == sum(figures.outcomes.values())
    assert figures.outcomes == {"accepted": 3, "excluded": 3, "unmailable": 1}
    assert figures.excluded == {"left": 1, "no_consent": 1, "not_on_allow_list": 1}
    assert figures.copies == {"accepted": 2}
    assert office.relay.copies == {ann.mailbox.address: 1, "home@example.org": 1}
    household = next(e for e in office.relay.caught if e.recipient == "home@example.org")
    assert b"Bob Brown and Bea Brown" in household.payload.replace(b"=\r\n", b"")


def test_every_answer_of_the_relay_becomes_an_outcome(office: Office) -> None:
    house, chair = office.house, anne()
    news = stream(house)
    boxes = {name: f"{name}@example.org" for name in ("yes", "no", "later", "cut", "doubt", "policy")}
    for name, box in boxes.items():
        join(house, f"Member {name}", box, consents=[news])
    office.relay.script(boxes["no"], refuses())
    office.relay.script(boxes["later"], defers())
    office.relay.script(boxes["cut"], drops_before_final_dot())
    office.relay.script(boxes["doubt"], drops_after_final_dot(kept=True))
    office.relay.script(boxes["policy"], refuses("550 5.7.1 Blocked"))
    issue = office.scheduled(chair)
    office.now += timedelta(hours=1)
    office.ring()
    for _ in range(9):
        office.send_all()
        office.now += timedelta(minutes=2)
    figures = office.report(chair, issue)
    assert figures.copies == {"accepted": 1, "refused": 1, "deferred": 2, "uncertain": 1, "held": 1}
    assert figures.state == "sending"
    assert figures.bounces == {"hard": 1}
