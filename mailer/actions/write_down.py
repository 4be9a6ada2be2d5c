"""The departures' file: every act of leaving is on the disk before it is answered (standards U13, U14, P13)."""

import logging
from datetime import datetime
from functools import cache
from pathlib import Path

from mailer.core.departing import Departure
from mailer.house import House
from mailer.transport.departures import DepartureLog

_LOG = logging.getLogger("mailer.leaving")


def departures(house: House) -> DepartureLog:
    """The departures of this site's data directory, opened once a process."""
    return _log(house.config.data.departures)


@cache
def _log(folder: Path) -> DepartureLog:
    return DepartureLog(folder)


def hold_room(house: House) -> None:
    """Hold back room for departures before the disk is full; if that cannot be done, why is logged."""
    try:
        departures(house).hold_room()
    except OSError as error:
        _LOG.error("No room could be held back for departures in %s: %s", departures(house).folder, error)


def write_down(house: House, what: Departure, now: datetime) -> bool:
    """Add an act's line and wait for the disk; False if it could not be done, and why is logged."""
    try:
        departures(house).append(what.line(), now.date())
    except OSError as error:
        _LOG.error("A departure could not be written down in %s: %s", departures(house).folder, error)
        return False
    return True
