"""lists/ and templates/email/, read once into read-only values.

A process works with what it read at its start: what changes in a file later waits for the next start.
The tests of what stands in the files are in core; here is only where they lie.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mailer.core.adoption import complain_together, digest
from mailer.core.complaint import Complaint, Flaw, ListFileError
from mailer.core.kind import nearest
from mailer.core.listfile import REGIONS_FILE, ListFile, Stream, parse_list, parse_regions, streams_of
from mailer.core.region import Regions

#: The lists, templates and pages that come with the project.
PROJECT = Path(__file__).resolve().parent.parent
_LISTS = Path("lists")
_TEMPLATES = Path("templates") / "email"


class LibraryError(ListFileError):
    """Lists or templates cannot be used as they are; `complaints` are all that is wrong with them."""


@dataclass(frozen=True, slots=True)
class Library:
    """What the files say.

    `lists` by slug, with the organisation's name filled in; `streams` by number; `templates` by path below
    templates/email, such as "newsletter/body.mjml"; `digest` is compared with the one the database adopted.
    """

    lists: Mapping[str, ListFile]
    regions: Regions
    streams: Mapping[int, Stream]
    templates: Mapping[str, str]
    digest: str


def root(folder: Path) -> Path:
    """Where lists are read from: the folder of config.toml if it has its own, else the project's."""
    return folder if (folder / _LISTS).is_dir() else PROJECT


def load(root: Path, organisation_name: str) -> Library:
    """Read everything below a root; templates come from the project if the root has none of its own."""
    complaints: list[Complaint] = []
    regions = _regions(root, complaints)
    lists = {slug: each.filled(organisation_name) for slug, each in _lists(root, complaints)}
    templates = _templates(root if (root / _TEMPLATES).is_dir() else PROJECT, complaints)
    complaints += complain_together(lists.values())
    complaints += _without_template(lists, templates)
    if complaints or regions is None:
        raise LibraryError(complaints)
    return Library(
        lists=MappingProxyType(lists),
        regions=regions,
        streams=MappingProxyType(
            {stream.number: stream for each in lists.values() for stream in streams_of(each, regions)}
        ),
        templates=MappingProxyType(templates),
        digest=digest(lists.values(), regions),
    )


def _regions(root: Path, complaints: list[Complaint]) -> Regions | None:
    text = _text(root / REGIONS_FILE, REGIONS_FILE, complaints)
    try:
        return None if text is None else parse_regions(text)
    except ListFileError as error:
        complaints += error.complaints
        return None


def _lists(root: Path, complaints: list[Complaint]) -> Iterator[tuple[str, ListFile]]:
    files = [file for file in sorted((root / _LISTS).glob("*.toml")) if file.name != Path(REGIONS_FILE).name]
    if not files:
        message = "there is no list"
        complaints.append(Complaint(Flaw.UNREADABLE, "lists/", "", message, "a list is a file lists/<slug>.toml"))
    for file in files:
        text = _text(file, f"lists/{file.name}", complaints)
        try:
            if text is not None:
                yield file.stem, parse_list(file.stem, text)
        except ListFileError as error:
            complaints += error.complaints


def _templates(root: Path, complaints: list[Complaint]) -> dict[str, str]:
    """All texts below templates/email; hidden files and an editor's backups are none."""
    folder = root / _TEMPLATES
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    named = {file.relative_to(folder).as_posix(): file for file in files if _is_ours(file.relative_to(folder))}
    texts = {path: _text(file, f"templates/email/{path}", complaints) for path, file in named.items()}
    return {path: text for path, text in texts.items() if text is not None}


def _is_ours(path: Path) -> bool:
    return not any(part.startswith(".") or part.endswith("~") for part in path.parts)


def _without_template(lists: Mapping[str, ListFile], templates: Mapping[str, str]) -> Iterator[Complaint]:
    known = sorted({path.partition("/")[0] for path in templates if path.endswith("/body.mjml")})
    for slug, each in lists.items():
        if each.template not in known:
            message = f"there is no template templates/email/{each.template}/body.mjml"
            hint = nearest(each.template, known) if known else ""
            yield Complaint(Flaw.NO_TEMPLATE, f"lists/{slug}.toml", "template", message, hint)


def _text(file: Path, name: str, complaints: list[Complaint]) -> str | None:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        complaints.append(Complaint(Flaw.UNREADABLE, name, "", f"cannot be read: {error.strerror}"))
    except ValueError:
        complaints.append(Complaint(Flaw.UNREADABLE, name, "", "is not UTF-8 text", "save it as UTF-8"))
    return None
