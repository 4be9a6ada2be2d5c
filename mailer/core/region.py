"""Where members belong, and which of it an actor may touch (design.md section 1; habits.md section 6).

A region has a permanent number, which ledger, stream and scope speak of, and a slug, which people and files
speak of. Regions nest: whoever looks after the East of England looks after Norfolk too. A `Scope` is the one
value that says how far an actor reaches; it only ever shrinks on its way from the office to the letter.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from mailer.core.errors import MailerError


class RegionError(MailerError, ValueError):
    """The regions do not form a tree, or one was asked for that is not among them."""


@dataclass(frozen=True, slots=True)
class Region:
    """One region; `parent` is the number of the region it lies in, None at the top."""

    number: int
    slug: str
    name: str
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """The regions an actor may touch; None is the whole organisation, more than all regions together.

    Members without a region, and everything that belongs to no region, have None for a number: only the whole
    organisation reaches them.
    """

    regions: frozenset[int] | None

    @classmethod
    def everything(cls) -> Self:
        """The whole organisation."""
        return cls(None)

    @classmethod
    def nothing(cls) -> Self:
        """The scope of one who holds no office."""
        return cls(frozenset())

    @property
    def is_everything(self) -> bool:
        """Does it reach the whole organisation?"""
        return self.regions is None

    def allows(self, number: int | None) -> bool:
        """May the actor touch what belongs to this region (None: to no region)?"""
        if self.regions is None:
            return True
        return number is not None and number in self.regions

    def narrow(self, other: "Scope") -> "Scope":
        """What both allow: a mailing goes to its author's scope of then and of now."""
        if self.regions is None:
            return other
        if other.regions is None:
            return self
        return Scope(self.regions & other.regions)


@dataclass(frozen=True, slots=True)
class Regions:
    """The tree of lists/regions.toml, in the order of the file."""

    all: tuple[Region, ...]
    by_number: MappingProxyType[int, Region] = field(init=False, repr=False, compare=False)
    by_slug: MappingProxyType[str, Region] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_number = {region.number: region for region in self.all}
        by_slug = {region.slug: region for region in self.all}
        if len(by_number) != len(self.all) or len(by_slug) != len(self.all):
            raise RegionError("Two regions share a number or a slug; give each its own.")
        object.__setattr__(self, "by_number", MappingProxyType(by_number))
        object.__setattr__(self, "by_slug", MappingProxyType(by_slug))
        for region in self.all:
            self._climb(region)

    def region(self, slug: str) -> Region:
        """The region of this slug."""
        if slug in self.by_slug:
            return self.by_slug[slug]
        known = ", ".join(self.by_slug) or "none"
        raise RegionError(f"There is no region {slug!r}. The regions of lists/regions.toml are: {known}.")

    def subtree(self, slug: str) -> frozenset[int]:
        """The numbers of this region and of all that lie in it."""
        top = self.region(slug)
        return frozenset(region.number for region in self.all if top == region or top in self._climb(region))

    def scope(self, slugs: Iterable[str]) -> Scope:
        """How far an office for these regions reaches: each with all that lies in it."""
        return Scope(frozenset[int]().union(*(self.subtree(slug) for slug in slugs)))

    def names(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """The names of these regions in the order of the file."""
        wanted = frozenset(numbers)
        return tuple(region.name for region in self.all if region.number in wanted)

    def _climb(self, region: Region) -> tuple[Region, ...]:
        path: list[Region] = []
        parent = region.parent
        while parent is not None:
            above = self.by_number.get(parent)
            if above is None:
                raise RegionError(f"Region {region.slug!r} lies in number {parent}, which is not a region.")
            if above == region or above in path:
                raise RegionError(f"Region {region.slug!r} lies in itself by way of {above.slug!r}.")
            path.append(above)
            parent = above.parent
        return tuple(path)
