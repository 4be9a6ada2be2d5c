"""What an SMTP server says, read from octets into values (RFC 5321 section 4.2, RFC 2034; T4, T8, T13).

Law of the file: lenient in form, strict in meaning. A bare LF ends a line, a code may stand alone and a line
may be long; but a line without a code, or a reply whose lines disagree about it, is never guessed at. Text is
made legible here, so that a server cannot write control characters into a log or a page.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Self

from mailer.core.errors import MailerError

#: Octets of one reply. RFC 5321 allows lines of 512, and no honest server comes near this with all of them.
REPLY_LIMIT = 64 * 1024

# The second digit is not checked: unknown codes such as 299 or 475 are handled by their first (T4).
_LINE = re.compile(rb"([2-5][0-9]{2})(?![0-9])(-?)[ \t]?(.*)", re.DOTALL)
# What follows the class in a status (RFC 3463 section 2).
_DETAIL = r"\.(?:0|[1-9][0-9]{0,2})\.(?:0|[1-9][0-9]{0,2})(?!\S)"
_STATUS = re.compile(rf"([245]){_DETAIL}")
# The usual reply: one whole line, legible as it stands, which may begin with a status of the code's own class.
_PLAIN = re.compile(rf"(([2-5])[0-9]{{2}}) (((?=[245])\2{_DETAIL})?[ -~]{{0,508}})\r\n".encode())
# One line each, that says go on: of the answers to a letter's MAIL, RCPT and DATA nothing else is asked.
_WELL = rb"[0-9]{2}(?:[ \r][^\n]{0,508})?\n"
_OPENED = re.compile(b"2" + _WELL + b"2" + _WELL + b"3" + _WELL)


class ProtocolError(MailerError, ValueError):
    """The server said something that is not SMTP."""


class Step(StrEnum):
    """Where in the dialogue something was said, or was missing."""

    CONNECT = "connect"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    FINAL_DOT = "final_dot"
    RSET = "rset"
    QUIT = "quit"


# To look it up in the enumeration for each letter takes six times as long.
_FINAL_DOT = Step.FINAL_DOT


class Reply(NamedTuple):
    """One reply: its code, the enhanced status if that agrees with the code, and the words of each line."""

    code: int
    status: str | None
    text: str

    @property
    def first_digit(self) -> int:
        """What decides: 2 done, 3 go on, 4 not now, 5 not like this (RFC 5321 section 4.2.1)."""
        return self.code // 100

    def __str__(self) -> str:
        return f"{self.code} {' '.join(self.text.split())}".rstrip()


@dataclass(slots=True)
class Answer:
    """What one hand-over ended with; nobody changes one, and to forbid it would cost each letter as much again.

    `reply` is None when none came that can be believed; `note` then says why. A 2xx ends a hand-over only as
    the answer to the final dot, and a 3xx never does: such values cannot be built. `accepted`: the server took the
    letter.
    """

    step: Step
    reply: Reply | None
    final_dot_written: bool
    note: str = ""
    accepted: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        digit = 4 if self.reply is None else self.reply.code // 100
        self.accepted = digit == 2 and self.step is _FINAL_DOT and self.final_dot_written
        if not self.accepted and digit not in (4, 5):
            raise ValueError(f"A hand-over cannot end with {self.reply and self.reply.code} at {self.step}.")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the server offered in its answer to EHLO (RFC 5321 section 4.1.1.1); keywords in any case."""

    pipelining: bool = False
    eight_bit_mime: bool = False
    size: int | None = None  # None: not offered; 0: offered without a fixed limit (RFC 1870 section 4)
    dsn: bool = False
    smtputf8: bool = False
    starttls: bool = False
    enhanced_status_codes: bool = False
    auth: frozenset[str] = frozenset()

    @classmethod
    def of(cls, ehlo: Reply) -> Self:
        """Read the lines below the first, which only greets."""
        offered: dict[str, list[str]] = {}
        for line in ehlo.text.split("\n")[1:]:
            # "AUTH=PLAIN LOGIN" is an old form that some servers send beside the standard one.
            keyword, *parameters = line.upper().replace("AUTH=", "AUTH ", 1).split() or [""]
            offered.setdefault(keyword, []).extend(parameters)
        limit = (offered.get("SIZE") or ["0"])[0]
        return cls(
            pipelining="PIPELINING" in offered,
            eight_bit_mime="8BITMIME" in offered,
            size=(int(limit) if re.fullmatch("[0-9]{1,20}", limit) else 0) if "SIZE" in offered else None,
            dsn="DSN" in offered,
            smtputf8="SMTPUTF8" in offered,
            starttls="STARTTLS" in offered,
            enhanced_status_codes="ENHANCEDSTATUSCODES" in offered,
            auth=frozenset(offered.get("AUTH", ())),
        )


