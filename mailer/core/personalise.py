"""From a letter and one copy's values to the octets of a message (design.md section 3; performance.md 3).

No template engine, no e-mail object, nothing encoded twice: ready pieces and a few small values are joined.
What is a value here was data all its life: template marks in a name are letters like any other (S1).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from operator import itemgetter

from mailer.core import header, quoted_printable
from mailer.core.address import check_wire
from mailer.core.errors import MailerError
from mailer.core.letter import Letter, Slot
from mailer.core.message import LetterHeaders, Signs, fixed_fields, signatures

NAMELESS = "friend"
"""What the greeting says where we know no name: “Dear friend,”."""
AND = " and "

_KNOWN_NAMES = 65_536
_LONGEST_SHOWN_NAME = 120
_LONGEST_PLAIN_NAME = 60
_PLAIN_TO = header.LONGEST_ENCODED_LINE - len("To:  <>")
_PLAIN_MESSAGE_ID = header.LONGEST_LINE - len("Message-ID: <>")
_PLAIN_PATH = quoted_printable.LONGEST_LINE - 1 - len("https://")
_UNFOLDED_PATH = header.LONGEST_LINE - len("List-Unsubscribe: <https://>")

# Octets that stand for themselves in a header, in quoted-printable and in HTML. Values that hold only these need
# no further look; all others take the slow path, which is always right.
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_IN_NAME = _LETTERS + b" -"
_IN_VALUES = _LETTERS + b"._+-@/~\n"

_LEAVE = re.compile(r"(?:https://[A-Za-z0-9.-]+|http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::[0-9]+)?/[!-;=?-~]*")


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


def _encoded(names: tuple[str, ...]) -> tuple[bytes, bytes, bytes]:
    """The names of one copy as display name, in text and in HTML; a household is shown no display name."""
    if len(names) == 1 and (plain := _plain_name(names[0])):
        closed = plain + quoted_printable.SOFT_BREAK
        return plain, closed, closed
    return _encoded_slowly(names)


@lru_cache(maxsize=_KNOWN_NAMES)
def _encoded_slowly(names: tuple[str, ...]) -> tuple[bytes, bytes, bytes]:
    spoken = greeting_names(names)
    in_text = quoted_printable.encode(spoken)
    escaped = escape(spoken)
    in_html = in_text if escaped == spoken else quoted_printable.encode(escaped)
    known = [name for name in names if name.strip()]
    shown = known[0] if len(known) == 1 and len(known[0]) <= _LONGEST_SHOWN_NAME else ""
    return header.phrase("To", shown, len("To: ")).encode("ascii") if shown else b"", in_text, in_html


def _plain_name(name: str) -> bytes | None:
    if len(name) > _LONGEST_PLAIN_NAME or not name.isascii():
        return None
    octets = name.encode("ascii")
    if octets.translate(None, _IN_NAME) or b"  " in octets or octets.strip() != octets:
        return None
    return None if octets.startswith(b"From ") else octets


def greeting_names(names: Sequence[str]) -> str:
    """“Ann Smith”, “Ann Smith and Bob Smith”, “Ann, Bob and Cy”; a friend where there is no name."""
    known = [" ".join(header.guard("name", name).split()) for name in names]
    known = [name for name in known if name]
    if not known:
        return NAMELESS
    return AND.join(filter(None, (", ".join(known[:-1]), known[-1])))


_TO, _DATE, _MESSAGE_ID, _LEAVE_IN_HEADER = range(4)
_NAMES_IN_TEXT, _NAMES_IN_HTML, _LEAVE_IN_TEXT, _LEAVE_IN_HTML = range(4, 8)
_VALUES = 8
_OF_SLOT = {
    Slot.NAMES_IN_TEXT: _NAMES_IN_TEXT,
    Slot.NAMES_IN_HTML: _NAMES_IN_HTML,
    Slot.LEAVE_IN_TEXT: _LEAVE_IN_TEXT,
    Slot.LEAVE_IN_HTML: _LEAVE_IN_HTML,
}


class _Frame:
    """One choice of segments: its fixed octets, and the order in which they and a copy's values are joined."""

    def __init__(self, head: Sequence[bytes | int], body: Sequence[bytes | Slot]) -> None:
        flat = [*head, b"\r\n", *(_OF_SLOT[part] if isinstance(part, Slot) else part for part in body)]
        self.body_starts = len(head) + 1
        self.fixed = tuple(part for part in flat if isinstance(part, bytes))
        places = iter(range(_VALUES, _VALUES + len(self.fixed)))
        self.arranged = itemgetter(*(next(places) if isinstance(part, bytes) else part for part in flat))


