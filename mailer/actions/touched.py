"""Whom changes touched, as one sender remembers it: each change is read once, and asked about for all letters in hand.

A change that did not say whom it is about is about everyone (models.changes), so that forgetting costs time alone.
"""

from bisect import bisect_right
from collections.abc import Set
from dataclasses import dataclass, field

from mailer.models.changes import named


@dataclass
class Touched:
    """Whom the changes with a number over `_since`, up to `_until`, touched, in their order."""

    _since: int | None = None
    _until: int = 0
    _numbers: list[int] = field(default_factory=list)
    _members: list[int] = field(default_factory=list)
    _unnamed: int = 0

    def cover(self, since: int, until: int) -> None:
        """Know of all changes with a number over `since`, up to `until`."""
        if self._since is None or since < self._since:
            self._since = self._until = since
            self._numbers, self._members = [], []
        if until > self._until:
            self._read(until)
            self._until = until

    def everyone(self, since: int) -> bool:
        """Whether a change over `since` did not say whom it is about."""
        return self._unnamed > since

    def members(self, since: int) -> Set[int]:
        """Whom a change over `since` touched."""
        return set(self._members[bisect_right(self._numbers, since) :])

    def _read(self, until: int) -> None:
        numbers = set()
        for number, member in named(self._until, until):
            numbers.add(number)
            if member is not None:
                self._numbers.append(number)
                self._members.append(member)
        while until in numbers:
            until -= 1
        if until > self._until:
            self._unnamed = max(self._unnamed, until)
