"""One office a test."""

from pathlib import Path

import pytest

from mailer.house import House
from mailer.transport.journal import Journal
from tests.actions.office import Office


@pytest.fixture
def office(house: House, tmp_path: Path) -> Office:
    """A host of its own, with a journal that vanishes."""
    return Office(house, Journal(tmp_path / "journal", "worker-1"))
