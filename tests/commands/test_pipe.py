"""A mail server hands over one message, and hears 0 or "try again later": it must never bounce a bounce."""

import json
import os
import subprocess
from pathlib import Path

from tests.commands.site import COMMAND, Site

SPECIMENS = Path(__file__).parent.parent / "core" / "bounce" / "specimens"
REPORT = SPECIMENS / "rfc3464_01.eml"


def piped(site: Site, content: bytes, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [*COMMAND, "bounces", "read", "-", *arguments],
        cwd=site.folder,
        env={**site.environ, **environ},
        input=content,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_a_report_is_taken_once_and_logged(site: Site) -> None:
    for _ in range(2):
        ended = piped(site, REPORT.read_bytes(), "--json")
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout)["file"] == "a pipe"
    logged = site.done("bounces", "log", "--json").splitlines()
    assert [json.loads(line)["source"] for line in logged] == ["pipe"]


def test_more_than_is_read_is_taken_off_the_pipe(site: Site) -> None:
    assert piped(site, REPORT.read_bytes() + b"x" * 5_000_000).returncode == 0


def test_ordinary_mail_and_nothing_at_all_are_taken_too(site: Site) -> None:
    assert piped(site, b"From: bea@example.net\nSubject: Tea?\n\nShall we?\n").returncode == 0
    assert piped(site, b"").returncode == 0


def test_whatever_goes_wrong_the_mail_server_is_told_to_try_again_later(site: Site) -> None:
    text = (site.folder / "config.toml").read_text()
    (site.folder / "config.toml").write_text(text.replace("[smtp]", "[smpt]"))
    ended = piped(site, REPORT.read_bytes())
    assert (ended.returncode, b"did you mean" in ended.stderr) == (os.EX_TEMPFAIL, True)


def test_while_the_database_is_away_the_mail_server_keeps_the_report(site: Site) -> None:
    ended = piped(site, REPORT.read_bytes(), MAILER_DATABASE__URL="postgresql://mailer@127.0.0.1:1/nowhere")
    assert (ended.returncode, b"database cannot be used" in ended.stderr) == (os.EX_TEMPFAIL, True)


def test_a_file_that_cannot_be_read_is_an_ordinary_refusal(site: Site) -> None:
    ended = site.call("bounces", "read", "nothing.eml")
    assert ended.returncode == 2


def test_an_mbox_is_read_message_by_message(site: Site) -> None:
    line = b"From MAILER-DAEMON Fri Nov 20 10:00:00 2026\n"
    (site.folder / "returned.mbox").write_bytes(
        line + REPORT.read_bytes() + b"\n\n" + line + b"Subject: another\n" + REPORT.read_bytes() + b"\n"
    )
    said = site.done("bounces", "read", "returned.mbox")
    assert "returned.mbox, message 2: " in said
    assert "2 reports read, 0 about letters of ours." in said
