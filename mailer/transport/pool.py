"""Many lanes to one relay, driven by one loop that never waits for any of them alone.

Letters are pulled just before they are needed, so that what was taken back meanwhile is never begun. The first
connection is made alone; more are made (transport/dialler.py) once it has carried a letter and more letters wait.
"""

import math
import select
from collections.abc import Callable
from typing import Protocol

from mailer.core.reply import Step
from mailer.transport.dialler import Dialler
from mailer.transport.lane import Ended, Lane, Source
from mailer.transport.relay import FaultKind, RelayFault
from mailer.transport.width import MOST, Width

#: Connections being made at once, and seconds between two looks at who has been silent for too long.
_DIALS = 16
_LOOK = 0.05


class HandsOver(Protocol):
    """What a sender needs of the wire; `MemoryPool` in transport/memory.py is the twin of the one here."""

    @property
    def width(self) -> int:
        """How many letters may be on the way at once, about."""
        ...

    @property
    def has_session(self) -> bool:
        """Whether a connection is there."""
        ...

    def bear(self, most: int) -> None:
        """Use no more than so many connections from now on; those over it end with the letters they carry."""
        ...

    def step(self, wait: float, source: Source) -> list[Ended]:
        """Go on for at most `wait` seconds; what was decided meanwhile."""
        ...

    def take_fault(self) -> RelayFault | None:
        """Why no connection came about, or none could be kept, since this was last asked."""
        ...

    def rest(self) -> None:
        """Take leave by every connection that carries nothing; the next letter connects anew."""
        ...

    def drop(self) -> list[Ended]:
        """Close all at once; what is known of those on the way."""
        ...


