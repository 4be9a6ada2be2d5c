"""`mailer bounces`: reports are read from files, from Maildirs or from the configured one, and looked up."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from mailer.actions import read_bounces
from mailer.actions.list_bounces import bounce_log
from mailer.actions.read_bounces import FileSource, ReadReport, Source
from mailer.commands.desk import Desk
from mailer.commands.shell import draw_handle
from mailer.core.errors import MailerError
from mailer.transport.maildir import waiting


class NothingToPoll(MailerError, ValueError):
    """No Maildir is configured."""


def read(desk: Desk, *, paths: Sequence[Path]) -> None:
    """Read reports from files, folders of files, and Maildirs."""
    _show(desk, read_bounces.read_reports(desk.house, _sources(paths), desk.now, draw_handle))


def poll(desk: Desk) -> None:
    """Read what waits in the Maildir of config.toml."""
    if desk.config.bounces.maildir is None:
        raise NothingToPoll("No Maildir is configured: set bounces.maildir, or name files with `mailer bounces read`.")
    _show(desk, read_bounces.poll(desk.house, desk.now, draw_handle))


def _sources(paths: Sequence[Path]) -> Iterator[Source]:
    for path in paths:
        if path.is_file():
            yield FileSource(path)
        elif (path / "new").is_dir() and (path / "cur").is_dir():
            yield from waiting(path)
        else:
            yield from map(FileSource, sorted(file for file in path.iterdir() if file.is_file()))


def _show(desk: Desk, reports: Iterable[ReadReport]) -> None:
    count = matched = 0
    for report in reports:
        count += 1
        matched += report.matched is not None
        about = f"copy {report.matched}" if report.matched else "no letter of ours: kept for a person"
        done = "read before" if report.repeated else report.verdict
        desk.say(f"{report.file}: {report.kind}, {about}{f', {done}' if done else ''}")
        desk.answer(report.to_json())
    desk.say(f"{count} reports read, {matched} about letters of ours.")


def log(desk: Desk, *, issue: int | None) -> None:
    """What came back, newest first."""
    found = bounce_log(desk.actor, issue)
    desk.table(
        "",
        ("when", "kind", "reason", "status", "source", "#issue", "#copy", "verdict", "said"),
        [
            (
                f"{each.received_at:%Y-%m-%d %H:%M}",
                each.kind,
                each.reason,
                each.status or each.reply_code or "",
                each.source,
                each.issue or "",
                each.matched or "",
                each.verdict,
                each.diagnostic,
            )
            for each in found
        ],
    )
    desk.say(f"{len(found)} reports and refusals.")
    for each in found:
        desk.answer(asdict(each))
