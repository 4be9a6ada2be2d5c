"""Two workers at one copy: who joins it while it empties is not on a copy that is withdrawn (L8)."""

from threading import Event

import pytest
from django.db import connection

from mailer.models import Delivery, preparing, recheck
from mailer.models.base import writing
from tests.actions.office import Office, copy_to, outcome_of
from tests.threads import together
from tests.world import anne, join, move, stream


def somebody_waits() -> bool:
    """Whether a transaction waits for a lock; on SQLite all wait outside of it."""
    if connection.vendor == "sqlite":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_who_moves_in_while_the_last_one_leaves_still_gets_a_letter(office: Office) -> None:
    pia, mona = (join(office.house, name, consents=[stream(office.house)]) for name in ("Pia Leaves", "Mona Moves"))
    mailing = office.mailing(office.begun(anne())).pk
    home, old = copy_to(pia.mailbox.address).pk, copy_to(mona.mailbox.address).pk
    move(office.house, mona, pia.mailbox.address)
    joined = Event()

    def follow() -> None:
        with writing():
            preparing.follow_moves(mailing, office.draw.handle, [old])
            joined.set()
            assert any(somebody_waits() for _ in range(100_000))

    def empty() -> None:
        joined.wait()
        with writing():
            Delivery.unscoped.filter(member=pia).update(outcome="withdrawn", reason="left")
            recheck.withdraw_empty([home])

    assert together(2, lambda number: (follow, empty)[number - 1]()) == []
    assert outcome_of(mona) == ("queued", "")
