"""The folder of lists and templates: read once, read only, with all that is wrong said at once."""

import shutil
from pathlib import Path

import pytest

from mailer import library
from mailer.core.complaint import Flaw
from mailer.core.errors import MailerError
from mailer.library import PROJECT, Library, LibraryError

REAL_LISTS = sorted(file.stem for file in (PROJECT / "lists").glob("*.toml") if file.stem != "regions")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site with the project's own lists and one small template."""
    shutil.copytree(PROJECT / "lists", tmp_path / "lists")
    for path, text in {
        "newsletter/body.mjml": "<mjml/>",
        "_base/letter.mjml": "{{ title }}",
        "newsletter/.body.mjml.swp": "",
        "newsletter/body.mjml~": "",
    }.items():
        file = tmp_path / "templates" / "email" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def complaints(site: Path) -> list[tuple[Flaw, str, str]]:
    with pytest.raises(LibraryError) as refusal:
        library.load(site, "The Friends")
    assert isinstance(refusal.value, MailerError)
    return [(each.id, each.file, each.key) for each in refusal.value.complaints]


def change(site: Path, slug: str, old: str, new: str) -> None:
    file = site / "lists" / f"{slug}.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.fixture
def read(site: Path) -> Library:
    return library.load(site, "The Friends of Example Street")


def test_the_projects_lists_are_those_of_the_foundation(read: Library) -> None:
    assert list(read.lists) == ["chairs-newsletter", "local-notices"]
    assert [(each.id, each.regional) for each in read.lists.values()] == [(1, False), (2, True)]
    assert list(read.streams) == [10_000, *range(20_001, 20_010)]
    assert read.streams[20_003].title == "Local notices: Norfolk"
    east = read.regions.subtree("east-of-england")
    assert read.regions.names(east) == ("East of England", "Norfolk", "Suffolk", "Essex", "Cambridgeshire")


@pytest.mark.parametrize("slug", REAL_LISTS)
def test_the_words_of_each_list_name_the_organisation_and_nobody_else(read: Library, slug: str) -> None:
    wording = read.lists[slug].wording
    assert "The Friends of Example Street" in wording.text
    assert wording.controller == "The Friends of Example Street"
    assert "{" not in wording.text + read.lists[slug].reason
    assert wording.condition == "9(2)(a)"
    # Article 7(3) and 7(4): they can stop, and membership does not hang on it.
    assert "stop at any time" in wording.text
    assert "membership does not depend" in wording.text


@pytest.mark.parametrize("slug", REAL_LISTS)
def test_the_template_of_each_list_is_there(slug: str) -> None:
    template = library.load(PROJECT, "The Friends").lists[slug].template
    assert (PROJECT / "templates" / "email" / template / "body.mjml").is_file()


def test_templates_are_texts_by_their_path_without_backups(read: Library) -> None:
    assert dict(read.templates) == {"newsletter/body.mjml": "<mjml/>", "_base/letter.mjml": "{{ title }}"}


def test_what_was_read_cannot_be_changed(read: Library) -> None:
    for mapping in (read.lists, read.streams, read.templates):
        with pytest.raises(TypeError):
            mapping["x"] = None  # type: ignore[index]


def test_the_digest_follows_the_words_that_people_see_and_not_the_comments(site: Path) -> None:
    before = library.load(site, "The Friends").digest
    assert library.load(site, "The Others").digest != before
    change(site, "local-notices", "# Short notices", "# Brief notices")
    assert library.load(site, "The Friends").digest == before
    change(site, "local-notices", "such as meetings", "for example meetings")
    assert library.load(site, "The Friends").digest != before


def test_everything_wrong_in_all_files_is_said_at_once(site: Path) -> None:
    change(site, "regions", 'parent = "east-of-england"', 'parent = "east"')
    change(site, "chairs-newsletter", 'template = "newsletter"', 'template = "newsleter"')
    change(site, "local-notices", "id = 2", "id = 1")
    shutil.copy(site / "lists" / "local-notices.toml", site / "lists" / "Local.toml")
    (site / "lists" / "bytes.toml").write_bytes(b"\xff")
    (site / "templates" / "email" / "logo.png").write_bytes(b"\x89PNG")
    found = complaints(site)
    assert found[:4] == [(Flaw.NO_TREE, "lists/regions.toml", f"region[{n}].parent") for n in (3, 4, 5, 6)]
    assert set(found[4:]) == {
        (Flaw.WRONG_VALUE, "lists/Local.toml", ""),
        (Flaw.UNREADABLE, "lists/bytes.toml", ""),
        (Flaw.UNREADABLE, "templates/email/logo.png", ""),
        (Flaw.USED_TWICE, "lists/local-notices.toml", "id"),
        (Flaw.NO_TEMPLATE, "lists/chairs-newsletter.toml", "template"),
    }


def test_an_empty_folder_is_said_to_be_empty(site: Path) -> None:
    for file in (site / "lists").iterdir():
        file.unlink()
    assert complaints(site) == [(Flaw.UNREADABLE, "lists/regions.toml", ""), (Flaw.UNREADABLE, "lists/", "")]


def test_a_site_without_lists_of_its_own_uses_the_projects(
    site: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert library.root(site) == site
    assert library.root(tmp_path_factory.mktemp("bare")) == PROJECT


def test_a_site_without_templates_of_its_own_uses_the_projects(site: Path) -> None:
    shutil.rmtree(site / "templates")
    assert library.load(site, "The Friends").templates == library.load(PROJECT, "The Friends").templates
