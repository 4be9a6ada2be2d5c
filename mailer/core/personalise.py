"""From a letter and one copy's values to the octets of a message (design.md section 3; performance.md 3).

No template engine, no e-mail object, nothing encoded twice: ready pieces and a few small values are joined.
What is a value here was data all its life: template marks in a name are letters like any other (S1).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Protocol

from mailer.core import header, quoted_printable
from mailer.core.address import check_wire
from mailer.core.errors import MailerError
from mailer.core.letter import Letter, Slot
from mailer.core.message import LetterHeaders, fixed_fields

NAMELESS = "friend"
"""What the greeting says where we know no name: “Dear friend,”."""
AND = " and "

_KNOWN_NAMES = 65_536
_LONGEST_SHOWN_NAME = 120
_PLAIN_TO = header.LONGEST_LINE - len("To:  <>")
_PLAIN_LEAVE_LENGTH = header.LONGEST_LINE - len(" <>")
_UNFOLDED_LEAVE_LENGTH = _PLAIN_LEAVE_LENGTH - len("List-Unsubscribe:")

_PLAIN_NAME = re.compile(r"(?!From )[A-Za-z0-9]+(?: [A-Za-z0-9]+)*")
_PLAIN_LEAVE = re.compile(r"https://[A-Za-z0-9.-]+/[A-Za-z0-9/._~-]*")
_LOOPBACK_LEAVE = re.compile(r"http://(?:127\.0\.0\.1|\[::1\]|localhost)(?::[0-9]+)?/[!-;=?-~]*")
_LEAVE = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]+)?/[!-;=?-~]*")
_UNFOLDED = re.compile(rb"\r\n(?![ \t])")


class CopyError(MailerError, ValueError):
    """This copy's values cannot be put into a letter."""


class Signs(Protocol):
    """Signs one message, given its fields in their order on the wire and its body.

    A field is (name, value): the value is all after the colon, folds and all, without the last CRLF. It
    returns complete `DKIM-Signature: ...` fields with their CRLF, to stand before the others.
    """

    def __call__(self, headers: Sequence[tuple[bytes, bytes]], body: bytes, /) -> bytes: ...


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


@dataclass(frozen=True, slots=True)
class _Names:
    display: bytes | None
    in_text: bytes
    in_html: bytes


@lru_cache(maxsize=_KNOWN_NAMES)
def _encoded(names: tuple[str, ...]) -> _Names:
    """The three forms of the names of one copy. Display is set where it fits the To line plainly."""
    if len(names) == 1 and len(names[0]) < 60 and _PLAIN_NAME.fullmatch(names[0]):
        octets = names[0].encode("ascii")
        closed = octets + quoted_printable.SOFT_BREAK
        return _Names(octets, closed, closed)
    spoken = greeting_names(names)
    return _Names(None, quoted_printable.encode(spoken), quoted_printable.encode(escape(spoken)))


def greeting_names(names: Sequence[str]) -> str:
    """“Ann Smith”, “Ann Smith and Bob Smith”, “Ann, Bob and Cy”; a friend where there is no name."""
    known = [" ".join(header.guard("name", name).split()) for name in names]
    known = [name for name in known if name]
    if not known:
        return NAMELESS
    return AND.join(filter(None, (", ".join(known[:-1]), known[-1])))


_TO, _DATE_FIELD, _MESSAGE_ID_FIELD, _LEAVE_FIELD = range(4)
_OF_SLOT = {
    Slot.NAMES_IN_TEXT: 4,
    Slot.NAMES_IN_HTML: 5,
    Slot.LEAVE_IN_TEXT: 6,
    Slot.LEAVE_IN_HTML: 7,
}


class _Frame:
    """One choice of segments laid out flat: octets, gaps, and which value of a copy fills which gap."""

    def __init__(self, head: Sequence[bytes | int], body: Sequence[bytes | Slot]) -> None:
        flat = [*head, b"\r\n", *(_OF_SLOT[part] if isinstance(part, Slot) else part for part in body)]
        self.body_starts = len(head) + 1
        self.octets = [b"" if isinstance(part, int) else part for part in flat]
        self.gaps = [(index, part) for index, part in enumerate(flat) if isinstance(part, int)]

    def filled(self, values: Sequence[bytes]) -> list[bytes]:
        parts = self.octets.copy()
        for index, value in self.gaps:
            parts[index] = values[value]
        return parts


