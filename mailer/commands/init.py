"""`mailer init`: a new site in a folder. What is there already is never overwritten."""

import secrets
from pathlib import Path

from mailer import config, keys, library
from mailer.commands.shell import Shell

_COPIED = ("lists", "templates/email")


def init(shell: Shell, *, folder: Path) -> None:
    """Make what is missing: configuration, lists, templates, keys."""
    made: list[Path] = []
    kept: list[Path] = []
    for source, target in _wanted(folder):
        (made if _copy(source, target) else kept).append(target)
    place = config.load(folder / "config.toml").data
    if not place.dir.exists():
        place.dir.mkdir(mode=0o700, parents=True)
    made_keys = keys.create(place.keys, secrets.token_bytes)
    _tell(shell, folder, made, kept, made_keys)
    shell.answer(
        {
            "site": str(folder.absolute()),
            "made": [str(path) for path in (*made, *made_keys)],
            "kept": [str(path) for path in kept],
        }
    )


def _wanted(folder: Path) -> list[tuple[Path, Path]]:
    """Every file of a new site, with where it is copied from."""
    files = [library.PROJECT / "config.toml"]
    for name in _COPIED:
        files += sorted(file for file in (library.PROJECT / name).rglob("*") if file.is_file())
    return [(file, folder / file.relative_to(library.PROJECT)) for file in files]


def _copy(source: Path, target: Path) -> bool:
    """Copy a file unless there is one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("xb") as file:
            file.write(source.read_bytes())
    except FileExistsError:
        return False
    return True


def _tell(shell: Shell, folder: Path, made: list[Path], kept: list[Path], made_keys: tuple[Path, ...]) -> None:
    for name in ("config.toml", *_COPIED):
        count = sum(path.is_relative_to(folder / name) for path in made)
        left = sum(path.is_relative_to(folder / name) for path in kept)
        done = "made" if not left else "left as it is" if not count else f"{count} files added, {left} left as they are"
        shell.say(f"{folder / name}: {done}")
    shell.say(f"keys: {'made' if made_keys else 'left as they are'}")
    if made_keys:
        shell.say(
            "\nThe keys are in no backup of the database, and nobody can make them again. Before anything is sent:"
        )
        shell.say("  mailer keys export    print the sheet, and keep it under lock in another place")
    shell.say("\nNext: edit config.toml, then `mailer check`, `mailer migrate`, `mailer office grant`.")
