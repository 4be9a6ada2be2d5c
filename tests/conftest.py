"""The database as a site has it: guards on, the one row of the site and its counters there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from mailer.actions import write_down
from mailer.actions.finish_leaving import left_behind
from mailer.actions.set_up import prepare_database
from mailer.house import House, open_house
from mailer.models import guards

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any, house: House) -> Iterator[None]:
    """The test database, guarded like a real one."""
    with django_db_blocker.unblock():
        prepare_database(house, now=NOW, incarnation="0" * 32)
    yield
    with django_db_blocker.unblock():
        guards.remove()


@pytest.fixture(autouse=True)
def _clean_up_without_guards(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests with real transactions empty all tables afterwards, which the guards would rightly refuse."""
    marker = request.node.get_closest_marker("django_db")
    transactional = "transactional_db" in request.fixturenames or (
        marker is not None and marker.kwargs.get("transaction")
    )
    if not transactional:
        yield
        return
    request.getfixturevalue("transactional_db")
    house = request.getfixturevalue("house")
    with _flush_without_guards(house):
        yield


@contextmanager
def _flush_without_guards(house: House) -> Iterator[None]:
    prepare_database(house, now=NOW, incarnation="0" * 32)
    yield
    connection.ensure_connection()
    guards.remove()


@pytest.fixture(scope="session")
def house() -> House:
    """The house of tests/config.toml with the project's own lists and templates."""
    from django.conf import settings

    return open_house(settings.CONFIG)


@pytest.fixture
def house_of_the_class(request: pytest.FixtureRequest, house: House) -> None:
    """The same for hypothesis.extra.django.TestCase, whose methods take no fixture."""
    request.cls.house = house


@pytest.fixture(autouse=True)
def _nothing_remembered_outside_the_database(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test has a database as new; what lies beside it must not tell it of the tests before."""
    yield
    if "house" in request.fixturenames:
        house = request.getfixturevalue("house")
        shutil.rmtree(house.config.data.departures, ignore_errors=True)
        (house.journals / "site").unlink(missing_ok=True)
        write_down.departures(house).forget()
        with left_behind(house).mutex:
            left_behind(house).queue.clear()


@pytest.fixture
def now() -> datetime:
    """A Friday in November, ten in the morning in Norwich."""
    return NOW


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI everything is installed, so a skipped test hides something: it fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("MAILER_NO_SKIPS") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
