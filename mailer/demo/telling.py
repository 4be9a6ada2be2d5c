"""How the story is told on a terminal: a line when something has happened, and one table whose sums close."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from mailer.core.delivery import CopyState, Outcome
from mailer.demo.proof import taken

#: Wide enough for the table, narrow enough for a terminal as it opens.
_WIDTH = 80
_OUTCOMES = {
    CopyState.ACCEPTED: "ac-\ncepted",
    CopyState.BOUNCED: "came\nback",
    CopyState.COMPLAINED: "com-\nplained",
    CopyState.REFUSED: "re-\nfused",
    Outcome.WITHDRAWN: "with-\ndrawn",
    Outcome.EXCLUDED: "ex-\ncluded",
    Outcome.UNMAILABLE: "no\ne-mail",
}


def console(*, silent: bool) -> Console:
    """The terminal, or a pipe, where nothing is coloured; silent where a program reads."""
    made = Console(highlight=False, quiet=silent)
    return made if made.is_terminal and made.width >= _WIDTH else Console(highlight=False, quiet=silent, width=_WIDTH)


def end(to: Console, names: Sequence[str], closed: Mapping[str, Any]) -> None:
    """How it ended."""
    to.print(table(list(zip(names, closed["mailings"], strict=True))))
    if closed["ok"]:
        to.print("Every sum closes; nobody got a letter twice, or without consent.")
    for fault in closed["faults"]:
        to.print(f"Wrong: {fault}.", style="bold red", soft_wrap=True, markup=False)


def table(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    """One row a letter: its people are the sum of the outcomes, its copies are what the mail server counted."""
    outcomes = [*_OUTCOMES, *sorted({each for _, mailing in rows for each in mailing["outcomes"]} - _OUTCOMES.keys())]
    made = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    made.add_column("", no_wrap=True)
    headings = ("\npeople =", *(_OUTCOMES.get(each, each) for each in outcomes), "copies\nmade =", "server\ncounts")
    for heading in headings:
        made.add_column(heading, justify="right")
    for name, mailing in rows:
        people = [mailing["candidates"], *(mailing["outcomes"].get(outcome, 0) for outcome in outcomes)]
        made.add_row(name, *map(str, (*people, taken(mailing["copies"]), mailing["server_counted"])))
    return made
