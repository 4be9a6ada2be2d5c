"""A compiled letter: octets with slots for personal values, and segments that a copy may have or not.

A letter is a choice of segments (design.md section 3), so a conditional paragraph costs one piece and not one
compile. It is stored with its mailing and built by workers in other processes: it has one plain JSON form.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mailer.core.errors import MailerError

FORMAT = 1


class LetterError(MailerError, ValueError):
    """This is not a letter, or not one that has what is asked of it."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who answers for what is sent (standards L18, P5); an empty imprint is left out."""

    organisation: str
    postal_address: tuple[str, ...]
    contact: str
    imprint: str
    privacy_notice_url: str


@dataclass(frozen=True, slots=True)
class ListFacts:
    """What a letter says about its list; `reason` is the sentence that tells why one gets it (L11, L18)."""

    title: str
    reason: str
    list_id: str
    owner: str
    help_url: str


class Slot(StrEnum):
    """Where a personal value goes; the part decides how it is escaped."""

    NAMES_IN_TEXT = "names_in_text"
    NAMES_IN_HTML = "names_in_html"
    LEAVE_IN_TEXT = "leave_in_text"
    LEAVE_IN_HTML = "leave_in_html"


@dataclass(frozen=True, slots=True)
class Piece:
    """Encoded octets, or a slot; `segment` names the choice it belongs to, none for what every copy has."""

    content: bytes | Slot
    segment: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """The body of every copy of a mailing, from the first boundary to the last, in quoted-printable."""

    subject: str
    boundary: str
    pieces: tuple[Piece, ...]
    warnings: tuple[str, ...] = ()

    @property
    def segments(self) -> frozenset[str]:
        """The names one can choose from."""
        return frozenset(piece.segment for piece in self.pieces if piece.segment is not None)

    def pieces_of(self, segments: frozenset[str]) -> tuple[Piece, ...]:
        """The pieces of one choice."""
        if unknown := segments - self.segments:
            raise LetterError(f"the letter has no segment {', '.join(sorted(unknown))}; compile it anew")
        return tuple(piece for piece in self.pieces if piece.segment is None or piece.segment in segments)

    @property
    def digest(self) -> str:
        """SHA-256 over all that a copy is built from; equal letters, and only those, have equal digests."""
        built_from = {key: value for key, value in self.to_json().items() if key != "warnings"}
        canonical = json.dumps(built_from, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()

    def to_json(self) -> dict[str, object]:
        """Plain JSON; the octets are ASCII, since all of it is quoted-printable (F6)."""
        return {
            "format": FORMAT,
            "subject": self.subject,
            "boundary": self.boundary,
            "pieces": [_piece_to_json(piece) for piece in self.pieces],
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, data: object) -> "Letter":
        """Read the plain JSON form back, refusing whatever it does not define."""
        match data:
            case {
                "format": 1,
                "subject": str(subject),
                "boundary": str(boundary),
                "pieces": list(pieces),
                "warnings": list(warnings),
            }:
                return cls(subject, boundary, tuple(map(_piece_from_json, pieces)), tuple(map(str, warnings)))
        raise LetterError("the stored letter is not in a form this version knows; compile it anew")


def _piece_to_json(piece: Piece) -> dict[str, object]:
    content: dict[str, object] = (
        {"slot": piece.content.value} if isinstance(piece.content, Slot) else {"octets": piece.content.decode("ascii")}
    )
    return content | {"segment": piece.segment}


def _piece_from_json(data: object) -> Piece:
    match data:
        case {"octets": str(octets), "segment": (str() | None) as segment} if octets.isascii():
            return Piece(octets.encode("ascii"), segment)
        case {"slot": str(slot), "segment": (str() | None) as segment} if slot in set(Slot):
            return Piece(Slot(slot), segment)
    raise LetterError("a piece of the stored letter is not in a form this version knows; compile it anew")


def plain_context(value: Sender | ListFacts) -> Mapping[str, object]:
    """A value as templates see it: plain strings and lists only (S2)."""
    return {
        name: list(content) if isinstance(content := getattr(value, name), tuple) else content
        for name in value.__dataclass_fields__
    }
