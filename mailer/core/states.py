"""A closed table of states: what there is, what may follow what, and when.

Tables enforce these by conditional updates (`WHERE state IN machine.sources(to)`), the documents are generated from
them, and whatever is not written in a table cannot happen.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Transition:
    """One arrow: from a state to a state, and the event that draws it, in plain words."""

    source: str
    target: str
    when: str


@dataclass(frozen=True, slots=True)
class Machine:
    """The states of one thing, with the state it is born in."""

    name: str
    first: tuple[str, ...]
    transitions: tuple[Transition, ...]

    @property
    def states(self) -> tuple[str, ...]:
        """Every state once, in the order in which the table names them."""
        named = [*self.first, *(state for t in self.transitions for state in (t.source, t.target))]
        return tuple(dict.fromkeys(named))

    @property
    def final(self) -> frozenset[str]:
        """The states that nothing leaves."""
        return frozenset(self.states) - {t.source for t in self.transitions}

    def sources(self, target: str) -> tuple[str, ...]:
        """The states from which `target` may be reached."""
        return tuple(dict.fromkeys(t.source for t in self.transitions if t.target == target))

    def allows(self, source: str, target: str) -> bool:
        """Whether the table has the arrow."""
        return source in self.sources(target)

    def rows(self) -> Iterable[tuple[str, str, str]]:
        """(from, to, when) for the documents."""
        return ((t.source, t.target, t.when) for t in self.transitions)