class Builder:
    """Builds the copies of one mailing; each worker that sends it makes one."""

    def __init__(self, letter: Letter, headers: LetterHeaders, signers: Sequence[Signs] = ()) -> None:
        fixed = fixed_fields(headers, letter.subject, letter.boundary)
        self._letter = letter
        self._signers = tuple(signers)
        self._head = (
            fixed.before_to + b"To:", _TO, b"\r\n" + fixed.before_date, _DATE, b"Message-ID:", _MESSAGE_ID,
            b"\r\n" + fixed.before_leave + b"List-Unsubscribe:", _LEAVE_IN_HEADER,
            b"\r\n" + fixed.after_leave,
        )  # fmt: skip
        self._frames: dict[frozenset[str], _Frame] = {}
        self._date = ""
        self._date_field = b""

    def build(self, values: CopyValues) -> bytes:
        """The whole message: CRLF throughout, no octet over 127 but in an address that needs SMTPUTF8."""
        frame = self._frames.get(values.segments) or self._new_frame(values.segments)
        display, names_in_text, names_in_html = _encoded(values.names)
        to, message_id, leave, leave_in_text, leave_in_html = _plain(values, display) or _any(values, display)
        date = self._date_field if values.date == self._date else self._new_date(values.date)
        parts: tuple[bytes, ...] = frame.arranged(
            (to, date, message_id, leave, names_in_text, names_in_html, leave_in_text, leave_in_html, *frame.fixed)
        )
        if not self._signers:
            return b"".join(parts)
        head, body = b"".join(parts[: frame.body_starts]), b"".join(parts[frame.body_starts :])
        return signatures(head, body, self._signers) + head + body

    def _new_frame(self, segments: frozenset[str]) -> _Frame:
        frame = self._frames[segments] = _Frame(self._head, self._letter.choose(segments))
        return frame

    def _new_date(self, date: str) -> bytes:
        """All copies of one second have one date."""
        self._date, self._date_field = date, header.date(date)
        return self._date_field


_Forms = tuple[bytes, bytes, bytes, bytes, bytes]
"""To, Message-ID and List-Unsubscribe after their colons, without the last CRLF; the link in text and in HTML."""


def _plain(values: CopyValues, display: bytes) -> _Forms | None:
    """The forms of values that need no encoding and no fold but those foreseen; None for all others."""
    url = values.leave_url
    together = f"{values.address}\n{values.message_id}\n{url[8:]}"
    if not together.isascii() or url[:8] != "https://" or values.leave_mailto is not None:
        return None
    octets = together.encode("ascii")
    if octets.translate(None, _IN_VALUES) or octets.count(b"\n") != 2 or octets.count(b"@") != 2:
        return None
    address, message_id, path = octets.split(b"\n")
    if len(path) > _PLAIN_PATH or len(message_id) > _PLAIN_MESSAGE_ID:
        return None
    if len(address) + len(display) > _PLAIN_TO or b"\r" in display:
        return None
    to = b" %b <%b>" % (display, address) if display else b" " + address
    leave = b"https://" + path
    fold = b" <" if len(path) <= _UNFOLDED_PATH else b"\r\n <"
    closed = leave + quoted_printable.SOFT_BREAK
    return to, b" <" + message_id + b">", fold + leave + b">", closed, closed


def _any(values: CopyValues, display: bytes) -> _Forms:
    """The forms of any values, or a refusal."""
    url, mailto = values.leave_url, values.leave_mailto
    if not _LEAVE.fullmatch(url):
        raise CopyError(f"“{url[:60]}” is no link to leave by: it needs https://, or http:// on loopback")
    if mailto is not None and not mailto.startswith("mailto:"):
        raise CopyError(f"“{mailto[:60]}” is not a mailto: address")
    fields = (
        _to(display, values.address),
        header.message_id(values.message_id),
        header.uris("List-Unsubscribe", [url] if mailto is None else [url, mailto]),
    )
    to, message_id, leave = (field.partition(b":")[2].removesuffix(b"\r\n") for field in fields)
    return to, message_id, leave, quoted_printable.encode(url), quoted_printable.encode(escape(url))


def _to(display: bytes, address: str) -> bytes:
    check_wire(address)
    if not display or not address.isascii():
        # A server that takes SMTPUTF8 takes UTF-8 here; encoded-words beside it would be wrong (F17).
        return header.mailbox("To", "", address)
    fold = b"" if b"\n" not in display and len(display) + len(address) <= _PLAIN_TO else b"\r\n"
    return b"To: %b%b <%b>\r\n" % (display, fold, address.encode("ascii"))
