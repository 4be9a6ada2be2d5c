"""How every benchmark measures and speaks: ours beside a peer in the same rounds, so that the machine's moods cancel.

The figure to keep is the median of the rounds' ratios, with the worst beside it. Rates of one run say nothing about
another: on a shared machine the same program may be twice as fast an hour later (performance.md).
"""

import os
import platform
import sqlite3
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from mailer.commands.shell import Shell

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Machine:
    """What the figures were made on."""

    cpu: str
    cores: int
    memory_gib: float
    system: str
    python: str
    sqlite: str
    openssl: str
    load: float


@dataclass(frozen=True, slots=True)
class Round:
    """Ours and the peer's figure, measured one after the other."""

    ours: float
    peer: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `must` and `aim` are what issue 3 asks of the ratio; a row without a peer has none."""

    what: str
    unit: str
    ours: float
    beside: str = ""
    peer: float | None = None
    ratio: float | None = None
    worst: float | None = None
    must: str = ""
    aim: str = ""
    rounds: tuple[Round, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What a benchmark found; `facts` are whatever else belongs beside its figures."""

    name: str
    rows: tuple[Row, ...]
    peak_mib: float
    machine: Machine
    facts: Mapping[str, object] = field(default_factory=dict)


def in_turn(ours: Callable[[], float], peer: Callable[[], float], rounds: int = ROUNDS) -> tuple[Round, ...]:
    """Measure both in turn; the order of the two changes from round to round, so that neither is always warmed up."""
    found = []
    for number in range(rounds):
        if number % 2:
            second = peer()
            found.append(Round(ours(), second))
        else:
            found.append(Round(ours(), peer()))
    return tuple(found)


def compared(
    what: str,
    unit: str,
    beside: str,
    rounds: Sequence[Round],
    *,
    must: str = "",
    aim: str = "",
    less_is_better: bool = False,
) -> Row:
    """A row of rounds. Where less is better, as of time, the ratio is turned over: more than 1 is always better."""
    ratios = [one.peer / one.ours if less_is_better else one.ours / one.peer for one in rounds]
    return Row(
        what,
        unit,
        median(one.ours for one in rounds),
        beside,
        median(one.peer for one in rounds),
        median(ratios),
        min(ratios),
        must,
        aim,
        tuple(rounds),
    )


def peak_mib(pid: int | None = None) -> float:
    """The most memory that a process has held, this one or another that still runs."""
    status = Path("/proc", str(pid or "self"), "status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def this_machine() -> Machine:
    """Where this process runs, and on what."""
    cpu = _value_of("model name", Path("/proc/cpuinfo"))
    memory = _value_of("MemTotal", Path("/proc/meminfo"))
    return Machine(
        cpu=cpu or platform.machine(),
        cores=os.cpu_count() or 1,
        memory_gib=round(int(memory.split()[0]) / 2**20, 1) if memory else 0.0,
        system=f"{_value_of('PRETTY_NAME', Path('/etc/os-release'), '=').strip(chr(34))}, Linux {platform.release()}",
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        openssl=ssl.OPENSSL_VERSION,
        load=round(os.getloadavg()[0], 2),
    )


def _value_of(key: str, file: Path, separator: str = ":") -> str:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    found = (line.partition(separator)[2].strip() for line in lines if line.partition(separator)[0].strip() == key)
    return next(found, "")


def show(shell: Shell, report: Report) -> None:
    """A table for a person, or one object for a program."""
    shell.answer(asdict(report))
    columns = ("what", "#ours", "unit", "beside", "#theirs", "#ratio", "#worst", "#must", "#aim")
    shell.table(f"mailer bench {report.name}", columns, [_cells(row) for row in report.rows])
    for name, fact in report.facts.items():
        shell.say(f"{name}: {fact}")
    machine = report.machine
    shell.say(
        f"Peak memory {report.peak_mib:.0f} MiB. {machine.cpu}, {machine.cores} cores, {machine.memory_gib} GiB,"
        f" {machine.system}; Python {machine.python}, SQLite {machine.sqlite}, {machine.openssl}; load {machine.load}."
    )


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.what,
        _figure(row.ours),
        row.unit,
        row.beside,
        _figure(row.peer),
        "" if row.ratio is None else f"{row.ratio:.2f}x",
        "" if row.worst is None else f"{row.worst:.2f}x",
        row.must,
        row.aim,
    )


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
