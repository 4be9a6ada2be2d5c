"""Of the threads of one process one writes to SQLite at a time, and none waits for longer than it will (U13)."""

import pytest
from django.db import OperationalError, connection

from mailer.models import base
from mailer.models.base import Busy, first_row, writing
from mailer.models.site import Counter, bump
from tests.web.away import locked

pytestmark = pytest.mark.django_db(transaction=True)


def test_no_writer_stands_behind_another_thread_for_longer_than_its_patience() -> None:
    if connection.vendor != "sqlite":
        with base._WRITER, writing(0):
            return
    with base._WRITER, pytest.raises(OperationalError, match="another thread"), writing(0):
        pass


def test_whoever_waits_for_a_lock_is_told_on_either_database_that_somebody_writes() -> None:
    with locked(), pytest.raises(Busy), writing(0.01):
        bump(Counter.CHANGES)


def test_a_write_that_failed_lets_the_next_thread_write() -> None:
    with pytest.raises(ZeroDivisionError), writing():
        raise ZeroDivisionError
    with writing(0):
        assert base._WRITER.locked() == (connection.vendor == "sqlite")
    assert not base._WRITER.locked()


def test_postgresql_compiles_nothing_on_any_connection_of_ours() -> None:
    """Of a site of a million each range of 250 members took it 0.4 s before it was looked at."""
    if connection.vendor == "postgresql":
        connection.close()
        assert first_row("SHOW jit") == ("off",)
