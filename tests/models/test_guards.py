"""The database refuses what no code may do."""

import pytest

from mailer.models import guards

pytestmark = pytest.mark.django_db


def test_every_guard_is_installed() -> None:
    assert guards.missing() == ()


def test_a_changed_event_is_refused() -> None:
    assert guards.refuses_a_change()


def test_check_notices_guards_that_are_gone() -> None:
    guards.remove()
    try:
        assert guards.missing()
        assert not guards.refuses_a_change()
    finally:
        guards.install()
