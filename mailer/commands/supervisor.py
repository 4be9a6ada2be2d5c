"""Two processes under one hand: a child that dies is started again, ever later; a signal ends all within seconds."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from types import FrameType

#: Seconds until a dead child is started again: doubled each time, up to the most; a child that lived so long is well.
FIRST_PAUSE, LONGEST_PAUSE, WELL = 1.0, 60.0, 60.0
#: How long children may take to end. The worker finishes the letter in hand, and gives up waiting before this.
PATIENCE = 20.0
_LOOK = 0.2


@dataclass
class Child:
    """A command that is to be running."""

    name: str
    command: Sequence[str]
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    due_at: float = 0.0
    pause: float = FIRST_PAUSE


@dataclass
class Supervisor:
    """`tell` is told, in words and as an event, everything that is done."""

    children: Sequence[Child]
    tell: Callable[[str, Mapping[str, object]], None]
    ticks: Callable[[], float] = time.monotonic
    stopping: Event = field(default_factory=Event)

    def run(self) -> int:
        """Keep all running until SIGTERM or Ctrl-C; 0 when all ended by themselves, 1 when one had to be killed."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            while not self.stopping.wait(_LOOK):
                for child in self.children:
                    self._look_after(child)
        finally:
            clean = self._end()
        return 0 if clean else 1

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.stopping.set()

    def _look_after(self, child: Child) -> None:
        now = self.ticks()
        if child.process is None:
            if now >= child.due_at:
                self._start(child, now)
            return
        status = child.process.poll()
        if status is None:
            return
        child.pause = FIRST_PAUSE if now - child.started_at >= WELL else min(child.pause * 2, LONGEST_PAUSE)
        child.process, child.due_at = None, now + child.pause
        words = f"The {child.name} ended with status {status}; it is started again in {child.pause:.0f} s."
        self.tell(words, {"event": "ended", "process": child.name, "status": status, "again_in": child.pause})

    def _start(self, child: Child, now: float) -> None:
        child.process = subprocess.Popen(child.command, stdin=subprocess.DEVNULL)  # noqa: S603 - our own command
        child.started_at = now
        words = f"The {child.name} runs as process {child.process.pid}."
        self.tell(words, {"event": "started", "process": child.name, "pid": child.process.pid})

    def _end(self) -> bool:
        """Pass the signal on, and wait; whoever does not end is killed."""
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            process.terminate()
        deadline, clean = self.ticks() + PATIENCE, True
        for process in running:
            try:
                process.wait(max(0.0, deadline - self.ticks()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                clean = False
        words = "All have ended." if clean else "One did not end in time and was killed; its journal says what it did."
        self.tell(words, {"event": "stopped", "clean": clean})
        return clean
