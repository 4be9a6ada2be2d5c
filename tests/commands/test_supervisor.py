"""Back-off, by a clock moved by hand."""

import sys
from dataclasses import dataclass, field

from mailer.commands.supervisor import LONGEST_PAUSE, WELL, Child, Supervisor


@dataclass
class Fake:
    """A process that has ended with this status, or runs (None)."""

    status: int | None = None
    pid: int = 1

    def poll(self) -> int | None:
        return self.status


@dataclass
class Clock:
    now: float = 100.0
    told: list[dict[str, object]] = field(default_factory=list)


def supervisor(clock: Clock, child: Child) -> Supervisor:
    return Supervisor([child], lambda _, event: clock.told.append(dict(event)), ticks=lambda: clock.now)


def test_each_death_in_a_row_makes_the_pause_longer_up_to_a_minute() -> None:
    clock, child = Clock(), Child("worker", [])
    pauses = []
    for _ in range(9):
        child.process, child.started_at = Fake(1), clock.now  # type: ignore[assignment]
        supervisor(clock, child)._look_after(child)
        pauses.append(child.due_at - clock.now)
    assert pauses == [2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    assert [event["event"] for event in clock.told] == ["ended"] * 9


def test_a_child_that_lived_well_is_started_again_soon() -> None:
    clock, child = Clock(), Child("web", [], pause=32)
    child.process, child.started_at = Fake(1), clock.now - WELL  # type: ignore[assignment]
    supervisor(clock, child)._look_after(child)
    assert child.due_at == clock.now + 1


def test_nothing_is_started_before_its_pause_is_over() -> None:
    clock, child = Clock(), Child("web", [sys.executable, "-c", ""], due_at=101.0)
    watch = supervisor(clock, child)
    watch._look_after(child)
    assert child.process is None
    clock.now = 101.0
    watch._look_after(child)
    assert child.process is not None
    assert child.process.wait(30) == 0
