"""The key files: made once, kept private, printed and typed in again."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from mailer import keys
from mailer.core.errors import MailerError
from mailer.core.token import Keyring
from mailer.keys import KeysError


def counting() -> Callable[[int], bytes]:
    """Randomness one can foresee: every key differs."""
    numbers = itertools.count(1)
    return lambda size: bytes([next(numbers)] * (size - 1) + [171])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "var" / "keys"
    keys.create(folder, counting())
    return folder


def put(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text)
    file.chmod(0o600)
    return file


def refusal(folder: Path) -> str:
    with pytest.raises(KeysError) as refused:
        keys.load(folder)
    assert isinstance(refused.value, MailerError)
    return str(refused.value)


def test_a_new_site_gets_four_private_keys_in_a_private_folder(folder: Path) -> None:
    files = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}
    assert files == dict.fromkeys(["token-0.key", "suppression.key", "evidence.key", "django.key"], 0o600)
    assert folder.stat().st_mode & 0o777 == 0o700
    loaded = keys.load(folder)
    assert set(loaded.token) == {0}
    assert Keyring(loaded.token).key_ids == (0,)
    assert len({loaded.token[0], loaded.suppression, loaded.evidence, bytes.fromhex(loaded.django)}) == 4
    assert {len(loaded.token[0]), len(loaded.suppression), len(loaded.evidence)} == {32}


def test_keys_that_are_there_are_never_made_again(folder: Path) -> None:
    before = {file: file.read_bytes() for file in folder.iterdir()}
    assert keys.create(folder, counting()) == ()
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


@pytest.mark.parametrize("lost", ["suppression.key", "evidence.key", "token-0.key"])
def test_a_folder_that_lost_a_lasting_key_is_not_filled_up(folder: Path, lost: str) -> None:
    (folder / lost).unlink()
    with pytest.raises(KeysError, match=f"has lost {lost}.*printed sheet"):
        keys.create(folder, counting())
    assert not (folder / lost).exists()


def test_the_key_that_lasts_minutes_is_simply_made_again(folder: Path) -> None:
    (folder / "django.key").unlink()
    assert keys.create(folder, lambda size: b"n" * size) == (folder / "django.key",)
    assert keys.load(folder).django == (b"n" * 32).hex()


def test_a_file_that_appears_in_between_is_left_alone(tmp_path: Path) -> None:
    def slow(size: int) -> bytes:
        put(tmp_path, "token-0.key", "somebody was quicker")
        return b"k" * size

    with pytest.raises(FileExistsError):
        keys.create(tmp_path, slow)
    assert (tmp_path / "token-0.key").read_text() == "somebody was quicker"


def test_old_token_keys_stay_and_the_first_may_go(folder: Path) -> None:
    put(folder, "token-10.key", "ab" * 32)
    put(folder, "token-2.key", "cd" * 32)
    assert Keyring(keys.load(folder).token).key_ids == (0, 2, 10)
    (folder / "token-0.key").unlink()
    assert keys.create(folder, counting()) == ()
    assert set(keys.load(folder).token) == {2, 10}


@pytest.mark.parametrize("name", ["token-16.key", "token-01.key", "token-x.key"])
def test_a_token_key_that_could_never_be_named_in_a_token_is_refused(folder: Path, name: str) -> None:
    put(folder, name, "ab" * 32)
    assert f"{name}: token keys are called token-0.key to token-15.key" in refusal(folder)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_use_is_refused_with_the_command_that_mends_it(folder: Path, mode: int) -> None:
    (folder / "evidence.key").chmod(mode)
    assert refusal(folder) == (
        f"{folder}/evidence.key can be used by other users of this computer: chmod 600 {folder}/evidence.key"
    )


def test_a_folder_that_others_can_use_is_refused(folder: Path) -> None:
    folder.chmod(0o755)
    assert refusal(folder).endswith(f"chmod 700 {folder}")


def test_everything_wrong_is_said_at_once_and_no_key_is_shown(folder: Path) -> None:
    put(folder, "evidence.key", "c0ffee")
    put(folder, "suppression.key", "\u00e9")
    (folder / "django.key").unlink()
    (folder / "token-0.key").chmod(0o644)
    said = refusal(folder)
    assert len(said.splitlines()) == 4
    for part in (
        "evidence.key holds no key",
        "suppression.key cannot be read",
        "django.key is missing",
        "chmod 600",
    ):
        assert part in said
    assert "c0ffee" not in said


def test_a_site_without_keys_is_told_what_to_do(tmp_path: Path) -> None:
    said = refusal(tmp_path / "none")
    assert [line.rpartition("/")[2].split()[0] for line in said.splitlines() if "is missing" in line] == [
        "token-0.key",
        "suppression.key",
        "evidence.key",
        "django.key",
    ]
    assert "`mailer init`" in said


def test_fingerprints_tell_keys_apart_and_leave_out_the_one_that_may_change(folder: Path) -> None:
    before = keys.fingerprints(keys.load(folder))
    assert set(before) == {"token-0", "suppression", "evidence"}
    assert len(set(before.values())) == 3
    put(folder, "django.key", "ab" * 32)
    assert keys.fingerprints(keys.load(folder)) == before
    put(folder, "evidence.key", "ab" * 32)
    after = keys.fingerprints(keys.load(folder))
    assert {name for name in after if after[name] != before[name]} == {"evidence"}


def test_no_key_is_shown_by_accident(folder: Path) -> None:
    assert repr(keys.load(folder)) == "Keys()"


def typed_from(sheet: str) -> dict[str, str]:
    """What a person copies: for every file its four lines."""
    blocks = sheet.split(".key   (")
    names = [block.split()[-1] for block in blocks[:-1]]
    return {
        f"{name}.key": "\n".join(line for line in block.splitlines() if " = " in line)
        for name, block in zip(names, blocks[1:], strict=True)
    }


def test_the_printed_sheet_brings_the_keys_back(folder: Path, tmp_path: Path) -> None:
    put(folder, "token-3.key", "0123456789abcdef" * 4)
    original = keys.load(folder)
    sheet = keys.sheet(original)
    assert max(len(line) for line in sheet.splitlines()) <= 110
    again = tmp_path / "again"
    again.mkdir(mode=0o700)
    for name, text in typed_from(sheet).items():
        put(again, name, text.upper().replace("    ", "\t"))
    keys.create(again, counting())
    restored = keys.load(again)
    assert (restored.token, restored.suppression) == (original.token, original.suppression)
    assert restored.evidence == original.evidence
    assert keys.fingerprints(restored) == keys.fingerprints(original)


def test_a_mistyped_or_misplaced_line_is_found(folder: Path) -> None:
    lines = typed_from(keys.sheet(keys.load(folder)))["evidence.key"].splitlines()
    wrong = lines[2].replace("0", "1", 1) if "0" in lines[2].partition("=")[0] else "0" + lines[2].strip()[1:]
    put(folder, "evidence.key", "\n".join([*lines[:2], wrong, lines[3]]))
    assert "evidence.key: line 3 is mistyped" in refusal(folder)
    put(folder, "evidence.key", "\n".join([lines[0], *lines[:0:-1]]))
    assert "line 2 is mistyped" in refusal(folder)
    put(folder, "evidence.key", "\n".join(lines[:3]))
    assert "holds no key" in refusal(folder)
