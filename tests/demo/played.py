"""The demo as a person starts it: a process of its own, in a folder of its own."""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).parent.parent.parent
_PATIENCE = 120


@dataclass(frozen=True)
class Served:
    """A demo whose story is told and whose pages are up."""

    process: "subprocess.Popen[str]"
    folder: Path
    told: list[str]

    @property
    def url(self) -> str:
        """Where its pages are, without a slash at the end."""
        return self.told[-1].split("http://")[1].split("/")[0].join(("http://", ""))

    def end(self) -> int:
        """Ctrl-C; the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(_PATIENCE)


def command(*, once: bool, as_json: bool, before: str = "") -> list[str]:
    """What starts it."""
    # A shell without job control lets its background processes ignore Ctrl-C; a terminal does not.
    default = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    run = f"from mailer.demo.story import run; raise SystemExit(run(once={once}, as_json={as_json}))"
    return [sys.executable, "-W", "error", "-c", "\n".join((default, before, run))]


def environment(**more: str) -> dict[str, str]:
    """The caller's, with the project on the path, and settings of another site that the demo must not take."""
    return {**os.environ, "PYTHONPATH": str(PROJECT), **more}


def play(folder: Path, *, as_json: bool, before: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
    """The whole story, once."""
    return subprocess.run(
        command(once=True, as_json=as_json, before=before),
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )


def start() -> Served:
    """A demo that goes on until it is ended."""
    folder = Path(tempfile.mkdtemp(prefix="mailer-demo-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    out = folder / "told"
    with out.open("w") as told:
        process = subprocess.Popen(
            command(once=False, as_json=False), cwd=folder, env=environment(), stdout=told, stderr=told, text=True
        )
    atexit.register(process.kill)
    deadline = time.monotonic() + _PATIENCE
    while "Ctrl-C" not in out.read_text() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    lines = out.read_text().splitlines()
    assert process.poll() is None, "\n".join(lines)
    return Served(process, folder, lines)


served = cache(start)
"""The one demo that all tests of a run look at."""
