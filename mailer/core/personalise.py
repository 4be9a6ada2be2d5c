"""From a letter and one copy's values to the octets of a message (design.md section 3; performance.md 3).

No template engine, no e-mail object, nothing encoded twice: ready pieces and a few small values are joined.
What is a value here was data all its life: template marks in a name are letters like any other (S1).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from mailer.core import header
from mailer.core.address import check_wire
from mailer.core.dkim import body_hash, is_relaxed
from mailer.core.errors import MailerError
from mailer.core.greeting import called, closed
from mailer.core.letter import Letter, LetterError, Piece, Slot
from mailer.core.message import FixedFields, LetterHeaders, fields_of, fixed_fields
from mailer.core.pattern import Pattern
from mailer.core.quoted_printable import SOFT_BREAK
from mailer.core.seal import FixedHeaders, Seal, relaxed_values

#: The longest display name and address that stand on one line.
_PLAIN_TO = header.LONGEST_ENCODED_LINE - len("To:  <>")
LEAVE = re.compile(r"(?:https://[A-Za-z0-9.-]+|http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::[0-9]+)?/[!-;=?-~]*")


class CopyError(MailerError, ValueError):
    """This copy's values cannot be put into a letter."""


@dataclass(frozen=True, slots=True)
class CopyValues:
    """What makes a copy personal. `names` are the members it speaks to: those of its deliveries only.

    `address` is what RCPT gets, `message_id` is without angle brackets, `date` is made by message.format_date
    at hand-over, `leave_url` stands in the header and in both bodies.
    """

    address: str
    names: tuple[str, ...]
    message_id: str
    leave_url: str
    date: str
    segments: frozenset[str] = frozenset()
    leave_mailto: str | None = None


_NAMES_IN_TEXT, _NAMES_IN_HTML, _LEAVE_IN_TEXT, _LEAVE_IN_HTML = range(4)
_OF_SLOT = {
    Slot.NAMES_IN_TEXT: _NAMES_IN_TEXT,
    Slot.NAMES_IN_HTML: _NAMES_IN_HTML,
    Slot.LEAVE_IN_TEXT: _LEAVE_IN_TEXT,
    Slot.LEAVE_IN_HTML: _LEAVE_IN_HTML,
}
#: Stands for a value while a body is judged; no other body holds it.
_ANY_VALUE = b"=_value_"
_PERSONAL = frozenset({b"To", b"Date", b"Message-ID", b"List-Unsubscribe"})


class Body:
    """One choice of segments, judged once for all copies.

    Values stand at column 0 and are quoted-printable, so whatever fills it, the body is fit for the wire as it is: no
    line begins with a dot, none ends but in CRLF, and all is ASCII (F3-F6). `relaxed` is whether it is in relaxed form.
    """

    def __init__(self, pieces: Sequence[bytes | Slot]) -> None:
        self.parts = [_OF_SLOT[piece] if isinstance(piece, Slot) else piece for piece in pieces]
        self.filled = Pattern(self.parts, len(_OF_SLOT)).filled
        fixed = [part for part in self.parts if isinstance(part, bytes)]
        _must_be_fit(b"".join(part if isinstance(part, bytes) else _ANY_VALUE for part in self.parts))
        self.relaxed = all(map(is_relaxed, fixed)) and not fixed[-1].endswith(b"\r\n\r\n")


def _must_be_fit(body: bytes) -> None:
    line_ends = body.count(b"\r\n")
    if (
        line_ends != body.count(b"\r")
        or line_ends != body.count(b"\n")
        or not body.endswith(b"\r\n")
        or b"\n." in body
        or body.startswith(b".")
        or b"\0" in body
        or not body.isascii()
        or body.count(b"\n" + _ANY_VALUE) != body.count(_ANY_VALUE)
    ):
        raise LetterError("the stored letter holds what must not travel as it is; compile it anew")


