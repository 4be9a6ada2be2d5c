"""Beside the pages somebody carries out what a click left behind, many in one write.

A mail program's click is answered by its line when somebody else writes just then (docs/decisions/0004). Whoever sends
reads the lines besides, but has letters to see to, and on a quiet day there may be no worker at all.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, Thread

from django.db import DatabaseError, close_old_connections

from mailer.actions.let_go import let_go
from mailer.actions.replay_departures import DeparturesUnreadable, replay_departures
from mailer.actions.write_down import departures
from mailer.house import House

_LOG = logging.getLogger("mailer.leaving")
#: Seconds until it is tried again, if it could not be done.
_REST = 1.0


@dataclass
class Finisher:
    """A thread that waits until a page of this process was answered by its line alone."""

    house: House
    clock: Callable[[], datetime]
    _stopping: Event = field(default_factory=Event)

    def start(self) -> None:
        """Wait for work from now on; nobody waits for its end."""
        Thread(target=self._run, name="finisher", daemon=True).start()

    def stop(self) -> None:
        """Begin nothing more: a worker, or the next start of one, does the rest."""
        self._stopping.set()
        departures(self.house).left_over.set()

    def finish(self) -> bool:
        """Carry out all there is; False if that must be tried again."""
        close_old_connections()
        try:
            replay_departures(self.house, self.clock())
        except (DatabaseError, DeparturesUnreadable) as error:
            _LOG.warning("Who left is written down, and not carried out yet: %s", error)
            return False
        except Exception:  # noqa: BLE001 - told with its traceback; one that ends finishes nothing
            _LOG.exception("Who left is written down, and could not be carried out")
            return False
        return True

    def _run(self) -> None:
        left_over = departures(self.house).left_over
        while left_over.wait() and not self._stopping.is_set():
            left_over.clear()
            if not self.finish():
                left_over.set()
                self._stopping.wait(_REST)
        let_go()
