"""Where rounds are played: templates and nurseries that are made once, when they are first needed."""

import os
import shutil
from contextlib import ExitStack
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Self

from tests.chaos import power
from tests.chaos.events import EVERYWHERE, LAPSES, ON_POSTGRES, ON_SQLITE, power_cut
from tests.chaos.fleet import LEASE, SHORT_LEASE, made
from tests.chaos.nursery import Nursery
from tests.chaos.rounds import Event, Toll, play
from tests.commands.site import Site


class Arena:
    """A context manager; everything lies in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._stack, self._number = folder, ExitStack(), count()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def events(self) -> dict[str, Event]:
        """What this database can be treated to."""
        return EVERYWHERE | (ON_POSTGRES if os.environ.get("MAILER_TEST_DATABASE") else ON_SQLITE)

    def play(self, kind: str, seed: int) -> Toll:
        """Play one round of a kind."""
        event, folder = self.events[kind], self._folder / f"round-{next(self._number)}"
        folder.mkdir()
        nursery = self._careful_nursery if event is power_cut else self._nursery
        toll = play(kind, event, self._template, nursery, folder, seed, lease=SHORT_LEASE if event in LAPSES else LEASE)
        if not toll.faults:
            shutil.rmtree(folder)
        return toll

    @cached_property
    def _template(self) -> Site:
        return made(self._folder / "made")

    @cached_property
    def _nursery(self) -> Nursery:
        return self._stack.enter_context(Nursery())

    @cached_property
    def _careful_nursery(self) -> Nursery:
        return self._stack.enter_context(Nursery({"LD_PRELOAD": str(power.compiled(self._folder))}))
