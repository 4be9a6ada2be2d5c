"""One act of leaving, or of taking it back, as a line of a file that outlives the database (standards U13, U14, P13).

Law of the line: it names whom the letter's token names and holds no address, no name and no token. It is
`1 {json} checksum`: a checksum that does not fit is a line that was torn, and a version that is not known is a line
written by a newer program, which may not be passed over.

The act's `seed` is its name: it is carried out once however often its line is read. Every handle that it leads to is
derived from the seed, so that the way back works whoever carries the act out, and works again after a restore.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from mailer.core.consent import Channel
from mailer.core.errors import MailerError

_VERSION = b"1 "
#: Octets of the checksum at the end of every line.
CHECKSUM = 16


class Extent(StrEnum):
    """How much is left."""

    THIS = "this"
    EVERYTHING = "everything"


class Act(StrEnum):
    """What was asked for."""

    LEAVE = "leave"
    UNDO = "undo"


class TornLine(MailerError, ValueError):
    """A line that was not written to its end, or was damaged: nothing follows from it."""


class NewerLine(MailerError, ValueError):
    """A whole line of a version that this program does not know."""


@dataclass(frozen=True, slots=True)
class Person:
    """Someone on the copy: their reference in the ledger, and the keyed hash that an import would give them again."""

    subject: str
    hash: str


@dataclass(frozen=True, slots=True)
class Departure:
    """One act. `handle` is that of the copy that was left through or, to undo, of the offer.

    `streams` and `people` are what the copy names; they are empty if the database could not be asked.
    """

    seed: int
    act: Act
    handle: int
    at: datetime
    channel: Channel
    extent: Extent = Extent.THIS
    token_hash: str = ""
    streams: tuple[int, ...] = ()
    people: tuple[Person, ...] = ()

    def derived(self, what: str) -> int:
        """The 64-bit handle of something that this act leads to."""
        return int.from_bytes(hashlib.sha256(f"{self.seed:016x} {what}".encode()).digest()[:8], "big")

    def line(self) -> bytes:
        """The act as a line, without its line end."""
        fields = {
            "seed": f"{self.seed:016x}",
            "act": self.act.value,
            "handle": f"{self.handle:016x}",
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "channel": self.channel.value,
            "extent": self.extent.value,
            "token_hash": self.token_hash,
            "streams": list(self.streams),
            "people": [[person.subject, person.hash] for person in self.people],
        }
        body = _VERSION + json.dumps(fields, separators=(",", ":"), ensure_ascii=True).encode()
        return body + b" " + _checksum(body)


def read_line(line: bytes) -> Departure:
    """The act that a line tells of; raises TornLine or NewerLine."""
    body, gap, checksum = line[: -CHECKSUM - 1], line[-CHECKSUM - 1 : -CHECKSUM], line[-CHECKSUM:]
    if gap != b" " or checksum != _checksum(body):
        raise TornLine("A line of the departures was not written to its end, or was damaged.")
    if not body.startswith(_VERSION):
        raise NewerLine(
            "The departures hold a line that a newer Mailer wrote. Nothing is sent until that version runs again:"
            " somebody may have left whom this one does not see."
        )
    return _departure(json.loads(body[len(_VERSION) :]))


def _departure(fields: dict[str, Any]) -> Departure:
    return Departure(
        seed=int(fields["seed"], 16),
        act=Act(fields["act"]),
        handle=int(fields["handle"], 16),
        at=datetime.fromisoformat(fields["at"]),
        channel=Channel(fields["channel"]),
        extent=Extent(fields["extent"]),
        token_hash=fields["token_hash"],
        streams=tuple(fields["streams"]),
        people=tuple(Person(*person) for person in fields["people"]),
    )


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:CHECKSUM].encode()
