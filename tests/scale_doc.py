"""`python -m tests.scale_doc` writes the table of docs/scale.md by `mailer bench scale`; a test holds the two equal."""

from pathlib import Path

from mailer.bench.scale import SITES, Site, simulate

DOCUMENT = Path(__file__).parent.parent / "docs" / "scale.md"
BEGIN, END = "<!-- table -->\n", "<!-- end -->\n"


def table() -> str:
    """One row a site: how long one mailing takes, and how busy each part is meanwhile."""
    lines = ["| who | letters | letters/s | takes | busy: database | cores | link | relay |", "|---|" + "--:|" * 7]
    return "".join(f"{line}\n" for line in [*lines, *map(_row, SITES)])


def _row(site: Site) -> str:
    outcome = simulate(site)
    shares = [f"{outcome.shares[part]:.0%}" for part in ("the database", "the cores", "the link", "the relay")]
    rate = f"{float(f'{site.letters / outcome.seconds:.2g}'):,.0f}"
    return f"| {' | '.join([site.name, f'{site.letters:,}', rate, _takes(outcome.seconds), *shares])} |"


def _takes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def document() -> str:
    """The whole page, with the table as it is now."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
