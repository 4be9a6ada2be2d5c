"""`python -m tests.states_doc` writes docs/states.md from the tables in core; a test holds the two equal."""

from collections.abc import Iterator
from pathlib import Path

from mailer.core.audience import IN_WORDS
from mailer.core.delivery import COPY
from mailer.core.issue import ISSUE
from mailer.core.mailing import MAILING
from mailer.core.states import Machine
from mailer.core.verdict import table_rows

DOCUMENT = Path(__file__).parent.parent / "docs" / "states.md"


def document() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# States, reasons and verdicts"
    yield ""
    yield "Made from the tables in `mailer/core` by `python -m tests.states_doc`; do not edit it by hand."
    for machine in (ISSUE, MAILING, COPY):
        yield from _machine(machine)
    yield ""
    yield "## Why a candidate does not get a mailing"
    yield ""
    yield "Asked in this order; the first that applies is the reason."
    yield ""
    yield from _table(("reason", "in words"), [(reason.value, words) for reason, words in IN_WORDS.items()])
    yield ""
    yield "## What an answer or a report means"
    yield ""
    yield from _table(("pattern", "class", "reason", "effect on the mailbox"), table_rows())


def _machine(machine: Machine) -> Iterator[str]:
    yield ""
    yield f"## {machine.name.capitalize()}"
    yield ""
    yield f"Begins as {', '.join(machine.first)}. Ends as {', '.join(sorted(machine.final))}."
    yield ""
    yield from _table(("from", "to", "when"), list(machine.rows()))


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
