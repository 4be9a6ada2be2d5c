"""The copies of one claim, made ready together and built one by one (performance.md section 3).

What can be looked at for all copies at once is: handles become tokens, and addresses and names are judged, in a few
passes over the whole claim. A copy whose values need more than that is built by itself and by itself refused: one bad
value never stops the others.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import repeat
from typing import Protocol

from mailer.core import header
from mailer.core.address import check_wire
from mailer.core.greeting import Called, called, called_plainly, closed
from mailer.core.leave_address import leave_mailto
from mailer.core.pattern import Pattern
from mailer.core.personalise import LEAVE, Builder, CopyError, CopyValues, opening
from mailer.core.seal import Seal
from mailer.core.token import Keyring, Purpose, octets_of

# What check_wire takes, of the characters that need no look at what readers of the header might make of them. Nothing
# is tried twice, so that no address, however made, takes long.
_LABEL = r"[a-z0-9]++(?:-++[a-z0-9]++)*+"
_ATOM = r"[A-Za-z0-9_'+-]++"
_PLAIN_ADDRESS = rf"{_ATOM}(?:\.{_ATOM})*+@{_LABEL}(?:\.{_LABEL})++"
_ONE_PLAIN, _ALL_PLAIN = re.compile(_PLAIN_ADDRESS), re.compile(rf"(?:{_PLAIN_ADDRESS}\n)*+")
#: No local part and no label can be too long in an address of no more characters.
_SHORT = 63
_TOKEN, _FOLDED_TOKEN = "A" * 34, "a" * 40


class Personal(Protocol):
    """What is known of a copy; `handle` is unsigned."""

    @property
    def address(self) -> str: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def handle(self) -> int: ...
    @property
    def segments(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class Marks:
    """What makes addresses and links of one site's tokens; `leave_prefix` is the link to leave up to its token.

    `leave_by_mail`: the header also names an address to leave by, at the bounce domain (standards L10). All is judged
    here, once, with tokens of the length that all have.
    """

    keyring: Keyring
    mail_domain: str
    bounce_domain: str
    leave_prefix: str
    leave_by_mail: bool = False

    def __post_init__(self) -> None:
        check_wire(f"b+{_FOLDED_TOKEN}@{self.bounce_domain}")
        header.message_id(f"{_FOLDED_TOKEN}@{self.mail_domain}")
        if not LEAVE.fullmatch(self.leave_prefix + _TOKEN):
            raise CopyError(f"“{self.leave_prefix[:60]}” begins no link to leave by")

    @property
    def is_plain(self) -> bool:
        """Whether the link stands as it is in quoted-printable and in HTML, on one line."""
        link = self.leave_prefix + _TOKEN
        return escape(link) == link and closed(link) == link.encode()

    def mailtos(self, handles: Sequence[bytes]) -> list[bytes]:
        """The addresses to leave by, of copies with these handles."""
        some = leave_mailto(self.keyring, 0, self.bounce_domain)
        before, _, after = some.encode().partition(self.keyring.sign_folded(Purpose.MAILTO, 0).encode())
        return [before + token + after for token in self.keyring.sign_all_folded(Purpose.MAILTO, handles)]


_DISPLAY, _OPENING, _ADDRESS, _DATED, _MESSAGE_ID, _LEAVE = range(6)
_VALUES = 6
#: Of a copy: its whole head, and what is personal in its body.
_HEAD, _IN_TEXT, _IN_HTML, _LINK = range(4)
_VALUES_OF_COPY = 4
#: Where the four values of a body are among those.
_OF_BODY = (_IN_TEXT, _IN_HTML, _LINK, _LINK)


class Copier:
    """Makes the copies of one mailing, a claim at a time; each worker that sends it makes one."""

    def __init__(self, builder: Builder, marks: Marks) -> None:
        self.builder = builder
        self.marks = marks
        fixed, link = builder.fixed, marks.leave_prefix + _TOKEN
        mailto = marks.mailtos(octets_of([0]))[0].decode()
        field = header.uris("List-Unsubscribe", [link, mailto] if marks.leave_by_mail else [link])
        before, _, after = field.partition(link.encode())
        #: What stands between the link and the address to leave by.
        self.between, _, rest = after.partition(mailto.encode())
        head = (
            fixed.before_to + b"To: ", _DISPLAY, _OPENING, _ADDRESS, _DATED, _MESSAGE_ID,
            b"@%b>\r\n%b%b" % (marks.mail_domain.encode(), fixed.before_leave, before), _LEAVE,
            (rest or after) + fixed.after_leave + b"\r\n",
        )  # fmt: skip
        #: The parts of a copy's head, with the empty line.
        self.head = Pattern(head, _VALUES).filled
        self.patterns: dict[frozenset[str], Pattern] = {}

    def batch(self, copies: Sequence[Personal]) -> "Batch":
        """The copies of one claim, to which more can be added; nothing is refused yet."""
        return Batch(self, copies)

    def pattern(self, segments: frozenset[str]) -> Pattern:
        """A copy with these segments: its head, and its body."""
        found = self.patterns.get(segments)
        if found is None:
            body = self.builder.body(segments).parts
            parts = [part if isinstance(part, bytes) else _OF_BODY[part] for part in body]
            found = self.patterns[segments] = Pattern([_HEAD, *parts], _VALUES_OF_COPY)
        return found

    def signed(
        self, seal: Seal, segments: frozenset[str], values: tuple[bytes, ...], body: tuple[bytes, ...], date: str
    ) -> tuple[bytes, ...]:
        """The parts of a copy with its signatures; the values of its head, and of its body."""
        display, between, address, _, message_id, leave = values
        domain = self.marks.mail_domain.encode()
        personal = (
            b"%b%b%b>" % (display, between.removeprefix(b"\r\n"), address), date.encode(),
            b"<%b@%b>" % (message_id, domain), b"<%b>" % leave.replace(b"\r\n", b""),
        )  # fmt: skip
        return self.builder.sealed(seal, self.head(values), segments, body, personal)

    def dated(self, date: str) -> bytes:
        """What stands between the address and the Message-ID."""
        return b">\r\n%b%bMessage-ID: <" % (self.builder.fixed.before_date, header.date(date))


class Batch:
    """The copies of one claim, in the order in which they came."""

    def __init__(self, copier: Copier, copies: Sequence[Personal]) -> None:
        self._copier = copier
        self._copies: list[Personal] = []
        self._rows: list[tuple[bytes, bytes, bytes, bytes, bytes | None, Called | None]] = []
        self._seal = copier.builder.seal
        self._patterns = copier.patterns
        self._head = copier.head
        self._date, self._dated = "", b""
        self.add(copies)

    def add(self, copies: Sequence[Personal]) -> range:
        """Make these ready, too; their places."""
        marks, before = self._copier.marks, len(self._copies)
        sign, handles = marks.keyring.sign_all_folded, octets_of([copy.handle for copy in copies])
        domain, prefix = b"@" + marks.bounce_domain.encode(), marks.leave_prefix.encode()
        links = [prefix + token for token in marks.keyring.sign_all(Purpose.LEAVE, handles)]
        self._rows += zip(
            [b"b+" + token + domain for token in sign(Purpose.VERP, handles)],
            sign(Purpose.MESSAGE_ID, handles),
            _beside(links, self._copier.between, marks.mailtos(handles)) if marks.leave_by_mail else links,
            links,
            _plain_addresses([copy.address for copy in copies]) if marks.is_plain else repeat(None),
            called_plainly([copy.names for copy in copies]),
            strict=False,
        )
        self._copies += copies
        return range(before, len(self._copies))

    def letter(self, place: int, date: str) -> tuple[bytes, tuple[bytes, ...]]:
        """Return path and message, in its parts, of the copy at this place of the claim, dated by its hand-over.

        The message is fit for the wire as it is, by construction: CRLF throughout, no line that begins with a dot, and
        no octet over 127 unless the address has one. So nobody need look through its octets again.
        Raises what `Builder.build` raises if this copy cannot be written.
        """
        return_path, message_id, leave, link, address, names = self._rows[place]
        display, in_text, in_html = names or called(self._copies[place].names)
        if address is None or b"\n" in display:
            return return_path, (self._by_itself(place, date),)
        segments = self._copies[place].segments
        dated = self._dated if date == self._date else self._new_date(date)
        values = (display, opening(display, address), address, dated, message_id, leave)
        if self._seal is not None:
            body = (in_text, in_html, link, link)
            return return_path, self._copier.signed(self._seal, segments, values, body, date)
        pattern = self._patterns.get(segments) or self._copier.pattern(segments)
        # The head is small, and put together: fewer parts are gathered.
        return return_path, pattern.filled((b"".join(self._head(values)), in_text, in_html, link))

    def _new_date(self, date: str) -> bytes:
        """All copies of one second have one date."""
        self._date, self._dated = date, self._copier.dated(date)
        return self._dated

    def _by_itself(self, place: int, date: str) -> bytes:
        _, message_id, leave, link, _, _ = self._rows[place]
        copy, between = self._copies[place], self._copier.between
        values = CopyValues(
            address=copy.address,
            names=copy.names,
            message_id=f"{message_id.decode()}@{self._copier.marks.mail_domain}",
            leave_url=link.decode(),
            date=date,
            segments=copy.segments,
            leave_mailto=leave[len(link) + len(between) :].decode() or None,
        )
        return self._copier.builder.build(values)


def _beside(links: Sequence[bytes], between: bytes, mailtos: Sequence[bytes]) -> list[bytes]:
    """Both ways to leave, as List-Unsubscribe has them."""
    return [link + between + mailto for link, mailto in zip(links, mailtos, strict=True)]


def _plain_addresses(addresses: Sequence[str]) -> Sequence[bytes | None]:
    """The addresses that need no further look as octets, None for all others."""
    if max(map(len, addresses), default=0) <= _SHORT:
        together = "\n".join([*addresses, ""])
        if _ALL_PLAIN.fullmatch(together) and together.count("\n") == len(addresses):
            return together.encode("ascii").split(b"\n")[:-1]
    return [
        address.encode("ascii") if len(address) <= _SHORT and _ONE_PLAIN.fullmatch(address) else None
        for address in addresses
    ]
