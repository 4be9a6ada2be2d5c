"""A message that came back, made into a specimen: what a detector needs, and nothing that leads to a person (B14).

Law of the file: what is not known to be harmless is replaced or left away. Headers and kinds of parts are a closed
list; every address, host, number of a machine, token and link becomes an example, the same one wherever it stands;
names that we know or that the message shows are taken out. Encodings are undone first: an address may hide in one.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import count

from mailer.core.bounce.mime import Part, parse, readable, walk
from mailer.core.token import redact

#: Headers that detectors ask for; of the first ones only the addresses stay, since the rest is somebody's name.
_OF_PEOPLE = frozenset(
    {"from", "to", "cc", "sender", "reply-to", "return-path", "delivered-to", "x-original-to", "x-failed-recipients"}
)
_HEADERS = _OF_PEOPLE | {
    "date", "subject", "message-id", "in-reply-to", "received", "auto-submitted", "precedence", "x-autoreply",
    "x-autorespond", "x-mailer", "list-id",
}  # fmt: skip
#: Words of mail systems, which are nobody's name: detectors know a report by them.
_OF_SYSTEMS = frozenset({
    "abuse", "account", "address", "administrator", "automatic", "autoreply", "bounce", "bounced", "bounces",
    "complaint", "complaints", "daemon", "delivered", "delivery", "error", "exchange", "failed", "failure",
    "feedback", "found", "full", "host", "inbox", "internet", "mail", "mailbox", "mailer", "mailing",
    "mailsystem", "message", "messages", "microsoft", "notification", "notifications", "notify", "office",
    "outlook", "postmaster", "program", "quota", "recipient", "rejected", "reply", "report", "reports",
    "response", "returned", "root", "scomp", "sender", "server", "service", "size", "smtp", "spam", "staff",
    "status", "subsystem", "support", "system", "transport", "undeliverable", "undelivered", "unknown", "user",
    "virus",
})  # fmt: skip
_SYSTEM = re.compile(r"mailer-daemon|postmaster|mail delivery (?:sub)?system", re.IGNORECASE)
_RETURNED = "text/rfc822-headers"
_PARTS = {
    **{each: each for each in (
        "text/plain", "text/html", "message/delivery-status", "message/global-delivery-status",
        "message/feedback-report", "message/disposition-notification",
    )},
    **dict.fromkeys(
        ("message/rfc822", "message/global", "message/rfc822-headers", "message/global-headers", _RETURNED), _RETURNED
    ),
}  # fmt: skip
_REPORTS = ("delivery-status", "feedback-report", "disposition-notification")
_BOUNDARY = "=_specimen"
_MOST_TEXT = 100_000

_OPEN = r"""[^\s<>()\[\],;:"'|]"""
_SHAPES = (
    ("url", r"\b(?:https?|ftp)(?::|%3a)[^\s<>\"']+|\bmailto:[^\s<>\"']+"),
    # An address, also as a return path, a link or quoted-printable writes it.
    ("person", rf"{_OPEN}{{1,320}}(?:@|=40|%40|\+40|\(at\)|\[at\]|&\#x?0*(?:64|40);){_OPEN}{{1,320}}"),
    ("host", r"(?<![\w.-])(?:[\w-]{1,63}\.){1,20}(?=[\w-]{0,63}[^\W\d_])[\w-]{2,63}"),
    ("ip4", r"(?<![\d.])\d{1,3}(?:[.-]\d{1,3}){3}(?![\d.])"),
    ("ip6", r"(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])(?<!::)"),
    ("long", r"(?<![\w-])(?=[\w-]{0,200}\d)[\w-]{12,}|\w{24,}|\d{6,}"),
)
_FIXED = {
    "url": "https://www.example.org/",
    "ip4": "192.0.2.1",
    "ip6": "2001:db8::1",
    "long": "0000",
    "name": "Example",
}
_NAME = re.compile(r"[^\W\d_]{3,}")
_DOMAIN = re.compile(r"@[^\s<>\",;]{1,255}")
_TIME = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?")


def specimen(raw: bytes, secrets: Iterable[str]) -> bytes:
    """The scrubbed message; `secrets` are names and other words of ours that must not stay."""
    message = parse(raw)
    shown = _words(_names_shown(message)) - _OF_SYSTEMS
    scrub = _Scrubber(_words(secrets) | shown)
    parts = [part for part in walk(message) if part.content_type in _PARTS]
    lines = [*_headers(message, scrub), *_body(message, parts, scrub)]
    return ("\n".join(lines).rstrip("\n") + "\n").encode("utf-8", "replace")


def _headers(message: Part, scrub: "_Scrubber") -> Iterator[str]:
    for name, value in message.headers:
        if name in _HEADERS:
            said = readable(value)
            kept = scrub.addresses(said) if name in _OF_PEOPLE else " ".join(scrub.text(said).split())
            yield f"{name.title()}: {kept}"
    yield "MIME-Version: 1.0"


def _body(message: Part, parts: list[Part], scrub: "_Scrubber") -> Iterator[str]:
    if not message.content_type.startswith("multipart/"):
        yield from _part(parts[0], scrub) if parts else ()
        return
    report = message.parameter("report-type").lower()
    of_a_kind = f"report; report-type={report}" if report in _REPORTS else "mixed"
    yield f'Content-Type: multipart/{of_a_kind}; boundary="{_BOUNDARY}"'
    yield ""
    for part in parts:
        yield f"--{_BOUNDARY}"
        yield from _part(part, scrub)
        yield ""
    yield f"--{_BOUNDARY}--"


def _part(part: Part, scrub: "_Scrubber") -> Iterator[str]:
    kind = _PARTS[part.content_type]
    text = part.text()[:_MOST_TEXT].replace("\r", "")
    yield f"Content-Type: {kind}; charset=utf-8"
    yield "Content-Transfer-Encoding: 8bit"
    yield ""
    # Of the letter that came back, no more than its headers.
    yield scrub.text(text.lstrip("\n").partition("\n\n")[0] if kind == _RETURNED else text)


def _names_shown(message: Part) -> Iterator[str]:
    """What stands beside and before the @ of those whom the message names."""
    for name, value in message.headers:
        if name in _OF_PEOPLE:
            yield readable(value)


def _words(names: Iterable[str]) -> set[str]:
    """The words of names, and of the addresses among them what stands before the @; a host has a shape of its own."""
    return {word.lower() for name in names for word in _NAME.findall(_DOMAIN.sub(" ", name))}


class _Scrubber:
    """Gives each thing an example, the same wherever it stands."""

    def __init__(self, words: Iterable[str]) -> None:
        names = "|".join(sorted(map(re.escape, words), key=len, reverse=True)) or r"(?!)"
        shapes = "|".join(f"(?P<{name}>{shape})" for name, shape in (*_SHAPES, ("name", names)))
        self._shapes = re.compile(shapes, re.IGNORECASE)
        self._person = re.compile(dict(_SHAPES)["person"], re.IGNORECASE)
        self._given: dict[str, str] = {}
        self._people, self._hosts = count(1), count(1)

    def text(self, text: str) -> str:
        """The text with everything replaced that could lead to somebody."""
        return self._shapes.sub(self._example, redact(text))

    def addresses(self, text: str) -> str:
        """The addresses alone, and the name of a mail system."""
        system = _SYSTEM.search(text)
        found = ", ".join(f"<{self._address(found[0])}>" for found in self._person.finditer(text)) or "<>"
        return f"{system[0]} {found}" if system else found

    def _example(self, found: "re.Match[str]") -> str:
        shape, what = str(found.lastgroup), found[0]
        if shape == "person":
            return self._address(what)
        if shape == "host":
            return self._once(what, "host{}.example.net", self._hosts)
        return what if shape == "ip6" and _TIME.fullmatch(what) else _FIXED[shape]

    def _address(self, address: str) -> str:
        return self._once(address, "person{}@example.org", self._people)

    def _once(self, what: str, example: str, numbers: "count[int]") -> str:
        key = what.casefold()
        if key not in self._given:
            self._given[key] = example.format(next(numbers))
        return self._given[key]
