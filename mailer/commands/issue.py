"""`mailer issue`: write, look, schedule, steer, and see what became of everyone."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from mailer import reports
from mailer.access import Actor
from mailer.actions import schedule_mailing, steer_mailing
from mailer.actions.render_issue import render as render_issue
from mailer.actions.render_issue import send_test
from mailer.actions.use_relay import must_be_signed, relay_of, signers_of
from mailer.actions.write_issue import new_issue
from mailer.commands.desk import Desk
from mailer.commands.shell import draw_word
from mailer.core.audience import IN_WORDS, Reason
from mailer.core.delivery import CopyState, judge
from mailer.core.errors import MailerError
from mailer.house import House
from mailer.reports import MailingFigures
from mailer.transport.smtp import connect

_BAR = 30
#: Outcomes that are still to be decided.
_WAITING = ("queued", "claimed", "deferred", "held")


class FileRefused(MailerError, ValueError):
    """The file is not text."""


def new(desk: Desk, *, list_: str, file: Path, region: str | None) -> None:
    """Make an issue of a Markdown file."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefused(f"{file} is not UTF-8 text: save it as UTF-8.") from error
    made = new_issue(desk.actor, desk.house, list_, text, region=region, now=desk.now, draw_word=draw_word)
    for warning in made.warnings:
        desk.warn(f"Note: {warning}")
    desk.say(f"Issue {made.number}: {made.subject}")
    desk.say(f"Look at it with `mailer issue render {made.number} --out DIR`.")
    desk.answer({"issue": made.number, "subject": made.subject, "warnings": list(made.warnings)})


def render(desk: Desk, *, issue: int, out: Path, as_member: str | None) -> None:
    """Write the files that a member would get."""
    shown = render_issue(
        desk.actor,
        desk.house,
        issue,
        as_member=as_member,
        draw_word=draw_word,
        signers=signers_of(desk.config),
        clock=desk.clock,
    )
    out.mkdir(parents=True, exist_ok=True)
    files = {
        out / f"issue-{issue}.html": shown.html.encode(),
        out / f"issue-{issue}.txt": shown.text.encode(),
        out / f"issue-{issue}.eml": shown.message,
    }
    for file, octets in files.items():
        file.write_bytes(octets)
        desk.say(file)
    for warning in shown.warnings:
        desk.warn(f"Note: {warning}")
    names = [str(file) for file in files]
    desk.answer({"issue": issue, "to": shown.to, "files": names, "warnings": list(shown.warnings)})


def test(desk: Desk, *, issue: int, to: str) -> int:
    """Send one marked test."""
    relay, signers = relay_of(desk.config), signers_of(desk.config)
    must_be_signed(desk.config, relay, signers)
    answer = send_test(
        desk.actor,
        desk.house,
        issue,
        to,
        connect=lambda: connect(relay),
        draw_word=draw_word,
        signers=signers,
        clock=desk.clock,
    )
    state, said = judge(answer).state, str(answer.reply or answer.note)
    desk.answer({"issue": issue, "to": to, "state": state, "reply": said})
    if state is not CopyState.ACCEPTED:
        desk.warn(f"The relay did not take it: {said}")
        return 1
    desk.say(f"Sent to {to}; its link to leave is a dummy.")
    return 0


def schedule(desk: Desk, *, issue: int, at: str, not_after: str | None) -> None:
    """Say when it goes."""
    done = schedule_mailing.schedule(desk.actor, desk.house, issue, at, now=desk.now, not_after=not_after)
    desk.say(f"“{done.subject}” goes on {done.starts}, and nothing of it after {done.not_after}.")
    desk.say(f"As things are now it reaches {done.reaches} of {done.candidates} people it is meant for.")
    desk.say(f"Until it goes, `mailer issue cancel {issue}` takes it back.")
    desk.answer(
        {
            "issue": issue,
            "mailing": done.mailing,
            "subject": done.subject,
            "starts": done.starts,
            "not_after": done.not_after,
            "can_be_cancelled_until": done.can_be_cancelled_until,
            "reaches": done.reaches,
            "candidates": done.candidates,
        }
    )


