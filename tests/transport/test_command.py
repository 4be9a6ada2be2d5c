"""A command of the operator's: what it gets, and that it can hold up nobody."""

import sys
from pathlib import Path

import pytest

from mailer.transport.command import CommandFailed, run
from tests.commands.site import until


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-c", code)


def test_it_gets_the_text_as_its_input(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(python(f"import sys, pathlib; pathlib.Path({str(out)!r}).write_bytes(sys.stdin.buffer.read())"), "Zoë\nsays")
    assert out.read_text(encoding="utf-8") == "Zoë\nsays"


def test_no_shell_reads_its_words(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = "$(id); `id` > x"
    run((*python(f"import sys, pathlib; pathlib.Path({str(out)!r}).write_text(sys.argv[1])"), words), "")
    assert out.read_text() == words


def test_it_gets_no_password_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_SMTP__PASSWORD", "hunter2")
    monkeypatch.setenv("PAGER_TOKEN", "theirs")
    out = tmp_path / "out"
    run(python(f"import os, pathlib; pathlib.Path({str(out)!r}).write_text(' '.join(os.environ.values()))"), "")
    assert "hunter2" not in out.read_text()
    assert "theirs" in out.read_text()


def test_one_that_is_not_there_or_fails_is_said_in_words() -> None:
    with pytest.raises(CommandFailed, match="cannot be run"):
        run(("/nowhere/at-all",), "")
    with pytest.raises(CommandFailed, match="ended with status 3"):
        run(python("raise SystemExit(3)"), "")


def test_one_that_does_not_read_its_input_has_done_its_work() -> None:
    run(python("import os; os.close(0)"), "x" * 1_000_000)


def test_one_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    child = tmp_path / "child"
    script = f"sleep 1000 & echo $! > {child}; wait"
    with pytest.raises(CommandFailed, match="took longer than"):
        run(("/bin/sh", "-c", script), "", longest=1.0)
    state = Path(f"/proc/{child.read_text().strip()}/stat")
    # Killed it is, but the kernel may still be at it.
    until(lambda: not state.exists() or state.read_text().split()[2] == "Z", "what it started lives on")
