"""The demo's diary: what was told so far and how it ended, in a file that the pages read."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

_FILE = "story.json"


class Told(Protocol):
    """What the diary keeps of a sending."""

    @property
    def name(self) -> str: ...

    @property
    def issue(self) -> int: ...

    @property
    def list_id(self) -> str: ...


@dataclass
class Diary:
    """Written by the story, whole or not at all."""

    folder: Path
    lines: list[str] = field(default_factory=list)

    def write(self, line: str) -> None:
        """One more thing has happened."""
        self.lines.append(line)
        self._keep({"lines": self.lines})

    def close(self, sendings: Iterable[Told], end: Mapping[str, Any]) -> None:
        """The story is over."""
        told = [{"name": each.name, "issue": each.issue, "list_id": each.list_id} for each in sendings]
        self._keep({"lines": self.lines, "sendings": told, "end": dict(end)})

    def _keep(self, story: Mapping[str, object]) -> None:
        unfinished = self.folder / f"{_FILE}.new"
        unfinished.write_text(json.dumps(story), encoding="utf-8")
        unfinished.rename(self.folder / _FILE)


def read(folder: Path) -> dict[str, Any]:
    """What is told so far."""
    try:
        found: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"lines": []}
    return found
