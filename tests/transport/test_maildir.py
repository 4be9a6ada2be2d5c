"""A Maildir is read so that nothing in it is lost, and nothing but messages is read."""

import os
from pathlib import Path

import pytest

from mailer.core.bounce.fate import Fate
from mailer.transport.maildir import READ_LIMIT, GoneError, NotAMaildirError, waiting


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for folder in ("tmp", "new", "cur"):
        (tmp_path / folder).mkdir()
    return tmp_path


def _names(maildir: Path) -> list[str]:
    return [message.name for message in waiting(maildir)]


def _contents(maildir: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in maildir.rglob("*") if path.is_file() and path.stat().st_size)


def test_what_is_new_or_unseen_waits_in_order_of_arrival(maildir: Path) -> None:
    for name in ("new/1003.b.host", "new/1001.a.host", "cur/1002.c.host:2,", "cur/1000.d.host:2,F"):
        (maildir / name).write_bytes(b"x")
    for name in ("cur/0999.e.host:2,S", "cur/0998.f.host:2,FS", "new/.hidden", "tmp/1004.g.host"):
        (maildir / name).write_bytes(b"x")
    assert _names(maildir) == ["1001.a.host", "1003.b.host", "1000.d.host", "1002.c.host"]


def test_no_more_than_the_limit_is_read(maildir: Path) -> None:
    (maildir / "new/1").write_bytes(b"x" * (READ_LIMIT + 10))
    (message,) = waiting(maildir)
    assert len(message.read()) == READ_LIMIT
    assert message.read(limit=3) == b"xxx"


def test_what_was_understood_is_moved_to_cur_as_seen(maildir: Path) -> None:
    (maildir / "new/1.a.host").write_bytes(b"letter")
    (message,) = waiting(maildir)
    assert message.done(Fate.UNDERSTOOD) == maildir / "cur/1.a.host:2,S"
    assert (maildir / "cur/1.a.host:2,S").read_bytes() == b"letter"
    assert _names(maildir) == []


def test_what_was_not_understood_is_kept_unseen_in_a_folder_that_mail_programs_show(maildir: Path) -> None:
    (maildir / "cur/1.a.host:2,F").write_bytes(b"letter")
    (message,) = waiting(maildir)
    assert message.done(Fate.KEPT) == maildir / ".kept/cur/1.a.host:2,F"
    assert (maildir / ".kept/maildirfolder").exists()
    assert (maildir / ".kept/new").is_dir()
    assert _names(maildir) == []


def test_somebodys_own_letter_stays_as_it_is(maildir: Path) -> None:
    (maildir / "new/1.a.host").write_bytes(b"Dear Anne")
    (message,) = waiting(maildir)
    assert message.done(Fate.NOT_OURS) == maildir / "new/1.a.host"
    assert _names(maildir) == ["1.a.host"]


@pytest.mark.parametrize("fate", [Fate.UNDERSTOOD, Fate.KEPT])
def test_a_message_never_overwrites_another(maildir: Path, fate: Fate) -> None:
    for text in (b"first", b"second", b"third"):
        (maildir / "new/1.same.host").write_bytes(text)
        (message,) = waiting(maildir)
        message.done(fate)
    assert _contents(maildir) == [b"first", b"second", b"third"]
    assert _names(maildir) == []


def test_a_move_that_was_cut_short_is_finished(maildir: Path) -> None:
    (maildir / "new/1.a.host").write_bytes(b"letter")
    (maildir / "cur/1.a.host:2,S").hardlink_to(maildir / "new/1.a.host")
    (message,) = waiting(maildir)
    message.done(Fate.UNDERSTOOD)
    assert _contents(maildir) == [b"letter"]


def test_links_pipes_and_folders_are_not_messages(maildir: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (maildir / "new/1.link").symlink_to(tmp_path / "secret")
    (maildir / "new/3.folder").mkdir()
    os.mkfifo(maildir / "new/2.pipe")
    assert _names(maildir) == []


def test_a_message_that_becomes_a_link_is_not_followed(maildir: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (maildir / "new/1").write_bytes(b"x")
    (message,) = waiting(maildir)
    message.path.unlink()
    message.path.symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        message.read()


def test_a_message_that_another_program_took_says_so(maildir: Path) -> None:
    (maildir / "new/1").write_bytes(b"x")
    (message,) = waiting(maildir)
    message.path.unlink()
    with pytest.raises(GoneError, match="another program"):
        message.read()
    with pytest.raises(GoneError, match="another program"):
        message.done(Fate.UNDERSTOOD)


def test_a_folder_that_is_no_maildir_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAMaildirError, match="not a Maildir"):
        list(waiting(tmp_path))
