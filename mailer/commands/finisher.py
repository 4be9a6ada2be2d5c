"""Beside the pages somebody carries out what a click left behind, many in one write."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Thread

from django.db import DatabaseError, close_old_connections

from mailer.actions.finish_leaving import end, finish, left_behind, those_waiting
from mailer.actions.let_go import let_go
from mailer.house import House

_LOG = logging.getLogger("mailer.leaving")
#: Seconds between two writes: of the threads of a process the one that wrote last gets the lock again, else.
_PAUSE = 0.002


@dataclass
class Finisher:
    """A thread that waits until a page of this process leaves something behind."""

    house: House
    clock: Callable[[], datetime]

    def start(self) -> None:
        """Wait for work from now on; nobody waits for its end."""
        Thread(target=self.run, name="finisher", daemon=True).start()

    def stop(self) -> None:
        """End when what waits now is done; if the process ends before, whoever sends finds the rest in the file."""
        end(left_behind(self.house))

    def run(self) -> None:
        """Finish until it is stopped."""
        waiting = left_behind(self.house)
        while acts := those_waiting(waiting):
            try:
                close_old_connections()
                finish(self.house, acts, self.clock())
            except DatabaseError as error:
                _LOG.warning("%d who left are taken off by whoever sends next: %s", len(acts), error)
            except Exception:  # noqa: BLE001 - told with its traceback; one that ends finishes nothing
                _LOG.exception("%d who left could not be taken off, and are left to whoever sends next", len(acts))
            finally:
                close_old_connections()
            time.sleep(_PAUSE)
        let_go()
