"""A round of each kind, on SQLite and on PostgreSQL; `python -m tests.chaos --rounds N` plays as many as one likes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.events import EVERYWHERE, ON_POSTGRES, ON_SQLITE
from tests.needs import needs

pytestmark = pytest.mark.long
#: On PostgreSQL nothing tells a copied host from a new one (docs/decisions/0005-restored-and-copied.md).
UNKEPT = {"copied"}


def play(*words: str, kinds: set[str]) -> None:
    """All rounds come out as promised; else pytest shows the table."""
    asked = [word for kind in sorted(kinds) for word in ("--kind", kind)]
    command = [sys.executable, "-W", "error", "-m", "tests.chaos", *words, *asked]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_on_sqlite() -> None:
    play(kinds=set(EVERYWHERE | ON_SQLITE))


@needs("postgresql", "/usr/lib/postgresql/*/bin/initdb")
def test_on_postgresql() -> None:
    play("--postgres", kinds=set(EVERYWHERE | ON_POSTGRES) - UNKEPT)


@needs("postgresql", "/usr/lib/postgresql/*/bin/initdb")
def test_a_copied_site_on_postgresql_stands_still() -> None:
    play("--postgres", kinds=UNKEPT)
