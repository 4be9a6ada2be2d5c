"""One-off letters: to nobody who must not be written to, not hammered at a dead relay, never lost in silence."""

from datetime import timedelta

import pytest

from mailer import access
from mailer.actions.leave import Extent, leave
from mailer.core.consent import Channel
from mailer.models import Mailbox, Notice, SuppressionReason, departure, outbox, returns
from mailer.models.base import writing
from mailer.transport.memory import accepts, defers, drops_after_final_dot
from tests.actions.office import Office, leave_token
from tests.actions.test_hand_over import fault
from tests.world import anne, join, stream

pytestmark = pytest.mark.django_db
HOME = "home@example.org"


@pytest.fixture
def farewell(office: Office) -> Office:
    """A household has left by one click, and its farewell waits."""
    news = stream(office.house)
    join(office.house, "Bob Brown", HOME, consents=[news])
    join(office.house, "Bea Brown", HOME, consents=[news])
    office.begun(anne())
    office.send_all()
    token = leave_token(office.relay.caught[0])
    leave(office.house, token, Extent.THIS, Channel.ONE_CLICK, now=office.now, draw=office.draw.handle)
    assert Notice.unscoped.get().state == "queued"
    return office


def test_a_farewell_goes_once_with_the_null_sender(farewell: Office) -> None:
    farewell.send_all()
    farewell.send_all()
    assert farewell.relay.copies == {HOME: 2}
    assert farewell.relay.caught[-1].sender == ""
    assert Notice.unscoped.get().state == "accepted"


@pytest.mark.parametrize("why", ["complaint", "dead", "allow list"])
def test_nobody_writes_a_farewell_where_nobody_may_write(farewell: Office, why: str) -> None:
    box = Mailbox.unscoped.get()
    if why == "complaint":
        departure.suppress_mailbox(box.pk, SuppressionReason.COMPLAINT, farewell.now)
    elif why == "dead":
        returns.make_undeliverable(box.pk, "gone", farewell.now)
    else:
        Mailbox.unscoped.update(address="home@forbidden.example.edu", domain="forbidden.example.edu", normal="x@y")
    farewell.send_all()
    assert len(farewell.relay.caught) == 1
    assert Notice.unscoped.get().state == "withdrawn"


def test_a_dead_relay_is_not_asked_every_second(farewell: Office) -> None:
    farewell.relay.fault = fault(retry_later=True)
    attempts = 0

    def counted() -> None:
        nonlocal attempts
        attempts += 1

    farewell.relay.connecting = counted
    for _ in range(10):
        farewell.send_all()
        farewell.now += timedelta(seconds=1)
    assert attempts == 1
    farewell.relay.fault = None
    farewell.now += timedelta(minutes=1)
    farewell.ring()
    farewell.send_all()
    assert farewell.relay.copies[HOME] == 2
    assert Notice.unscoped.get().attempts == 1


def test_a_deferred_farewell_goes_again(farewell: Office) -> None:
    farewell.relay.script(HOME, defers(), accepts())
    farewell.send_all()
    assert Notice.unscoped.get().state == "deferred"
    farewell.now += timedelta(hours=1)
    farewell.ring()
    farewell.send_all()
    assert farewell.relay.copies[HOME] == 2


def test_a_farewell_in_doubt_is_not_sent_again(farewell: Office) -> None:
    farewell.relay.script(HOME, drops_after_final_dot())
    farewell.send_all()
    farewell.now += timedelta(days=1)
    farewell.ring()
    farewell.send_all()
    assert Notice.unscoped.get().state == "uncertain"
    assert farewell.relay.copies[HOME] == 2


def test_a_farewell_of_a_lost_host_is_in_doubt(farewell: Office) -> None:
    with writing():
        outbox.claim_notices(
            "lost", now=farewell.now, lease=timedelta(minutes=15), most=9, allow_list=farewell.house.allow_list
        )
    farewell.now += timedelta(minutes=16)
    farewell.ring()
    assert Notice.unscoped.get().state == "uncertain"


def test_the_farewell_has_no_actor_but_the_reader(farewell: Office) -> None:
    from mailer.models import Event

    assert {row.actor for row in Event.unscoped.filter(verb="left")} == {access.THE_READER.reference}