class ReplyReader:
    """Replies out of a stream of octets, however it is cut.

    `take` raises only when it reaches the nonsense, so a reply that came before it is never lost. `empty`: nothing has
    come that was not taken, not even a part of a reply.
    """

    __slots__ = ("_at", "_code", "_lines", "_octets", "_size", "empty")

    def __init__(self) -> None:
        self._octets = b""
        self._at = 0
        self._lines: list[bytes] = []
        self._code = b""
        self._size = 0
        self.empty = True

    def feed(self, octets: bytes) -> None:
        self._octets = self._octets[self._at :] + octets
        self._at = 0
        self.empty = self.empty and not octets

    def skip_opened(self) -> bool:
        """Take the answers to MAIL, RCPT and DATA together if they say go on and have come whole; else none of them."""
        if self._lines or (opened := _OPENED.match(self._octets, self._at)) is None:
            return False
        self._taken_to(opened.end())
        return True

    def _taken_to(self, end: int) -> None:
        """Whole replies are taken up to here."""
        self._at = end
        self.empty = end == len(self._octets)

    def take(self) -> Reply | None:
        """The next whole reply, or None while there is not one."""
        if not self._lines and (plain := _PLAIN.match(self._octets, self._at)) is not None:
            self._taken_to(plain.end())
            code, _, text, status = plain.groups()
            return Reply(int(code), None if status is None else status.decode("ascii"), text.decode("ascii"))
        while (end := self._octets.find(b"\n", self._at)) >= 0:
            line = self._octets[self._at : end]
            self._bound(len(line))
            more = self._add(line.removesuffix(b"\r"))
            self._at = end + 1
            self._size += len(line) + 1
            if not more:
                self._taken_to(end + 1)
                return self._whole()
        self._bound(len(self._octets) - self._at)
        return None

    def _bound(self, octets: int) -> None:
        if self._size + octets > REPLY_LIMIT:
            raise ProtocolError(f"The server sent a reply of more than {REPLY_LIMIT} octets.")

    def _add(self, line: bytes) -> bool:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ProtocolError(f"The server sent a line that is not a reply: {_legible(line[:80])!r}.")
        code, more, text = match.groups()
        if self._lines and code != self._code:
            raise ProtocolError(f"The server began a reply as {int(self._code)} and went on as {int(code)}.")
        self._code = code
        self._lines.append(text)
        return bool(more)

    def _whole(self) -> Reply:
        code, text = int(self._code), "\n".join([_legible(line) for line in self._lines])
        self._lines.clear()
        self._size = 0
        return Reply(code, _status(code, text), text)


def parse(octets: bytes) -> Reply:
    """Exactly one whole reply, as for a scripted answer; anything else is refused."""
    reader = ReplyReader()
    reader.feed(octets)
    reply = reader.take()
    if reply is None or not reader.empty:
        raise ProtocolError(f"This is not exactly one reply: {_legible(octets[:80])!r}.")
    return reply


def _status(code: int, text: str) -> str | None:
    """The first status whose class agrees with the code; otherwise the code alone is trusted (T13)."""
    for line in text.split("\n") if "\n" in text else (text,):
        match = _STATUS.match(line)
        if match and int(match[1]) == code // 100:
            return match[0]
    return None


def _legible(octets: bytes) -> str:
    text = octets.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