def _steer(does: Callable[[Actor, House, int, datetime], object], words: str, desk: Desk, *, issue: int) -> None:
    done = does(desk.actor, desk.house, issue, desk.now)
    figures = reports.issue_report(desk.actor, desk.house, issue).mailings[-1]
    count = f"{done} copies: " if isinstance(done, int) else ""
    reason = f" ({figures.state_reason})" if figures.state_reason else ""
    desk.say(f"{count}{words} The mailing is {figures.state}{reason}.")
    copies = {"copies": done} if isinstance(done, int) else {}
    desk.answer({"issue": issue, "state": figures.state, "reason": figures.state_reason, **copies})


stop = partial(_steer, steer_mailing.stop, "No further letter leaves until `mailer issue resume`.")
resume = partial(_steer, steer_mailing.resume, "It goes on.")
cancel = partial(_steer, steer_mailing.cancel, "What has not been handed over never will be.")
again = partial(_steer, steer_mailing.send_again_to_uncertain, "They are sent again, and some may have two.")


def status(desk: Desk, *, issue: int) -> None:
    """How it stands, in a few lines."""
    found = reports.issue_report(desk.actor, desk.house, issue)
    desk.say(f"Issue {issue}, {found.state}: {found.subject}")
    for each in found.mailings:
        reason = f" ({each.state_reason})" if each.state_reason else ""
        desk.say(f"{_title(desk, each)}: {each.state}{reason}, due {each.starts}")
        done, total = _done(each)
        if total:
            filled = _BAR * done // total
            desk.say(f"[{'#' * filled}{'-' * (_BAR - filled)}] {done} of {total} copies decided")
        counts = ", ".join(f"{count} {outcome}" for outcome, count in each.outcomes.items())
        desk.say(f"{each.candidates} candidates: {counts}" if counts else "Nobody has been looked at yet.")
    if not found.mailings:
        desk.say("It is not scheduled.")
    desk.answer(
        {
            "issue": issue,
            "subject": found.subject,
            "state": found.state,
            "mailings": [_short(each) for each in found.mailings],
        }
    )


def _short(each: MailingFigures) -> dict[str, object]:
    done, total = _done(each)
    return {
        "list": each.list,
        "region": each.region,
        "state": each.state,
        "reason": each.state_reason,
        "starts": each.starts,
        "candidates": each.candidates,
        "outcomes": dict(each.outcomes),
        "copies_decided": done,
        "copies": total,
    }


def _done(each: MailingFigures) -> tuple[int, int]:
    total = sum(each.copies.values())
    return total - sum(each.copies.get(state, 0) for state in _WAITING), total


def _title(desk: Desk, each: MailingFigures) -> str:
    return desk.house.title(each.list, each.region)


def report(desk: Desk, *, issue: int) -> None:
    """What became of everyone."""
    found = reports.issue_report(desk.actor, desk.house, issue)
    desk.say(f"Issue {issue}, {found.state}: {found.subject}")
    for each in found.mailings:
        desk.say(f"\n{_title(desk, each)}: {each.state}, {each.candidates} candidates. {each.state_reason}".rstrip())
        desk.table("What became of them", ("outcome", "#people"), each.outcomes.items())
        desk.table("Excluded, because", ("reason", "#people"), _in_words(each.excluded))
        desk.table("Withdrawn at the last moment, because", ("reason", "#people"), _in_words(each.withdrawn))
        desk.table("Copies on the wire", ("state", "#copies"), each.copies.items())
        desk.table("What came back", ("kind", "#reports"), each.bounces.items())
    if not found.mailings:
        desk.say("It is not scheduled.")
    desk.answer(found.to_json())


def _in_words(reasons: object) -> list[tuple[str, int]]:
    named = dict(IN_WORDS)
    items = dict(reasons).items()  # type: ignore[call-overload]
    return [(named[Reason(reason)] if reason in set(Reason) else reason, count) for reason, count in items]
