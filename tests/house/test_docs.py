"""Docs that turn red: every command, key and complaint is named in them."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

from mailer.config.sections import Sending
from mailer.core.complaint import Flaw
from mailer.core.listfile import ListFile, Wording
from mailer.core.region import Region
from tests.config_keys import config_keys

PROJECT = Path(__file__).parent.parent.parent
DOCS = PROJECT / "docs"

LIST_KEYS = [
    *(each.name for each in fields(ListFile) if each.name not in {"slug", "standings", "wording"}),
    "audience.standings",
    *(f"wording.{each.name}" for each in fields(Wording)),
    *(f"region.{each.name}" for each in fields(Region)),
]


def rows(page: str) -> list[str]:
    """The words in backticks that begin a row of a table."""
    return re.findall(r"(?m)^\| `([^`]+)` \|", (DOCS / page).read_text(encoding="utf-8"))


def commands(group: click.Group, path: str) -> Iterator[str]:
    """Every sub-command as it is typed; a group of commands is none itself."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        elif not command.hidden:
            yield f"{path} {name}"


def test_every_key_of_the_configuration_has_its_row_and_no_row_is_of_the_past() -> None:
    assert sorted(rows("configuration.md")) == sorted(config_keys())


def test_every_key_of_a_list_file_has_its_row_and_so_has_every_complaint() -> None:
    assert sorted(rows("lists.md")) == sorted([*LIST_KEYS, *Flaw])


def test_defaults_in_the_docs_are_those_of_the_program() -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    for each in fields(Sending):
        default = list(each.default) if isinstance(each.default, tuple) else each.default
        assert re.search(rf"(?m)^\| `sending\.{each.name}` \| no: `?{re.escape(str(default))}`? \|", text), each.name


def test_every_command_is_explained() -> None:
    from mailer.cli import main

    assert isinstance(main, click.Group)
    text = "\n".join(file.read_text(encoding="utf-8") for file in [PROJECT / "README.md", *DOCS.rglob("*.md")])
    missing = [command for command in commands(main, "mailer") if not re.search(rf"{command}\b", text)]
    assert not missing, f"say in docs/ what these do: {', '.join(missing)}"


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
