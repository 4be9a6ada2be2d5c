"""`mailer audience`: who would get a letter of a list today, and why not."""

from dataclasses import asdict

from mailer import reports
from mailer.commands.desk import Desk
from mailer.core.audience import IN_WORDS, Reason


def audience(desk: Desk, *, list_: str, region: str | None, why: str | None) -> None:
    """Counts by outcome and reason, or one person's explanation."""
    if why is not None:
        told = reports.explain(desk.actor, desk.house, list_, region, why, desk.now)
        desk.say(f"{told.member} {'gets' if told.gets_it else 'does not get'} it: {told.because}.")
        desk.answer({"list": list_, "region": region, **asdict(told)})
        return
    figures = reports.audience_figures(desk.actor, desk.house, list_, region, desk.now)
    candidates = sum(count for reasons in figures.values() for count in reasons.values())
    title = f"{desk.house.title(list_, region)}: {candidates} candidates"
    rows = [(outcome, _why(reason), count) for outcome, reasons in figures.items() for reason, count in reasons.items()]
    desk.say(title)
    desk.table("", ("outcome", "why", "#people"), rows)
    outcomes = {outcome: sum(reasons.values()) for outcome, reasons in figures.items()}
    desk.answer(
        {
            "list": list_,
            "region": region,
            "candidates": candidates,
            "outcomes": outcomes,
            "excluded": figures.get("excluded", {}),
        }
    )


def _why(reason: str) -> str:
    return IN_WORDS[Reason(reason)] if reason else ""
