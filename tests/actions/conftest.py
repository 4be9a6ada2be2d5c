"""One office a test, and one that has sent."""

from pathlib import Path

import pytest

from mailer.house import House
from mailer.models import Member
from mailer.transport.journal import Journal
from tests.actions.comes_back import GWEN, HAL
from tests.actions.office import Office
from tests.world import anne, join, stream


@pytest.fixture
def office(house: House, tmp_path: Path) -> Office:
    """A host of its own, with a journal that vanishes."""
    return Office(house, Journal(tmp_path / "journal", "worker-1"))


@pytest.fixture
def sent(office: Office) -> Office:
    """A letter to Gwen and one to Hal have been accepted."""
    for name, address in (("Gwen Gone", GWEN), ("Hal Here", HAL)):
        join(office.house, name, address, consents=[stream(office.house)])
    office.begun(anne())
    office.send_all()
    return office


@pytest.fixture
def ann(office: Office) -> Member:
    """Ann reads the chair's newsletter, and has the newest one."""
    ann = join(office.house, "Ann Smith", "ann@example.org", consents=[stream(office.house)])
    office.begun(anne())
    office.send_all()
    return ann
