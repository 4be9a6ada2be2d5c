"""Octets with places for values: taken apart once, filled for every copy (performance.md section 3)."""

from collections.abc import Sequence
from operator import itemgetter


class Pattern:
    """Fixed octets and, as numbers, the places of values among them."""

    __slots__ = ("_arranged", "_fixed")

    def __init__(self, parts: Sequence[bytes | int], values: int) -> None:
        """`values` is how many values each filling brings; a place may name one of them more than once."""
        # Two parts at least, since of one alone `itemgetter` would make no tuple.
        parts = [*parts, *[b""] * (2 - len(parts))]
        self._fixed = tuple(part for part in parts if isinstance(part, bytes))
        places = iter(range(values, values + len(self._fixed)))
        self._arranged = itemgetter(*(next(places) if isinstance(part, bytes) else part for part in parts))

    def filled(self, values: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """All parts in their order."""
        found: tuple[bytes, ...] = self._arranged(values + self._fixed)
        return found
