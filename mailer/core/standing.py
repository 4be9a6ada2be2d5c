"""Whether this database may be sent from: what a mirror outside it remembers, beside what it says itself.

Law of the file (design.md section 4, "Restore and copies"): a mirror that has seen more than the database knows proves
that an older database was restored. A counter alone is no such proof for long, since an older database counts on; a
line of its audit log is, since no other line will ever be that one. Where one host sends alone (SQLite) a mirror that
is missing, that lags, or that was written elsewhere says that the site was copied or moved. Several hosts on one
PostgreSQL each have a mirror of what they saw themselves, so that there only the first proof counts.
"""

from dataclasses import dataclass, field
from enum import StrEnum

#: Claims by which a mirror may lag behind its own database after a power cut: more than a second of them.
UNSYNCED = 1000


class Doubt(StrEnum):
    """Why nobody can say which copies were sent; the value stands in the audit log."""

    RESTORED = "older database restored"
    COPIED = "site copied or moved"
    OTHER = "database of another site"


IN_WORDS: dict[Doubt, str] = {
    Doubt.RESTORED: "An older database was restored: what was sent after that backup is not known here.",
    Doubt.COPIED: "This site was copied or moved, or its journal folder was lost: the original may still be sending.",
    Doubt.OTHER: "This database is not the one that this site's journal folder belongs to, or predates an adoption.",
}


@dataclass(frozen=True, slots=True)
class Counts:
    """Which incarnation of the site, and how far its counters have come."""

    incarnation: str
    sends: int
    changes: int


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a data directory is, as far as a program can tell.

    `boot` names the time since the machine was started, `addresses` are those of its network cards, `device` and
    `inode` those of the data directory. What could not be found out is empty, and nothing follows from it.
    """

    name: str = ""
    boot: str = ""
    addresses: frozenset[str] = field(default_factory=frozenset)
    device: int = 0
    inode: int = 0

    def is_another_than(self, other: "Machine") -> bool:
        """Whether the directory has surely been copied or moved since `other` was written down."""
        if self.name and other.name and self.name != other.name:
            return True
        if self.addresses and other.addresses and self.addresses.isdisjoint(other.addresses):
            return True
        # Device numbers may change when a machine starts again.
        same_disk = self.boot != other.boot or self.device == other.device
        return self.inode != other.inode or not same_disk


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the audit log, by its number and 32 hexadecimal digits that hang on what it says."""

    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What the mirror says; `line` is the newest that it saw of the audit log."""

    counts: Counts
    machine: Machine
    line: LogLine | None = None


def doubt(
    database: Counts,
    mirrored: Mirrored | None,
    here: Machine,
    *,
    alone: bool,
    plans_to_send: bool,
    has_line: bool = True,
    was_it: bool = False,
) -> Doubt | None:
    """Why this database may not be sent from; None: the two agree.

    `alone`: no other host may send from this database. `has_line`: the database has the mirror's line of the audit log;
    `was_it`: it was the incarnation that the mirror names, before a person adopted it, perhaps on another host.
    A site that has never sent and has nothing planned may be copied and moved about freely.
    """
    if mirrored is None:
        return Doubt.COPIED if alone and database.sends else None
    seen = mirrored.counts
    may_double = database.sends > 0 or plans_to_send
    if seen.incarnation != database.incarnation:
        return Doubt.OTHER if may_double and (alone or not was_it) else None
    if seen.sends > database.sends or seen.changes > database.changes or not has_line:
        return Doubt.RESTORED
    # Of hosts that share a database each has a mirror of its own, which falls behind while others send.
    lags = alone and database.sends - seen.sends > UNSYNCED
    return Doubt.COPIED if may_double and (lags or here.is_another_than(mirrored.machine)) else None
