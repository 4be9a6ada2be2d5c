"""What we stand on: locked by hash, no address of any registry, licences that fit ours (stack.md 4.8)."""

import itertools
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent.parent
LOCKS = ("run.lock", "dev.lock")
MOST_ENTRIES = 14

#: The only lines a lock may have: a pinned name, a hash, and a comment that says who asked for it. No line
#: can hold a URL, the name of a host or an option of pip.
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_PIN = re.compile(
    rf"(?P<name>{_NAME})==(?P<version>[0-9][0-9A-Za-z.!+]*)( ; (?P<marker>[a-z_.<>=!'\" 0-9A-Z()-]+))? \\"
)
_HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
_COMMENT = re.compile(rf"    #( via)?( {{1,3}}(?P<asker>{_NAME})( \(pyproject\.toml(:[a-z]+)?\))?)?")

FITTING = re.compile(
    r"(MIT|MIT-0|MIT License|0BSD|BSD|BSD-[23]-Clause|BSD License|Apache-2\.0|ISC|PSF-2\.0|Python|Unlicense"
    r"|ZPL 2\.1|MPL-2\.0)( OR .*)?"
)
#: Used unmodified and replaceable, as the LGPL asks.
LESSER_GPL = frozenset({"psycopg", "psycopg-binary", "cssutils", "encutils"})


def pins(lock: str) -> dict[str, str]:
    """Name -> marker of every package in a lock."""
    found = (_PIN.fullmatch(line) for line in (PROJECT / "requirements" / lock).read_text().splitlines())
    return {pin["name"]: pin["marker"] or "" for pin in found if pin}


def strange_lines(text: str) -> list[str]:
    """Lines that a lock may not have; only packages of the lock, and we, can have asked for one."""
    lines = [line for line in text.splitlines() if line]
    known = {pin["name"] for pin in map(_PIN.fullmatch, lines) if pin} | {"mailer", None}
    return [line for line in lines if not _is_known(line, known)]


def _is_known(line: str, known: set[str | None]) -> bool:
    comment = _COMMENT.fullmatch(line)
    return bool(_PIN.fullmatch(line) or _HASH.fullmatch(line) or (comment and comment["asker"] in known))


def names(requirements: list[str]) -> set[str]:
    found = (re.match(_NAME, requirement) for requirement in requirements)
    return {re.sub(r"[-_.]+", "-", match[0]).lower() for match in found if match}


def licence(package: str) -> str:
    """What the package says of itself, in the first place where it says something."""
    about = metadata.metadata(package)
    stated = [about.get("License-Expression"), about.get("License")]
    classified = [c.rpartition(" :: ")[2] for c in about.get_all("Classifier", []) if c.startswith("License")]
    return next(word.strip() for word in [*stated, *classified, "nothing"] if word and word.strip())


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_names_versions_and_hashes_and_nothing_else(lock: str) -> None:
    assert strange_lines((PROJECT / "requirements" / lock).read_text()) == []
    assert len(pins(lock)) > 30


@pytest.mark.parametrize(
    "line",
    [
        "--index-url mirror",
        "--extra-index-url https://registry.example.org/simple",
        "--trusted-host registry.example.org",
        "--find-links wheels",
        "django @ https://registry.example.org/django.whl \\",
        "django>=5.2 \\",
        "    # via registry.example.org",
        "    # from https://registry.example.org",
        "    # via -r /home/anne/requirements.in",
        "    --hash=md5:0123",
        "-e .",
    ],
)
def test_a_lock_with_an_address_or_an_option_is_red(line: str) -> None:
    assert strange_lines(line) == [line]


def test_every_package_in_a_lock_has_a_hash() -> None:
    for lock in LOCKS:
        lines = (PROJECT / "requirements" / lock).read_text().splitlines()
        for line, following in itertools.pairwise(lines):
            assert not _PIN.fullmatch(line) or _HASH.fullmatch(following), line


def test_every_dependency_of_the_project_is_locked() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    run = names(project["project"]["dependencies"])
    extra = names([each for group in project["project"]["optional-dependencies"].values() for each in group])
    dev = names(project["dependency-groups"]["dev"])
    assert (run | extra) - set(pins("run.lock")) == set()
    assert (run | extra | dev) - set(pins("dev.lock")) == set()


def test_what_runs_is_what_is_tested() -> None:
    assert set(pins("run.lock")) <= set(pins("dev.lock"))


@pytest.mark.parametrize("package", sorted(pins("run.lock")))
def test_the_licence_of_each_package_fits_ours(package: str) -> None:
    try:
        said = licence(package)
    except metadata.PackageNotFoundError:
        assert pins("run.lock")[package], f"{package} is locked for every machine but not installed: make setup"
        return
    if package in LESSER_GPL:
        assert said.startswith("LGPL-3.0"), f"{package} is now under {said}: take it off the list"
    else:
        assert FITTING.fullmatch(said), f"{package} is under {said}: does that fit MIT?"


@pytest.mark.parametrize("said", ["GPL-3.0-or-later", "AGPL-3.0-only", "LGPL-3.0-only", "nothing", "Proprietary"])
def test_a_licence_that_does_not_fit_is_red(said: str) -> None:
    assert not FITTING.fullmatch(said)


def top_level() -> set[str]:
    """What a visitor sees first: tracked files, or without git all that .gitignore does not name."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        ignored = [*(PROJECT / ".gitignore").read_text().split(), ".git"]
        return {each.name for each in PROJECT.iterdir() if not any(each.match(name.rstrip("/")) for name in ignored)}
    return {path.partition("/")[0] for path in listed.split("\0") if path}


def test_a_visitor_sees_at_most_fourteen_entries() -> None:
    seen = top_level()
    assert len(seen) <= MOST_ENTRIES, sorted(seen)
