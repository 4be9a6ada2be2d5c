"""`mailer bench NAME`: finds the benchmark, runs it, shows its report; 0 if it ran, whatever it found."""

from importlib import import_module
from pathlib import Path

from mailer.bench.frame import Report, show
from mailer.commands.shell import Shell


def run(name: str, *, corpus: Path | None = None, as_json: bool) -> int:
    """Each benchmark is a module of this room with `run() -> Report`; that of bounces may be given a corpus."""
    words = {"folder": corpus} if name == "bounces" else {}
    report: Report = import_module(f"mailer.bench.{name}").run(**words)
    show(Shell(as_json), report)
    return 0
