"""Beside the pages somebody watches the workers, since a dead one cannot tell it, and keeps room for who leaves."""

import logging
from dataclasses import dataclass, field
from threading import Event, Thread

from django.db import DatabaseError, close_old_connections

from mailer.actions.let_go import let_go
from mailer.actions.tell_alarms import Teller
from mailer.actions.watch_site import watch_workers
from mailer.actions.write_down import hold_room
from mailer.commands.shell import Shell, draw_word
from mailer.house import House

_LOG = logging.getLogger("mailer.watchman")
_EVERY = 30.0


@dataclass
class Watchman:
    """A thread that looks every half minute, and tells people."""

    shell: Shell
    house: House
    _stopping: Event = field(default_factory=Event)

    def start(self) -> None:
        """Look from now on; nobody waits for its end."""
        Thread(target=self._run, name="watchman", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()

    def look(self) -> None:
        """One look. Whatever goes wrong with it is said, and the next one comes."""
        hold_room(self.house)
        close_old_connections()
        try:
            watch_workers(self.house, self.shell.clock())
            Teller(self.house, self.shell.clock, draw_word).tell_all()
        except DatabaseError as error:
            _LOG.error("the watch over the workers: the database: %s", error)
        except Exception:  # noqa: BLE001 - told with its traceback; a watch that ends watches nobody
            _LOG.exception("the watch over the workers failed")
        finally:
            close_old_connections()

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY):
            self.look()
        let_go()
