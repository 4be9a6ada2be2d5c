"""What one row of the members' file says of one person, as values: facts, consents, departures, complaints.

A row states; it decides nothing. What follows from it is mailer.core.changeset's to say.
"""

from dataclasses import dataclass
from datetime import date

from mailer.core.address import Address
from mailer.core.audience import Standing
from mailer.core.consent import Channel


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something in the file that a person should mend: where, what is wrong, what to do."""

    line: int
    column: str
    what: str
    todo: str

    def __str__(self) -> str:
        where = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        return f"{where}: {self.what} {self.todo}"


@dataclass(frozen=True, slots=True)
class StatedConsent:
    """A complete consent for one stream. `kin`, itself among them, are the streams of which a departure also
    counts against it.

    A column for a regional list as a whole means "wherever I live": then leaving any region of it was leaving
    it.
    """

    stream: int
    kin: frozenset[int]
    given: date
    channel: Channel
    wording: int
    evidence: str


@dataclass(frozen=True, slots=True)
class StatedDeparture:
    """A consent withdrawn. It holds for `streams`, and for each of `kin` (these and their list's others) that
    the person is known to receive.

    A regional list left without a region to be seen is left in all of them.
    """

    streams: frozenset[int]
    kin: frozenset[int]
    on: date
    channel: Channel | None


@dataclass(frozen=True, slots=True)
class Row:
    """One person as the file has them; None is an empty cell or one that could not be read.

    `unread` holds (column, text) of the cells that say who it is, or that they left, and could not be read:
    such a row waits for a person.
    """

    line: int
    number: str | None = None
    name: str | None = None
    address: Address | None = None
    standing: Standing | None = None
    regions: frozenset[int] | None = None
    telephone: str | None = None
    postal_address: str | None = None
    language: str | None = None
    consents: tuple[StatedConsent, ...] = ()
    departures: tuple[StatedDeparture, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class MemberFile:
    """What a file says: rows in its order, complaints by line, columns nobody knew, and its encoding."""

    rows: tuple[Row, ...]
    complaints: tuple[Complaint, ...]
    unknown_columns: tuple[str, ...]
    encoding: str
