"""Whom changes touched, as one sender remembers it: each change is read once, and asked about for all letters in hand.

A change that did not say whom it is about is about everyone (models.changes), so that forgetting costs time alone.
"""

from collections.abc import Set
from dataclasses import dataclass, field
from itertools import takewhile

from mailer.models.changes import named


@dataclass
class Touched:
    """The last change that touched each member, of those over `_since`, up to `_until`, in the order of changes."""

    _since: int | None = None
    _until: int = 0
    _last: dict[int, int] = field(default_factory=dict)
    _unnamed: int = 0

    def cover(self, since: int, until: int) -> None:
        """Know of all changes with a number over `since`, up to `until`."""
        if self._since is None or since < self._since:
            self._since = self._until = since
            self._last.clear()
        if until > self._until:
            self._read(until)
            self._until = until

    def everyone(self, since: int) -> bool:
        """Whether a change over `since` did not say whom it is about."""
        return self._unnamed > since

    def members(self, since: int) -> Set[int]:
        """Whom a change over `since` touched."""
        return {member for member, _ in takewhile(lambda last: last[1] > since, reversed(self._last.items()))}

    def _read(self, until: int) -> None:
        numbers = set()
        for number, member in named(self._until, until):
            numbers.add(number)
            if member is not None:
                self._last.pop(member, None)
                self._last[member] = number
        while until in numbers:
            until -= 1
        if until > self._until:
            self._unnamed = max(self._unnamed, until)
