"""Whom a departure is about, so that a sender checks again those and nobody else (standards L8, P8)."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from mailer.actions.leave import Extent, Left, leave, undo
from mailer.actions.touched import Touched
from mailer.core.consent import Channel
from mailer.models import Member
from mailer.models.base import writing
from mailer.models.changes import named
from mailer.models.ledger import rebuild, seal_ledger
from mailer.models.site import Counter, current
from tests.actions.office import Office, leave_token
from tests.world import anne, join, stream

pytestmark = pytest.mark.django_db

_ADDRESS = "home@example.org"


@pytest.fixture
def people(office: Office) -> dict[str, Member]:
    """Two of a household who ride on one copy, and somebody else; all have had a letter."""
    news = stream(office.house)
    found = {name: join(office.house, name, _ADDRESS, consents=[news]) for name in ("Ann Smith", "Bob Smith")}
    found["Eve Brown"] = join(office.house, "Eve Brown", "eve@example.org", consents=[news])
    office.begun(anne())
    office.send_all()
    return found


def leaves(office: Office, address: str, extent: Extent = Extent.THIS) -> Left:
    token = leave_token(next(letter for letter in office.relay.caught if letter.recipient == address))
    done = leave(office.house, token, extent, Channel.PAGE, now=office.now, draw=office.draw.handle)
    assert done is not None
    return done


def about(act: Callable[[], object]) -> set[int] | None:
    """The members whom an act is about; None for everyone."""
    before = current(Counter.CHANGES)
    act()
    until = current(Counter.CHANGES)
    assert until > before
    known = Touched()
    known.cover(before, until)
    return None if known.everyone(before) else {member for _, member in named(before, until) if member is not None}


@pytest.mark.parametrize("extent", Extent)
def test_a_departure_is_about_those_who_rode_on_the_copy(
    office: Office, people: dict[str, Member], extent: Extent
) -> None:
    assert about(lambda: leaves(office, _ADDRESS, extent)) == {people["Ann Smith"].pk, people["Bob Smith"].pk}


def test_leaving_everything_is_about_namesakes_at_the_same_address_too(
    office: Office, people: dict[str, Member]
) -> None:
    """The same person under two numbers of the member list is one person to the suppression."""
    twin = join(office.house, "Eve Brown", "eve@example.org", consents=[stream(office.house)])
    everything = about(lambda: leaves(office, "eve@example.org", Extent.EVERYTHING))
    assert everything == {people["Eve Brown"].pk, twin.pk}


def test_an_undo_is_about_who_came_back(office: Office, people: dict[str, Member]) -> None:
    way_back = leaves(office, "eve@example.org").undo
    later = office.now + timedelta(minutes=1)
    assert about(lambda: undo(office.house, way_back, now=later)) == {people["Eve Brown"].pk}


def test_sealing_the_ledger_is_about_nobody(office: Office, people: dict[str, Member]) -> None:
    assert about(lambda: list(seal_ledger(office.now))) == set()


def test_subscriptions_made_anew_are_about_everyone(office: Office, people: dict[str, Member]) -> None:
    def anew() -> None:
        with writing():
            rebuild()

    assert about(anew) is None
