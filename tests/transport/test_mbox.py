"""An mbox is read message by message, and nothing in it changes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.bounce.fate import Fate
from mailer.transport.maildir import READ_LIMIT
from mailer.transport.mbox import is_mbox, waiting

BEGIN = b"From MAILER-DAEMON Fri Nov 20 10:00:00 2026\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bounces.mbox"


def messages(file: Path, content: bytes) -> list[bytes]:
    file.write_bytes(content)
    return [message.read() for message in waiting(file)]


def test_messages_come_in_their_order_without_the_lines_between_them(file: Path) -> None:
    content = BEGIN + b"Subject: one\n\n1\n\n" + BEGIN.replace(b" 2026", b" +0100 2026") + b"Subject: two\n\n2\n"
    assert messages(file, content) == [b"Subject: one\n\n1\n\n", b"Subject: two\n\n2\n"]
    assert [message.name for message in waiting(file)] == [f"{file}, message 1", f"{file}, message 2"]


def test_reading_changes_nothing(file: Path) -> None:
    content = BEGIN + b"Subject: one\n\n1\n"
    file.write_bytes(content)
    file.chmod(0o400)
    before = file.stat().st_mtime_ns
    for message in waiting(file):
        message.done(Fate.UNDERSTOOD)
    assert (file.read_bytes(), file.stat().st_mtime_ns) == (content, before)
    assert list(file.parent.iterdir()) == [file], "no lock is left behind"


@pytest.mark.parametrize("line", [b"From here on all is well.\n", b">From x Fri Nov 20 10:00:00 2026\n", b"From \n"])
def test_a_sentence_is_not_the_beginning_of_a_message(file: Path, line: bytes) -> None:
    content = BEGIN + b"Subject: one\n\nHello\n\n" + line
    assert len(messages(file, content)) == 1


def test_a_beginning_in_the_middle_of_a_paragraph_is_none(file: Path) -> None:
    assert len(messages(file, BEGIN + b"Subject: one\n\nHello\n" + BEGIN + b"still the same\n")) == 1


def test_no_more_than_the_limit_of_each_is_kept(file: Path) -> None:
    found = messages(file, BEGIN + b"x" * (READ_LIMIT + 200_000) + b"\n\n" + BEGIN + b"Subject: two\n")
    assert [len(found[0]), found[1]] == [READ_LIMIT, b"Subject: two\n"]


def test_windows_line_ends_are_understood(file: Path) -> None:
    content = (BEGIN + b"Subject: one\n\n\n" + BEGIN + b"Subject: two\n").replace(b"\n", b"\r\n")
    assert len(messages(file, content)) == 2


def test_what_is_no_mbox_is_told_from_one(file: Path) -> None:
    file.write_bytes(BEGIN + b"Subject: one\n")
    assert is_mbox(file)
    for other in (b"", b"Received: from x\n", b"From: anne@example.org\n", b"Return-Path: <>\n" + BEGIN):
        file.write_bytes(other)
        assert not is_mbox(file)
        assert list(waiting(file)) == []


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_as_many_messages_come_out_as_went_in(tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes]) -> None:
    file = tmp_path_factory.mktemp("mbox") / "m"
    bodies = [body.replace(b"From ", b">From ") for body in bodies]
    content = b"".join(BEGIN + b"Subject: x\n\n" + body + b"\n\n" for body in bodies)
    assert messages(file, content) == [b"Subject: x\n\n" + body + b"\n\n" for body in bodies]
