"""Makes connections in threads of their own, since a greeting may take five minutes.

Law of the file: whatever a thread ends with reaches whoever asked, or is closed; nothing is left open and unknown.
"""

import os
import threading
import weakref
from collections.abc import Callable

from mailer.transport.lane import Lane

Found = Lane | Exception


class Dialler:
    """`make` makes a lane or raises, and may take its time; `bell` is readable when something was found."""

    def __init__(self, make: Callable[[], Lane]) -> None:
        self.bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        weakref.finalize(self, os.close, self.bell)
        #: Connections being made.
        self.under_way = 0
        self._make = make
        self._round = 0
        self._found: list[Found] = []
        self._lock = threading.Lock()

    def dial(self) -> None:
        """Begin one more."""
        threading.Thread(target=self._dial, args=(self._round,), daemon=True, name="dial").start()
        self.under_way += 1

    def found(self) -> list[Found]:
        """What came of those that are ready."""
        if not self._found:
            return []
        with self._lock:
            found, self._found = self._found, []
            os.eventfd_read(self.bell)
        self.under_way -= len(found)
        return found

    def forget(self) -> None:
        """Everybody goes home: what is ready is closed, and what is under way comes too late."""
        with self._lock:
            self._round += 1
        for each in self.found():
            _leave(each)
        self.under_way = 0

    def _dial(self, of: int) -> None:
        found: Found
        try:
            found = self._make()
        except Exception as error:  # noqa: BLE001 - raised again where it is met
            found = error
        with self._lock:
            if of == self._round:
                self._found.append(found)
                os.eventfd_write(self.bell, 1)
                return
        _leave(found)


def _leave(found: Found) -> None:
    if isinstance(found, Lane):
        found.say_quit()
