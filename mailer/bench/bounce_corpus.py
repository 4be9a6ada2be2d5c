"""Mails of which it is known what they are: a corpus of bounces, or the specimens of our own tests.

A corpus is a folder of folders, each with `truth.json` (what each mail is, who failed with which status, and whether
the address is dead) and `msgs/`.
"""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mailer.core.bounce import Reason

SPECIMENS = Path(__file__).parents[2] / "tests" / "core" / "bounce" / "specimens"
FAILED = ("hard", "soft")


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of a mail. `failed` are the recipients, each with its status and whether it is dead, if known."""

    raw: bytes
    path: Path
    kind: str | None
    failed: dict[str, tuple[str | None, bool | None]]
    aliases: frozenset[str]
    whole: bool  # whether every recipient is known


def corpus(folder: Path | None) -> Iterator[Truth]:
    """The mails of a corpus; copies that differ only in their line ends are left out."""
    if folder is None:
        yield from _specimens()
        return
    for table in sorted(folder.glob("*/truth.json")):
        known = json.loads(table.read_text(encoding="utf-8"))
        if known["about"].get("copy_of"):
            continue
        for name, row in sorted(known["messages"].items()):
            failed = {r["rcpt"]: (r["status"], r["hard"]) for r in row["rows"] if r["rcpt"]}
            path, whole = table.parent / "msgs" / name, all(r["rcpt"] for r in row["rows"])
            yield Truth(
                path.read_bytes(), path, row["kind"], failed, frozenset(row["tolerated"]), whole and bool(failed)
            )


def _specimens() -> Iterator[Truth]:
    for toml in sorted(SPECIMENS.glob("*.toml")):
        expected = tomllib.loads(toml.read_text(encoding="utf-8"))
        rows = [row for row in expected.get("findings", []) if row["kind"] in FAILED and "recipient" in row]
        failed = {row["recipient"]: (row.get("status"), row["kind"] == "hard") for row in rows}
        kind = "bounce" if expected["kind"] in FAILED else expected["kind"]
        eml = toml.with_suffix(".eml")
        waits = any(row["reason"] == Reason.DELAYED for row in expected.get("findings", []))
        yield Truth(eml.read_bytes(), eml, None if waits else kind, failed, frozenset(), bool(failed))
