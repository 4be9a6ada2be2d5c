"""`mailer state`: what rings, who works, what is being sent; status 1 while a person is needed."""

from dataclasses import asdict
from datetime import datetime

from mailer.access import THE_CLOCK
from mailer.actions.show_state import MailingShown, SiteState, site_state
from mailer.actions.watch_site import confirm_clock
from mailer.commands.desk import Desk
from mailer.core.schedule import brief


def state(desk: Desk, *, clock_is_right: bool) -> int:
    """All of it, since whoever has a shell on this machine has the database too."""
    if clock_is_right:
        confirm_clock(desk.operator, desk.now)
        desk.say(f"Noted: it is {_when(desk, desk.now)}.")
    found = site_state(THE_CLOCK, desk.house, desk.now)
    _say(desk, found)
    mailings = [{**asdict(each), "plan": each.plan.to_json()} for each in found.mailings]
    alarms = [{**asdict(each), "title": each.title, "todo": each.todo} for each in found.alarms]
    workers = [asdict(each) for each in found.workers]
    desk.answer({"ok": not found.alarms, "alarms": alarms, "workers": workers, "mailings": mailings})
    return 1 if found.alarms else 0


def _say(desk: Desk, found: SiteState) -> None:
    for each in found.alarms:
        told = f" People were told {_when(desk, each.told_at)}." if each.told_at else ""
        desk.say(f"{each.title}, since {_when(desk, each.since)}. {each.words}{told}")
        desk.say(f"    {each.todo}\n")
    if not found.alarms:
        desk.say("All is well.")
    desk.table(
        "Workers",
        ("worker", "state", "why", "seen", "#letters", "#a second", "version"),
        [
            (
                each.name,
                each.state if each.alive else "gone",
                each.reason,
                _when(desk, each.seen_at),
                f"{each.handed_over:,}",
                f"{each.letters_per_second:,}",
                each.version,
            )
            for each in found.workers
        ],
    )
    rows = [_row(desk, each) for each in found.mailings]
    desk.table("Mailings", ("#issue", "to", "state", "#decided", "#of", "when"), rows)


def _row(desk: Desk, each: MailingShown) -> tuple[object, ...]:
    reason = f": {each.reason}" if each.reason else ""
    return (
        each.issue,
        desk.house.title(each.list, each.region),
        f"{each.state}{reason}",
        f"{each.progress.done:,}",
        f"{each.progress.total:,}",
        each.plan.words,
    )


def _when(desk: Desk, moment: datetime) -> str:
    return brief(moment, desk.config.organisation.time_zone, desk.now, beside=desk.now)