class Builder:
    """Builds the copies of one mailing; each worker that sends it makes one."""

    def __init__(self, letter: Letter, headers: LetterHeaders, signers: Sequence[Signs] = ()) -> None:
        fixed = fixed_fields(headers, letter.subject, letter.boundary)
        self._letter = letter
        self._signers = tuple(signers)
        self._head = (
            fixed.before_to, _TO, fixed.before_date, _DATE_FIELD, _MESSAGE_ID_FIELD,
            fixed.before_leave, _LEAVE_FIELD, fixed.after_leave,
        )  # fmt: skip
        self._frames: dict[frozenset[str], _Frame] = {}
        self._date = ""
        self._date_field = b""

    def build(self, values: CopyValues) -> bytes:
        """The whole message: CRLF throughout, no octet over 127 but in an address that needs SMTPUTF8."""
        frame = self._frames.get(values.segments) or self._new_frame(values.segments)
        names = _encoded(values.names)
        leave = _leave(values.leave_url, values.leave_mailto)
        parts = frame.filled(
            (
                _to(names.display, values),
                self._date_field if values.date == self._date else self._new_date(values.date),
                header.message_id(values.message_id),
                leave[0],
                names.in_text,
                names.in_html,
                leave[1],
                leave[2],
            )
        )
        return self._signed(parts, frame.body_starts) if self._signers else b"".join(parts)

    def _new_frame(self, segments: frozenset[str]) -> _Frame:
        frame = self._frames[segments] = _Frame(self._head, self._letter.choose(segments))
        return frame

    def _new_date(self, date: str) -> bytes:
        """All copies of one second have one date."""
        self._date, self._date_field = date, header.date(date)
        return self._date_field

    def _signed(self, parts: list[bytes], body_starts: int) -> bytes:
        head, body = b"".join(parts[: body_starts - 1]), b"".join(parts[body_starts:])
        fields = [
            (name, value) for name, _, value in (f.partition(b":") for f in _UNFOLDED.split(head)) if name
        ]
        signatures = [sign(fields, body) for sign in self._signers]
        return b"".join((*signatures, head, b"\r\n", body))


def _to(display: bytes | None, values: CopyValues) -> bytes:
    address = values.address
    check_wire(address)
    if display is not None and address.isascii() and len(display) + len(address) < _PLAIN_TO:
        return b"To: %b <%b>\r\n" % (display, address.encode("ascii"))
    if not address.isascii():
        # A server that takes SMTPUTF8 takes UTF-8 here; encoded-words beside it would be wrong (F17).
        return header.mailbox("To", "", address)
    known = [name for name in values.names if name.strip()]
    shown = known[0] if len(known) == 1 and len(known[0]) <= _LONGEST_SHOWN_NAME else ""
    return header.mailbox("To", shown, address)


def _leave(url: str, mailto: str | None) -> tuple[bytes, bytes, bytes]:
    """The link to leave by: as a header field, in text and in HTML; the same one in all three (L1, L9)."""
    if mailto is None and len(url) < _PLAIN_LEAVE_LENGTH and _PLAIN_LEAVE.fullmatch(url):
        octets = url.encode("ascii")
        closed = octets + quoted_printable.SOFT_BREAK
        fold = b"" if len(octets) <= _UNFOLDED_LEAVE_LENGTH else b"\r\n"
        return b"List-Unsubscribe:%b <%b>\r\n" % (fold, octets), closed, closed
    if not (_LEAVE.fullmatch(url) or _LOOPBACK_LEAVE.fullmatch(url)):
        raise CopyError(f"“{url[:60]}” is no link to leave by: it needs https://, or http:// on loopback")
    if mailto is not None and not mailto.startswith("mailto:"):
        raise CopyError(f"“{mailto[:60]}” is not a mailto: address")
    field = header.uris("List-Unsubscribe", [url] if mailto is None else [url, mailto])
    return field, quoted_printable.encode(url), quoted_printable.encode(escape(url))
