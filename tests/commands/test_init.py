"""A new site: complete, never overwritten, its keys private and on paper."""

import stat
from pathlib import Path

from mailer import config, keys
from mailer.house import open_house
from tests.commands.site import Site


def files(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_new_site_is_complete_without_a_database(tmp_path: Path) -> None:
    told = Site(tmp_path).told("init", "site")
    folder = tmp_path / "site"
    made = files(folder)
    assert told["site"] == str(folder)
    assert len(told["made"]) == len(made)
    assert told["kept"] == []
    assert {"config.toml", "lists/regions.toml", "templates/email/newsletter/body.mjml", "var/keys/token-0.key"} <= set(
        made
    )
    assert not list(folder.rglob("*.sqlite3"))
    house = open_house(config.load(folder / "config.toml", {}))
    assert house.library.lists
    assert stat.S_IMODE((folder / "var").stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "var/keys/token-0.key").stat().st_mode) == 0o600


def test_init_says_that_the_keys_must_be_kept(tmp_path: Path) -> None:
    said = Site(tmp_path).done("init")
    assert "mailer keys export" in said
    assert "mailer keys export" not in Site(tmp_path).done("init"), "nothing new to keep"


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.done("init")
    (tmp_path / "config.toml").write_text((tmp_path / "config.toml").read_text() + "# ours\n")
    (tmp_path / "lists/local-notices.toml").unlink()
    before = files(tmp_path)
    told = site.told("init")
    after = files(tmp_path)
    assert {name: after[name] for name in before} == before
    assert [Path(name).name for name in told["made"]] == ["local-notices.toml"]


def test_a_lost_key_is_not_replaced(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.done("init")
    (tmp_path / "var/keys/suppression.key").unlink()
    ended = site.call("init")
    assert ended.returncode == 1
    assert "suppression.key" in ended.stderr
    assert not (tmp_path / "var/keys/suppression.key").exists()


def test_the_sheet_brings_a_key_back(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.done("init")
    folder = tmp_path / "var/keys"
    before = keys.load(folder)
    sheet = site.done("keys", "export")
    assert site.told("keys", "export")["sheet"].strip() == sheet.strip()
    typed = sheet.split("suppression.key   (")[1].split("\n\n")[1]
    (folder / "suppression.key").write_text(typed)
    assert keys.load(folder).suppression == before.suppression
