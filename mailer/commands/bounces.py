"""`mailer bounces`: reports are read from files and pipes, and fetched from where they come back to."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from mailer.actions import fetch_reports
from mailer.actions.read_bounces import ReadReport
from mailer.actions.read_files import read_files, read_pipe
from mailer.commands.desk import Desk
from mailer.commands.shell import draw_handle
from mailer.core.bounce.fate import Fate
from mailer.core.errors import MailerError

PIPE = Path("-")


class NothingToPoll(MailerError, ValueError):
    """No place that reports come back to is configured."""


def read(desk: Desk, *, paths: Sequence[Path]) -> None:
    """Read reports from files, folders of files, Maildirs and mboxes, or one message from a pipe."""
    files = [path for path in paths if path != PIPE]
    count = matched = 0
    if PIPE in paths:
        count, matched = _show(desk, read_pipe(desk.house, sys.stdin.buffer, desk.now, draw_handle))
    more, of_these = _show(desk, read_files(desk.house, files, desk.now, draw_handle))
    desk.say(f"{count + more} reports read, {matched + of_these} about letters of ours.")


def poll(desk: Desk) -> int:
    """Look once into every place of config.toml; status 1 if one could not be read to its end."""
    if not fetch_reports.places(desk.config):
        raise NothingToPoll(
            "No place is configured that reports come back to: set bounces.maildir or bounces.imap_host, or name files"
            " with `mailer bounces read`."
        )
    looks = list(_told(desk, fetch_reports.poll(desk.house, desk.now, draw_handle, by_hand=True)))
    if not looks:
        desk.say("Another process is looking right now.")
    return 1 if any(look.trouble for look in looks) else 0


def _told(desk: Desk, looks: Iterable[fetch_reports.Look]) -> Iterable[fetch_reports.Look]:
    for look in looks:
        count, matched = _show(desk, look.reports)
        desk.say(f"{look.place}: {count} reports read, {matched} about letters of ours.")
        if look.trouble:
            desk.warn(look.trouble)
        desk.answer(
            {"place": look.place, "read": count, "matched": matched, "trouble": look.trouble, "more": look.more}
        )
        yield look


def _show(desk: Desk, reports: Iterable[ReadReport]) -> tuple[int, int]:
    """How many there were, and how many of them about letters of ours."""
    count = matched = 0
    for report in reports:
        count += 1
        matched += report.matched is not None
        left = "not for us: left alone" if report.fate is Fate.NOT_OURS else "no letter of ours: kept for a person"
        about = f"copy {report.matched}" if report.matched else left
        done = "read before" if report.repeated else report.verdict
        desk.say(f"{report.file}: {report.kind}, {about}{f', {done}' if done else ''}")
        desk.answer(report.to_json())
    return count, matched
