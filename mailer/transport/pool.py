"""Many lanes to one relay, driven by one loop that never waits for any of them alone.

Letters are pulled just before they are needed, so that what was taken back meanwhile is never begun. Connections are
made by threads of their own, since a greeting may take five minutes; what they find comes back over a queue.
"""

import contextlib
import os
import select
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Protocol

from mailer.core.errors import MailerError
from mailer.core.reply import Step
from mailer.transport.lane import Ended, Lane, Source
from mailer.transport.relay import FaultKind, RelayFault
from mailer.transport.width import MOST, Width

#: Connections being made at once, and seconds between two looks at who has been silent for too long.
_DIALS = 8
_LOOK = 0.05


class HandsOver(Protocol):
    """What a sender needs of the wire; `MemoryPool` in transport/memory.py is the twin of the one here."""

    @property
    def width(self) -> int:
        """How many letters may be on the way at once, about."""
        ...

    def step(self, wait: float, source: Source) -> list[Ended]:
        """Go on for at most `wait` seconds; what was decided meanwhile."""
        ...

    def take_fault(self) -> RelayFault | None:
        """Why no connection came about, or none could be kept, since this was last asked."""
        ...

    def rest(self) -> None:
        """Take leave of the relay for now; the next letter connects anew."""
        ...

    def drop(self) -> list[Ended]:
        """Close all at once; what is known of those on the way."""
        ...


class Pool:
    """`dial` makes a lane or raises RelayFault, and may take its time; `ticks` are seconds that only grow."""

    def __init__(
        self, dial: Callable[[], Lane], ticks: Callable[[], float], *, most: int = MOST, letters_a_lane: int = 0
    ) -> None:
        self._dial = dial
        self._ticks = ticks
        self._letters_a_lane = letters_a_lane
        self._width = Width(most, ticks)
        self._lanes: dict[int, Lane] = {}
        self._dialling = 0
        self._generation = 0
        self._dialled: SimpleQueue[tuple[int, Lane | MailerError]] = SimpleQueue()
        self._fault: RelayFault | None = None
        self._looked_at = 0.0
        self._epoll = select.epoll()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._bell, select.EPOLLIN)

    @property
    def width(self) -> int:
        return self._width.aim

    def step(self, wait: float, source: Source) -> list[Ended]:
        self._meet()
        ended: list[Ended] = []
        is_full = all(lane.pull(source) or not lane.is_idle for lane in list(self._lanes.values()))
        if is_full and self._fault is None:
            self._dial_more()
        began = self._ticks()
        events = self._epoll.poll(0 if any(lane.ended for lane in self._lanes.values()) else wait)
        waited = self._ticks() - began
        for number, event in events:
            lane = self._lanes.get(number)
            if lane is None:
                self._meet()
                continue
            if event & ~select.EPOLLOUT:
                lane.read(source)
            if event & select.EPOLLOUT and lane.is_open:
                lane.write()
        self._look_at_the_silent()
        for number, lane in list(self._lanes.items()):
            self._settle(number, lane, ended)
        if is_full:
            self._width.waited(waited, len(ended))
        else:
            self._width.idle()
        return ended

    def take_fault(self) -> RelayFault | None:
        fault, self._fault = self._fault, None
        return fault

    def rest(self) -> None:
        self._generation += 1  # a connection that is still being made comes too late
        for lane in self._lanes.values():
            lane.say_quit()
        self._lanes.clear()

    def drop(self) -> list[Ended]:
        ended: list[Ended] = []
        self._generation += 1
        for lane in self._lanes.values():
            lane.close()
            ended += lane.ended
        self._lanes.clear()
        return ended

    def _settle(self, number: int, lane: Lane, ended: list[Ended]) -> None:
        """Take what a lane has decided; part with it if it is over, and watch for what it waits for now."""
        if lane.ended:
            ended += lane.ended
            lane.ended.clear()
        if lane.is_open and self._letters_a_lane and lane.letters >= self._letters_a_lane and lane.is_idle:
            lane.say_quit()
            del self._lanes[number]
        elif not lane.is_open:
            del self._lanes[number]
            if not lane.accepted:
                self._part_with_the_fruitless(lane)
        elif lane.is_writing != lane.is_watched_for_room:
            lane.is_watched_for_room = lane.is_writing
            self._epoll.modify(number, select.EPOLLIN | (select.EPOLLOUT if lane.is_writing else 0))

    def _part_with_the_fruitless(self, lane: Lane) -> None:
        """A server that ends sessions after letters is met again at once; one that took none turns us away (T5)."""
        if self._lanes:
            self._width.turned_away(len(self._lanes))
        else:
            self._fault = RelayFault(
                f"The mail server ended the session: {lane.ended_because}",
                kind=FaultKind.BUSY, retry_later=True, step=Step.MAIL,
            )  # fmt: skip

    def _dial_more(self) -> None:
        wanted = min(self._width.aim - len(self._lanes), _DIALS) - self._dialling
        for _ in range(wanted):
            self._dialling += 1
            threading.Thread(target=self._dial_one, args=(self._generation,), daemon=True, name="dial").start()

    def _dial_one(self, generation: int) -> None:
        """In a thread of its own: nothing of the pool is touched but the queue and the bell."""
        try:
            found: Lane | MailerError = self._dial()
        except MailerError as error:
            found = error
        except OSError as error:
            found = RelayFault(str(error), kind=FaultKind.UNREACHABLE, retry_later=True, step=Step.CONNECT)
        if isinstance(found, Lane) and generation != self._generation:
            found.say_quit()  # everybody has gone home meanwhile
        self._dialled.put((generation, found))
        os.eventfd_write(self._bell, 1)

    def _meet(self) -> None:
        """Take in what the diallers found."""
        while True:
            try:
                generation, found = self._dialled.get_nowait()
            except Empty:
                break
            self._dialling -= 1
            if isinstance(found, Lane):
                self._take_in(found, generation)
            elif generation == self._generation:
                self._turned_away(found)
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)

    def _take_in(self, lane: Lane, generation: int) -> None:
        if generation != self._generation or not lane.is_open:
            lane.say_quit()
            return
        lane.most_letters = self._letters_a_lane
        self._lanes[lane.socket.fileno()] = lane
        self._epoll.register(lane.socket.fileno(), select.EPOLLIN)

    def _turned_away(self, error: MailerError) -> None:
        if self._lanes:
            self._width.turned_away(len(self._lanes))
        elif not self._dialling:
            self._fault = error if isinstance(error, RelayFault) else None
            if self._fault is None:
                raise error

    def _look_at_the_silent(self) -> None:
        now = self._ticks()
        if now - self._looked_at < _LOOK:
            return
        self._looked_at = now
        for lane in self._lanes.values():
            if lane.is_open and now >= lane.deadline:
                lane.give_up()
