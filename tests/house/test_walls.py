"""The walls of design.md section 2: import-linter, and where imports cannot tell, a reading of the core."""

import ast
from pathlib import Path

import pytest
from importlinter.application.use_cases import lint_imports
from importlinter.configuration import configure

PROJECT = Path(__file__).parent.parent.parent
CORE = sorted((PROJECT / "mailer" / "core").rglob("*.py"))

#: What asks the clock, the folder or the person at the keyboard without an import that the linter could see.
IMPURE_CALLS = frozenset({"open", "input", "print", "__import__", "eval", "exec"})
IMPURE_METHODS = frozenset({"now", "today", "utcnow", "make_msgid", "localtime", "formatdate"})


def impurities(source: str) -> list[tuple[int, str]]:
    """Every call in the source that takes something from the world, with its line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS | IMPURE_METHODS:
            found.append((node.lineno, node.func.id))
        if isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_METHODS:
            found.append((node.lineno, node.func.attr))
    return found


def test_imports_run_one_way(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    kept = lint_imports(config_filename=str(PROJECT / "pyproject.toml"), cache_dir=None, no_logo=True)
    assert kept, capsys.readouterr().out


@pytest.mark.parametrize("file", CORE, ids=lambda file: file.relative_to(PROJECT).as_posix())
def test_the_core_takes_time_and_files_as_arguments(file: Path) -> None:
    places = [f"{file.relative_to(PROJECT)}:{line}: {call}()" for line, call in impurities(file.read_text())]
    assert not places, "The core gets values only; let a door ask and pass the answer down: " + ", ".join(places)


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import datetime\nx = datetime.now()",
        "x = date.today()",
        "x = datetime.datetime.utcnow()",
        "x = open('list.toml')",
        "x = __import__('os')",
        "print('done')",
        "x = email.utils.make_msgid()",
        "x = formatdate()",
    ],
)
def test_an_impure_core_is_red(source: str) -> None:
    assert impurities(source)


def test_a_pure_core_is_green() -> None:
    assert impurities("def due(now, opened):\n    return now > opened.today + now.replace(hour=1)") == []
