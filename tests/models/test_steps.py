"""What is asked each second costs no more for all the letters that ever went: counted in steps of SQLite's machine."""

from collections.abc import Callable

import pytest
from django.db import connection

from mailer.actions.keep_time import keep_time
from mailer.actions.show_state import public_state
from mailer.core.mailing import MailingState
from mailer.house import House
from mailer.models import Copy, Mailing, outbox, steering
from mailer.worker import chance
from tests.models.rows import copy_row, mailing_row
from tests.world import NOW

pytestmark = pytest.mark.django_db
#: Steps between two counts, and what two mailings may cost more than one, in indexes that are a level deeper.
_EACH, _TWO_MAILINGS = 1, 3
_ASKED: dict[str, Callable[[House, int], object]] = {
    "the clock": lambda house, _: keep_time(house, now=NOW, draw=chance.handle, draw_word=chance.word),
    "a worker that looks for work": lambda _house, _: steering.next_to_send(NOW),
    "whether a mailing is over": lambda _house, mailing: outbox.is_finished(mailing),
    "the page that says whether sending works": lambda house, _: public_state(house, NOW),
}


def accepted(mailing: Mailing, count: int) -> None:
    """So many letters of it that went."""
    first = Copy.unscoped.count() + 1000
    Copy.unscoped.bulk_create(
        Copy(mailing=mailing, handle=number, position=number, language="en", state="accepted")
        for number in range(first, first + count)
    )


def steps(ask: Callable[[], object]) -> int:
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    ask()  # what is asked once a process is no part of it
    connection.connection.set_progress_handler(step, _EACH)
    try:
        ask()
    finally:
        connection.connection.set_progress_handler(None, 0)
    return count


@pytest.mark.parametrize("left", ["deferred", "held", "claimed", "queued"])
@pytest.mark.parametrize("what", _ASKED)
def test_a_question_of_every_second_does_not_grow_with_the_mailing(house: House, what: str, left: str) -> None:
    if connection.vendor == "postgresql":
        return  # it plans by what it has counted in the tables, and has no steps
    counts = []
    for letters in (100, 5000):
        mailing = mailing_row(house, MailingState.SENDING)
        accepted(mailing, letters)
        copy_row(mailing, left)
        counts.append(steps(lambda mailing=mailing: _ASKED[what](house, mailing.pk)))
    few, many = counts
    assert many <= few * _TWO_MAILINGS, f"{few} steps became {many}"
