"""Whom changes touched, as one sender remembers it: each change is read once, and asked about for every letter in hand.

A change that did not say whom it is about is about everyone (models.changes), so that forgetting costs time alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mailer.models.changes import named


@dataclass
class Touched:
    """The last change that touched each member, of those with a number over `_since`, up to `_until`."""

    _since: int | None = None
    _until: int = 0
    _last: dict[int, int] = field(default_factory=dict)
    _unnamed: int = 0

    def cover(self, since: int, until: int) -> None:
        """Know of all changes with a number over `since`, up to `until`."""
        if self._since is None or since < self._since:
            self._since = self._until = since
        if until > self._until:
            self._read(until)
            self._until = until

    def everyone(self, since: int) -> bool:
        """Whether a change over `since` did not say whom it is about."""
        return self._unnamed > since

    def any_of(self, members: Iterable[int], since: int) -> bool:
        """Whether a change over `since` touched one of these."""
        return any(self._last.get(member, 0) > since for member in members)

    def _read(self, until: int) -> None:
        numbers = set()
        for number, member in named(self._until, until):
            numbers.add(number)
            if member is not None:
                self._last[member] = number
        while until in numbers:
            until -= 1
        if until > self._until:
            self._unnamed = max(self._unnamed, until)