class Pool:
    """`dial` makes a lane or raises RelayFault, and may take its time; `ticks` are seconds that only grow.

    Who has another server to go to waits no longer than `patience` seconds for the first connection: it may still come
    about, as RFC 5321 section 4.5.3.2 wants it, but nobody stands by.
    """

    def __init__(
        self,
        dial: Callable[[], Lane],
        ticks: Callable[[], float],
        *,
        most: int = MOST,
        letters_a_lane: int = 0,
        patience: float = math.inf,
    ) -> None:
        self._ticks = ticks
        self._patience = patience
        #: Since when there is no connection, and one is waited for.
        self._knocked_at = 0.0
        self._letters_a_lane = letters_a_lane
        self._width = Width(most, ticks)
        self._dialler = Dialler(dial)
        self._lanes: dict[int, Lane] = {}
        self._idle: dict[int, Lane] = {}
        #: Whether a connection has carried a letter since the last rest: until then one is enough to try by.
        self._is_proven = False
        self._fault: RelayFault | None = None
        self._looked_at = 0.0
        self._epoll = select.epoll()
        self._epoll.register(self._dialler.bell, select.EPOLLIN)

    @property
    def width(self) -> int:
        return self._width.aim

    @property
    def has_session(self) -> bool:
        return bool(self._lanes)

    def bear(self, most: int) -> None:
        self._width.bear(most)

    def step(self, wait: float, source: Source) -> list[Ended]:
        self._meet()
        moved = self._begin(source)
        is_full = not self._idle
        if is_full and self._fault is None:
            self._dial_more()
        began = self._ticks()
        events = self._epoll.poll(0 if any(lane.ended for lane in moved.values()) else wait)
        waited = self._ticks() - began
        self._attend(events, source, moved)
        self._look_at_the_silent(moved)
        ended: list[Ended] = []
        for number, lane in moved.items():
            self._settle(number, lane, ended)
        if is_full and len(self._lanes) >= self._width.aim:
            self._width.waited(waited, len(ended))
            self._part_with_the_surplus()
        else:
            self._width.idle()
        return ended

    def take_fault(self) -> RelayFault | None:
        fault, self._fault = self._fault, None
        return fault

    def rest(self) -> None:
        self._dialler.forget()
        self._is_proven = False
        for number, lane in list(self._idle.items()):
            self._take_leave(number, lane)

    def drop(self) -> list[Ended]:
        self._dialler.forget()
        self._is_proven = False
        ended: list[Ended] = []
        for lane in self._lanes.values():
            lane.close()
            ended += lane.ended
        self._lanes.clear()
        self._idle.clear()
        return ended

    # --- letters

    def _begin(self, source: Source) -> dict[int, Lane]:
        """Give the idle lanes letters while there are any; the lanes to which something happened."""
        moved: dict[int, Lane] = {}
        for number, lane in list(self._idle.items()):
            if lane.is_spent:
                self._take_leave(number, lane)
                continue
            moved[number] = lane
            if lane.pull(source):
                del self._idle[number]
            elif lane.is_open:
                break
        return moved

    def _attend(self, events: list[tuple[int, int]], source: Source, moved: dict[int, Lane]) -> None:
        """Let each lane do what its socket is ready for."""
        for number, event in events:
            lane = self._lanes.get(number)
            if lane is None:
                continue  # the dialler's bell
            moved[number] = lane
            if event & ~select.EPOLLOUT:
                lane.read(source)
            if event & select.EPOLLOUT and lane.is_open:
                lane.write()

    def _look_at_the_silent(self, moved: dict[int, Lane]) -> None:
        now = self._ticks()
        if now - self._looked_at < _LOOK:
            return
        self._looked_at = now
        for number, lane in self._lanes.items():
            if lane.is_open and now >= lane.deadline:
                lane.give_up()
                moved[number] = lane

    def _settle(self, number: int, lane: Lane, ended: list[Ended]) -> None:
        """Take what a lane has decided; part with it if it is over, and watch for what it waits for now."""
        if lane.ended:
            ended += lane.ended
            lane.ended.clear()
            self._is_proven = self._is_proven or lane.decided > 0
        if not lane.is_open:
            self._forget(number)
            if not (lane.decided or lane.was_closed_by_us):
                self._turned_away(_no_letters(lane))
            return
        is_writing = lane.is_writing
        if is_writing != lane.is_watched_for_room:
            lane.is_watched_for_room = is_writing
            self._epoll.modify(number, select.EPOLLIN | (select.EPOLLOUT if is_writing else 0))
        if lane.is_idle:
            self._idle[number] = lane
            if lane.is_spent:
                self._take_leave(number, lane)

    def _take_leave(self, number: int, lane: Lane) -> None:
        lane.say_quit()
        self._forget(number)

    def _forget(self, number: int) -> None:
        self._knocked_at = self._ticks()
        del self._lanes[number]
        self._idle.pop(number, None)

    # --- connections

    def _dial_more(self) -> None:
        if not self._lanes and self._has_waited_in_vain():
            return
        aim = self._width.aim if self._is_proven else 1
        for _ in range(min(aim - len(self._lanes), _DIALS) - self._dialler.under_way):
            self._dialler.dial()

    def _has_waited_in_vain(self) -> bool:
        """Whether a first connection does not come about: a fault, even if it should come about later."""
        if not self._dialler.under_way:
            self._knocked_at = self._ticks()
        if self._ticks() - self._knocked_at < self._patience:
            return False
        self._dialler.forget()
        self._fault = RelayFault(
            f"The mail server has not let us in within {self._patience:.0f} seconds.",
            kind=FaultKind.UNREACHABLE, retry_later=True, step=Step.CONNECT,
        )  # fmt: skip
        return True

    def _meet(self) -> None:
        """Take in what the dialler found: connections first, since a failure beside others means less."""
        found = self._dialler.found()
        for each in found:
            if isinstance(each, Lane):
                self._take_in(each)
        for each in found:
            if isinstance(each, Exception):
                self._turned_away(_fault_of(each))

    def _take_in(self, lane: Lane) -> None:
        number = lane.socket.fileno()
        lane.most_letters = self._letters_a_lane
        self._lanes[number] = self._idle[number] = lane
        self._epoll.register(number, select.EPOLLIN)

    def _turned_away(self, fault: RelayFault) -> None:
        """The server refused a connection, or took no letter by it: fewer are borne, or none (T5, T26)."""
        others = len(self._lanes) + self._dialler.under_way
        if others:
            self._width.turned_away(others)
        else:
            self._fault = fault

    def _part_with_the_surplus(self) -> None:
        """More connections did not pay: the newest end with the letters they carry now."""
        for lane in list(self._lanes.values())[self._width.aim :]:
            lane.most_letters = max(1, lane.letters)


def _no_letters(lane: Lane) -> RelayFault:
    """A server that ends sessions after letters is met again at once; of one that took none, that is what is wrong."""
    return RelayFault(
        f"The mail server ended the session: {lane.ended_because}",
        kind=FaultKind.BUSY, retry_later=True, step=Step.MAIL,
    )  # fmt: skip


def _fault_of(error: Exception) -> RelayFault:
    """Why no connection came about; what is no fault of a relay is raised."""
    if isinstance(error, RelayFault):
        return error
    if isinstance(error, OSError):
        return RelayFault(str(error), kind=FaultKind.UNREACHABLE, retry_later=True, step=Step.CONNECT)
    raise error
