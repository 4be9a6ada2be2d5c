"""`mailer issue`: write, look, schedule, steer, and see what became of everyone."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from mailer import reports
from mailer.access import Actor
from mailer.actions import correct_issue, schedule_mailing, steer_mailing
from mailer.actions.render_issue import render as render_issue
from mailer.actions.render_issue import send_test
from mailer.actions.show_status import MailingStatus, issue_status, issue_step
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

#: In these a mailing waits for a person.
_WAITS_FOR_A_PERSON = ("paused", "stopped")
#: Seconds between two looks at a mailing that is watched.
_LOOK = 2.0


class FileRefused(MailerError, ValueError):
    """The file is not text."""


def new(desk: Desk, *, list_: str, file: Path, region: str | None) -> None:
    """Make an issue of a Markdown file."""
    made = new_issue(desk.actor, desk.house, list_, _text(file), region=region, now=desk.now, draw_word=draw_word)
    for warning in made.warnings:
        desk.warn(f"Note: {warning}")
    desk.say(f"Issue {made.number}: {made.subject}")
    desk.say(f"Look at it with `mailer issue render {made.number} --out DIR`.")
    desk.answer({"issue": made.number, "subject": made.subject, "warnings": list(made.warnings)})


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefused(f"{file} is not UTF-8 text: save it as UTF-8.") from error


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
    desk.say(f"{done.plan.words[:1].upper()}{done.plan.words[1:]}.")
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
            "plan": done.plan.to_json(),
        }
    )


def _steer(does: Callable[[Actor, House, int, datetime], None], words: str, desk: Desk, *, issue: int) -> None:
    does(desk.actor, desk.house, issue, desk.now)
    figures = reports.issue_report(desk.actor, desk.house, issue).mailings[-1]
    reason = f" ({figures.state_reason})" if figures.state_reason else ""
    desk.say(f"{words} The mailing is {figures.state}{reason}.")
    desk.answer({"issue": issue, "state": figures.state, "reason": figures.state_reason})


stop = partial(_steer, steer_mailing.stop, "No further letter leaves until `mailer issue resume`.")
resume = partial(_steer, steer_mailing.resume, "It goes on.")
cancel = partial(_steer, steer_mailing.cancel, "What has not been handed over never will be.")


def again(desk: Desk, *, issue: int) -> None:
    """Send again to those of whom we are uncertain, now or when somebody resumes the mailing."""
    count = steer_mailing.send_again_to_uncertain(desk.actor, desk.house, issue, desk.now)
    state = reports.issue_report(desk.actor, desk.house, issue).mailings[-1].state
    waits = state in _WAITS_FOR_A_PERSON
    if not count:
        desk.say("Nobody is in doubt, so nothing is sent again.")
    elif waits:
        desk.say(f"{count} copies wait to be sent again: the mailing is {state}, until `mailer issue resume {issue}`.")
    else:
        desk.say(f"{count} copies are sent again, and some people may have two.")
    desk.answer({"issue": issue, "state": state, "copies": count, "waits_for_resume": bool(count) and waits})


def correct(desk: Desk, *, issue: int, file: Path) -> None:
    """Make an issue that goes only to those who have another."""
    made = correct_issue.correct(desk.actor, desk.house, issue, _text(file), now=desk.now, draw_word=draw_word)
    for warning in made.warnings:
        desk.warn(f"Note: {warning}")
    desk.say(f"Issue {made.number}: {made.subject}")
    desk.say(f"It goes only to those who have issue {issue}, or may have it. Who gets that later gets no correction.")
    desk.say(f"`mailer issue schedule {made.number}` says when it goes.")
    desk.answer({"issue": made.number, "corrects": issue, "subject": made.subject, "warnings": list(made.warnings)})


def status(desk: Desk, *, issue: int, watch: bool = False) -> None:
    """How it stands; with `watch`, when nothing moves any more."""
    if watch:
        _watch(desk, issue)
    found = issue_status(desk.actor, desk.house, issue, desk.clock())
    desk.say(f"Issue {issue}, {found.state}: {found.subject}")
    for each in found.mailings:
        _say_status(desk, each)
    _say_uncertain(desk, issue, [each.figures for each in found.mailings])
    if not found.mailings:
        desk.say("It is not scheduled.")
    desk.answer(
        {
            "issue": issue,
            "subject": found.subject,
            "state": found.state,
            "mailings": [_status_json(each) for each in found.mailings],
        }
    )


def _watch(desk: Desk, issue: int) -> None:
    """Follow it until it is over or waits for a person; Ctrl-C ends the watching and not the mailing."""
    with desk.progress(f"Issue {issue}") as show, suppress(KeyboardInterrupt):
        while (step := issue_step(desk.actor, issue)).moves:
            show(step.done, step.total)
            time.sleep(_LOOK)


def _say_status(desk: Desk, each: MailingStatus) -> None:
    figures, progress = each.figures, each.progress
    reason = f" ({figures.state_reason})" if figures.state_reason else ""
    desk.say(f"{_title(desk, figures)}: {figures.state}{reason}, due {figures.starts}")
    if progress.total:
        desk.bar(progress.done, progress.total)
        speed = f", {progress.rate:,} letters/s" if progress.rate else ""
        desk.say(f"{progress.done:,} of {progress.total:,} copies decided{speed}; {each.plan.words}.")
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in figures.outcomes.items())
    desk.say(f"{figures.candidates:,} candidates: {counts}" if counts else "Nobody has been looked at yet.")
    for title, what, groups in (("By region", "people", each.regions), ("By domain", "copies", each.domains)):
        rows = [(name, sum(counts.values()), _counted(counts)) for name, counts in groups.items()]
        desk.table(title, (title.partition(" ")[2], f"#{what}", "of which"), rows)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _say_uncertain(desk: Desk, issue: int, mailings: Iterable[MailingFigures]) -> None:
    if uncertain := sum(each.outcomes.get(CopyState.UNCERTAIN, 0) for each in mailings):
        people = "1 person" if uncertain == 1 else f"{uncertain:,} people"
        desk.say(f"Whether {people} got it nobody can say. `mailer issue again {issue}` sends it to them once more.")


def _status_json(each: MailingStatus) -> dict[str, object]:
    figures, progress = each.figures, each.progress
    return {
        "list": figures.list,
        "region": figures.region,
        "state": figures.state,
        "reason": figures.state_reason,
        "starts": figures.starts,
        "candidates": figures.candidates,
        "outcomes": dict(figures.outcomes),
        "regions": each.regions,
        "domains": each.domains,
        "copies_decided": progress.done,
        "copies": progress.total,
        "letters_per_second": progress.rate,
        "plan": each.plan.to_json(),
    }


def _title(desk: Desk, each: MailingFigures) -> str:
    return desk.house.title(each.list, each.region)


def report(desk: Desk, *, issue: int, people: bool = False) -> None:
    """What became of everyone; with `people`, who has no letter, and why."""
    found = reports.issue_report(desk.actor, desk.house, issue)
    desk.say(f"Issue {issue}, {found.state}: {found.subject}")
    for each in found.mailings:
        desk.say(f"\n{_title(desk, each)}: {each.state}, {each.candidates} candidates. {each.state_reason}".rstrip())
        desk.table("What became of them", ("outcome", "#people"), each.outcomes.items())
        desk.table("Excluded, because", ("reason", "#people"), _in_words(each.excluded))
        desk.table("Withdrawn at the last moment, because", ("reason", "#people"), _in_words(each.withdrawn))
        desk.table("Copies on the wire", ("state", "#copies"), each.copies.items())
        desk.table("What came back", ("kind", "#reports"), each.bounces.items())
    _say_uncertain(desk, issue, found.mailings)
    if not found.mailings:
        desk.say("It is not scheduled.")
    if not people:
        desk.answer(found.to_json())
        return
    without = reports.without_letter(desk.actor, desk.house, issue, desk.now)
    rows = [(each.number, each.member, each.outcome, each.because, each.attempts) for each in without]
    desk.table("Who has no letter, or none yet", ("number", "name", "outcome", "because", "#tries"), rows)
    if unseen := sum(reports.without(each) for each in found.mailings) - len(without):
        desk.say(f"Without a letter, and living in no region of yours today: {unseen:,}.")
    elif not rows and any(each.candidates for each in found.mailings):
        desk.say("Everyone it is meant for has their letter.")
    desk.answer(found.to_json() | {"people": [each.to_json() for each in without]})


def _in_words(reasons: object) -> list[tuple[str, int]]:
    named = dict(IN_WORDS)
    items = dict(reasons).items()  # type: ignore[call-overload]
    return [(named[Reason(reason)] if reason in set(Reason) else reason, count) for reason, count in items]
