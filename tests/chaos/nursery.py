"""Where processes are born: one that has read all modules forks each worker, which then starts as the command would.

That spares a second of reading modules at each start, and changes nothing else: settings, database and keys are read by
the newborn itself, in a folder and an environment of its own. Processes belong to whoever asked for them, and end with
it.

`python -m tests.chaos.nursery` is that one; it obeys `Nursery`, one line of JSON for each birth.
"""

import ctypes
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self

from tests.commands.site import DEADLINE

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LIBC = ctypes.CDLL(None, use_errno=True)
#: What needs no settings.
_MODULES = (
    "django.contrib.staticfiles", "django.db.models", "django.db.backends.postgresql.base",
    "django.db.backends.sqlite3.base", "apscheduler.schedulers.background", "cryptography", "click", "jinja2",
    "lxml.html", "rich.console", "waitress.server",
)  # fmt: skip
_ROOMS = ("mailer.core", "mailer.transport")


@dataclass(eq=False)
class Process:
    """One that was born there."""

    pid: int
    status: int | None = None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def poll(self) -> int | None:
        """How it ended, as a shell would say it negatively for a signal; None while it lives."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def wait(self) -> int:
        deadline = time.monotonic() + DEADLINE
        while (status := self.poll()) is None:
            assert time.monotonic() < deadline, f"process {self.pid} does not end"
            time.sleep(0.005)
        return status


class Nursery:
    """A context manager. `environ` holds from before the first module is read, such as LD_PRELOAD."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = dict(environ or {})

    @property
    def cuts_power(self) -> bool:
        """Whether its processes note what is synced."""
        return "LD_PRELOAD" in self._environ

    def __enter__(self) -> Self:
        assert _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
        own = {name: value for name, value in os.environ.items() if not name.startswith(("MAILER_", "DJANGO_"))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.nursery"],
            cwd=Path(__file__).parents[2],
            env=own | self._environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(DEADLINE)
        self._process.stdout.close()

    def bear(
        self, folder: Path, environ: Mapping[str, str], words: Sequence[str], said: Path, **changed: Any
    ) -> Process:
        """Start `mailer WORDS` in a folder; `changed` is what `_change` sets differently; it speaks into `said`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"folder": str(folder), "environ": dict(environ), "words": list(words), "said": str(said)} | changed
        self._process.stdin.write(json.dumps(order | {"for": os.getpid()}) + "\n")
        self._process.stdin.flush()
        return Process(int(self._process.stdout.readline()))


def _serve() -> None:
    for name in _MODULES:
        importlib.import_module(name)
    for room in map(importlib.import_module, _ROOMS):
        for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            importlib.import_module(found.name)
    for line in sys.stdin:
        order = json.loads(line)
        read, write = os.pipe()
        if not (middle := os.fork()):
            if not (pid := os.fork()):
                _live(order)
            os.write(write, str(pid).encode())
            os._exit(0)
        os.waitpid(middle, 0)  # now the newborn belongs to whoever asked for it
        sys.stdout.write(os.read(read, 32).decode() + "\n")
        sys.stdout.flush()
        os.close(read)
        os.close(write)


def _live(order: Mapping[str, Any]) -> None:
    """In the newborn: never returns."""
    status = 1
    try:
        while os.getppid() != order["for"]:
            time.sleep(0.0005)
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for old, new in ((nothing, 0), (said, 1), (said, 2)):
            os.dup2(old, new)
        os.closerange(3, 256)
        os.chdir(order["folder"])
        os.environ.update(order["environ"], DJANGO_SETTINGS_MODULE="mailer.settings")
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - ours is the parent's
        sys.argv = ["mailer", *order["words"]]
        _be_mailer(order)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - it is told, and the process ends
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(status)


def _be_mailer(order: Mapping[str, Any]) -> None:
    import django

    django.setup()
    from mailer.cli import main
    from mailer.transport import journal, machine
    from mailer.worker import process

    if lease := order.get("lease"):
        process.Sender = partial(process.Sender, lease=timedelta(seconds=lease))  # type: ignore[assignment, misc]
    if boot := order.get("boot"):
        journal.this_boot = machine.this_boot = lambda: boot
    main()


if __name__ == "__main__":
    _serve()