class Builder:
    """Builds the copies of one mailing; each worker that sends it makes one."""

    def __init__(self, letter: Letter, headers: LetterHeaders, seal: Seal | None = None) -> None:
        self.fixed = fixed_fields(headers, letter.subject, letter.boundary)
        self.seal = seal
        self._letter = Letter(letter.subject, letter.boundary, _joined(letter.pieces))
        self._signed = FixedHeaders(_without_personal(self.fixed))
        self._bodies: dict[frozenset[str], Body] = {}

    def build(self, values: CopyValues) -> bytes:
        """The whole message: CRLF throughout, no octet over 127 but in an address that needs SMTPUTF8."""
        display, in_text, in_html = called(values.names)
        to, message_id, leave, leave_in_text, leave_in_html = _forms(values, display)
        date = header.date(values.date)
        fixed = self.fixed
        head = (
            fixed.before_to, b"To:", to, b"\r\n", fixed.before_date, date, b"Message-ID:", message_id, b"\r\n",
            fixed.before_leave, b"List-Unsubscribe:", leave, b"\r\n", fixed.after_leave, b"\r\n",
        )  # fmt: skip
        body = (in_text, in_html, leave_in_text, leave_in_html)
        if self.seal is None:
            return b"".join((*head, *self.body(values.segments).filled(body)))
        personal = relaxed_values((to, values.date.encode(), message_id, leave))
        return b"".join(self.sealed(self.seal, head, values.segments, body, personal))

    def sealed(
        self,
        seal: Seal,
        head: tuple[bytes, ...],
        segments: frozenset[str],
        values: tuple[bytes, ...],
        personal: Sequence[bytes],
    ) -> tuple[bytes, ...]:
        """The parts of a signed message, of its head and of what is personal in its body.

        `personal` are To, Date, Message-ID and List-Unsubscribe once more, in relaxed form.
        """
        body = self.body(segments)
        octets = b"".join(body.filled(values))
        signatures = seal.over(self._signed, personal, body_hash(octets, relaxed=body.relaxed))
        return (signatures, *head, octets)

    def body(self, segments: frozenset[str]) -> Body:
        """The body of one choice of segments."""
        found = self._bodies.get(segments)
        if found is None:
            found = self._bodies[segments] = Body([piece.content for piece in self._letter.pieces_of(segments)])
        return found


def _joined(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """The pieces with a soft break after each slot, and neighbours that belong to the same copies made one.

    What belongs to all copies stays one object, however many choices of segments there are.
    """
    joined: list[Piece] = []
    for piece in pieces:
        contents = (piece.content, SOFT_BREAK) if isinstance(piece.content, Slot) else (piece.content,)
        for content in contents:
            before = joined[-1] if joined and joined[-1].segment == piece.segment else Piece(b"")
            if (
                joined
                and before is joined[-1]
                and not isinstance(before.content, Slot)
                and not isinstance(content, Slot)
            ):
                joined[-1] = Piece(before.content + content, piece.segment)
            else:
                joined.append(Piece(content, piece.segment))
    return tuple(joined)


def _without_personal(fixed: FixedFields) -> list[tuple[bytes, bytes | None]]:
    """The fields of the head in their order on the wire, the personal ones without a value."""
    head = (
        fixed.before_to, b"To:\r\n", fixed.before_date, b"Date:\r\nMessage-ID:\r\n",
        fixed.before_leave, b"List-Unsubscribe:\r\n", fixed.after_leave,
    )  # fmt: skip
    return [(name, None if name in _PERSONAL else value) for name, value in fields_of(b"".join(head))]


_Forms = tuple[bytes, bytes, bytes, bytes, bytes]
"""To, Message-ID and List-Unsubscribe after their colons, without the last CRLF; the link in text and in HTML."""


def _forms(values: CopyValues, display: bytes) -> _Forms:
    """The forms of one copy's values, or a refusal."""
    url, mailto = values.leave_url, values.leave_mailto
    if not LEAVE.fullmatch(url):
        raise CopyError(f"“{url[:60]}” is no link to leave by: it needs https://, or http:// on loopback")
    if mailto is not None and not mailto.startswith("mailto:"):
        raise CopyError(f"“{mailto[:60]}” is not a mailto: address")
    fields = (
        _to(display, values.address),
        header.message_id(values.message_id),
        header.uris("List-Unsubscribe", [url] if mailto is None else [url, mailto]),
    )
    to, message_id, leave = (field.partition(b":")[2].removesuffix(b"\r\n") for field in fields)
    return to, message_id, leave, closed(url), closed(escape(url))


def _to(display: bytes, address: str) -> bytes:
    check_wire(address)
    if not address.isascii():
        # A server that takes SMTPUTF8 takes UTF-8 here; encoded-words beside it would be wrong (F17).
        return header.mailbox("To", "", address)
    return b"To: %b%b%b>\r\n" % (display, opening(display, address), address.encode("ascii"))


def opening(display: bytes, address: str | bytes) -> bytes:
    """What stands between a display name and the address: a new line where both are too long for one."""
    if not display:
        return b"<"
    return b" <" if len(display) + len(address) <= _PLAIN_TO and b"\n" not in display else b"\r\n <"
