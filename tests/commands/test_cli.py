"""The command plan: every command leads somewhere, refusals are words and statuses, and no text steers a terminal."""

import inspect
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mailer import cli
from mailer.commands.shell import Shell, visible
from mailer.core.sought import Sought
from tests.commands.site import Site

Mailer = Callable[..., Result]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = list(commands(cli.main))


@pytest.mark.parametrize(("path", "command"), ALL, ids=[" ".join(path) for path, _ in ALL])
def test_every_command_leads_to_a_function_that_takes_its_options(
    path: tuple[str, ...], command: click.Command
) -> None:
    names = {param.name for param in command.params}
    assert "as_json" in names, "every command takes --json"
    assert command.help
    does = getattr(command.callback, "does", None)
    if does is None:
        assert path in {("worker",), ("demo",), ("bench",)}
        return
    module, _, function = does.partition(":")
    taken = inspect.signature(getattr(import_module(f"mailer.commands.{module}"), function)).parameters
    takes_any = any(each.kind is each.VAR_KEYWORD for each in taken.values())
    named = {name for name, each in taken.items() if each.kind is each.KEYWORD_ONLY}
    assert named <= (options := names - {"as_json", "by"})
    assert options - named <= ({field.name for field in fields(Sought)} if takes_any else set())


def test_help_needs_no_site(tmp_path: Path) -> None:
    ended = Site(tmp_path).call("--help")
    assert ended.returncode == 0
    assert "mailer init" in ended.stdout


@pytest.mark.parametrize("command", [("audience", "x"), ("keys", "export"), ("worker",), ("run",)], ids=" ".join)
def test_without_a_site_the_refusal_says_what_to_do(tmp_path: Path, command: tuple[str, ...]) -> None:
    ended = Site(tmp_path).call(*command)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "mailer init" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_site_without_tables_says_so(tmp_path: Path) -> None:
    Site(tmp_path).done("init", "site")
    ended = Site(tmp_path / "site").call("office", "list")
    assert ended.returncode == 1
    assert "mailer migrate" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [("nothing",), ("issue", "report"), ("issue", "report", "x"), ("office", "grant", "a@example.org", "king"),
     ("members", "import", "there-is-no-such-file"), ("issue", "schedule", "1"), ("init", "--force")],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_is_status_2(arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(cli.main, list(arguments)).exit_code == 2


def test_what_would_steer_a_terminal_is_shown_as_a_sign() -> None:
    assert visible("Ann\x1b[2J\x07\x9b1m\u2028Smith\tx\n") == "Ann\ufffd[2J\ufffd\ufffd1m\ufffdSmith\tx\n"


def test_a_table_shows_hostile_cells_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    Shell(as_json=False).table("", ("name",), [("[red]Ann[/red] :smile: \x1b[31m",)])
    shown = capsys.readouterr().out
    assert "[red]Ann[/red] :smile:" in shown
    assert "\x1b" not in shown


def test_json_stands_alone_on_stdout_in_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(as_json=True)
    shell.say("words")
    shell.table("", ("a",), [("b",)])
    shell.answer({"name": "Zoë"})
    shown = capsys.readouterr().out
    assert shown.isascii()
    assert json.loads(shown) == {"name": "Zoë"}


def test_in_a_pipe_there_is_no_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with Shell(as_json=False).progress("Writing") as progress:
        progress(1, 2)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "octets"), [(Terminal, b"Zo\xeb ?uk\n"), (io.TextIOWrapper, "Zoë Łuk\n".encode())])
def test_a_name_that_the_terminal_cannot_show_ends_no_command(
    monkeypatch: pytest.MonkeyPatch, stream: type[io.TextIOWrapper], octets: bytes
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(cli.sys, "stdout", stream(written, encoding="cp1252"))
    cli._speak_utf8()
    Shell(as_json=False).say("Zoë Łuk")
    cli.sys.stdout.flush()
    assert written.getvalue() == octets
    monkeypatch.undo()
