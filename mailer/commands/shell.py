"""What every command of this door shares: the configuration, the clock, chance, and how it speaks.

Law of the file: results go to stdout, everything else to stderr; with `--json` stdout holds JSON alone, one object a
line. No octet that a member's name, a mail server or a bounce brings along may steer the terminal.
"""

import json
import os
import pwd
import re
import secrets
import string
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TextIO

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table

from mailer import config
from mailer.config import Config

#: Wide enough that a table in a pipe is not cut to the 80 columns of a terminal that is not there.
_PIPE_WIDTH = 200
_BAR = 40
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def login() -> str:
    """The machine's name for whoever typed the command; the environment could say anything."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid{number}"


def visible(text: object) -> str:
    """Text without what would steer a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(text))


def draw_handle() -> int:
    """A random 64-bit handle."""
    return secrets.randbits(64)


def draw_word() -> str:
    """A random word of letters and digits that nobody can have written."""
    return "Z" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(23))


def draw_subject() -> str:
    """A random reference for the ledger."""
    return secrets.token_hex(16)


@dataclass
class Shell:
    """One call of the command: `by` is who acts, if they said so."""

    as_json: bool
    by: str | None = None

    @cached_property
    def config(self) -> Config:
        """The configuration; raises with everything that is wrong with it."""
        return config.load()

    @cached_property
    def now(self) -> datetime:
        """When the command was given: all that it does happens at one time."""
        return datetime.now(UTC)

    def clock(self) -> datetime:
        """The time as it goes on."""
        return datetime.now(UTC)

    def say(self, text: object = "") -> None:
        """A line for a person; none where a program listens."""
        if not self.as_json:
            sys.stdout.write(f"{visible(text)}\n")

    def warn(self, text: object) -> None:
        """A line beside the result."""
        sys.stderr.write(f"{visible(text)}\n")

    def answer(self, value: Mapping[str, object]) -> None:
        """The result for a program, one object a line, in ASCII; nothing where a person reads."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, default=str) + "\n")
            sys.stdout.flush()

    def tell(self, words: str, event: Mapping[str, object]) -> None:
        """What a long-lived command does, when it does it: in words, or as an object a line."""
        self.say(words)
        self.answer(event)
        sys.stdout.flush()

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table for a person; none if it has no rows. A column called `#...` holds numbers."""
        lines = [[visible(cell) for cell in row] for row in rows]
        if self.as_json or not lines:
            return
        table = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for column in columns:
            justify = "right" if column.startswith("#") else "left"
            table.add_column(column.removeprefix("#"), justify=justify, overflow="fold")  # type: ignore[arg-type]
        for line in lines:
            table.add_row(*line)
        _console(sys.stdout).print(table)

    def bar(self, done: int, total: int) -> None:
        """How far it is, on a terminal; nothing in a pipe."""
        console = _console(sys.stdout)
        if console.is_terminal and not self.as_json:
            console.print(ProgressBar(total=total, completed=done, width=_BAR))

    @contextmanager
    def progress(self, doing: str) -> Iterator[Callable[[int, int], None]]:
        """A bar on a terminal, nothing in a pipe; what it yields is called with (done, total)."""
        console = _console(sys.stderr)
        hidden = self.as_json or not console.is_terminal
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
            task = bar.add_task(doing, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)


def _console(stream: TextIO) -> Console:
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)
