"""A mail that is being read: what several detectors ask of it is worked out once, and only when asked.

Law of the file: `words` is what the report itself says to a person, and ends where the returned letter begins.
The letter is ours, so a refusal quoted in it would be about nobody.
"""

import re
from functools import cached_property
from html import unescape

from mailer.core.bounce.mime import MAX_HEAD, Headers, Part, fields, readable, walk

MAX_WORDS = 32 * 1024
MAX_OPENING = 4000
MAX_HTML = 128 * 1024

REPORTED = ("message/delivery-status", "message/global-delivery-status")
RETURNED = ("message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers",
            "message/global-headers")  # fmt: skip

# A line after which the returned letter stands in the text itself. (A literal line feed is found faster than `^`.)
_CUT = re.compile(
    r"\n(?:[-=*|_ \t]{0,100}(?:"
    r"below this line is (?:a|the) copy|enclosed is a copy of the message|this is a copy of (?:the|your) message"
    r"|below is a copy of the original|included is a copy of the message|(?:the )?header of the original message"
    r"|(?:the )?original message(?: headers?)?(?: follows|:?[ ]*-|[ ]*:?[ ]*$)|original mail as follows"
    r"|original message headers|original (?:message|mail) info"
    r"|(?:unsent|undelivered|returned|failed|rejected) (?:message|mail)(?: follows| below|[ ]*-|:?[ ]*$)"
    r"|(?:returned )?message (?:text|headers?|body|contents?) (?:follow|suppressed|below)"
    r"|here is your returned mail|bounced e-?mail:|a copy of the original message|the header and top \d+ lines"
    r"|message headers follow|your message reads|the attachment contains the original"
    r"|en-têtes de message d'origine|ursprüngliche (?:nachricht|kopfzeilen)|mensaje original|messaggio originale"
    r"|oorspronkelijke bericht|исходное сообщение|копия письма|原始邮件|附件中的内容"
    r")|from [^\s@]{1,64}@[^\s@]{1,255} +(?:mon|tue|wed|thu|fri|sat|sun) "
    r"|content-type:[ \t]*(?:message/rfc822|message/global$|text/rfc822-headers)"
    r"|>?received:[ \t]*(?:from|by)[ \t]|>?return-path:[ \t]*<?[^\s<>]+@)",
    re.IGNORECASE | re.MULTILINE,
)
_BREAKS = re.compile(r"<(?:br|/?p|/?div|/?tr|/?li|/?h\d|/?ul|/?table|/?pre)\b[^<>]{0,2000}>", re.IGNORECASE)
_UNSEEN = re.compile(r"<(?:style|script|head|title)\b", re.IGNORECASE)
_SEEN = re.compile(r"</(?:style|script|head|title)\s{0,20}>", re.IGNORECASE)
# A character whose number is longer than any; `unescape` raises at thousands of digits.
_NUMBER = re.compile(r"&#x?[0-9a-f]{8,}", re.IGNORECASE)
_TAG = re.compile(r"<(?:/?[a-z][a-z0-9]{0,15}(?=[\s/>])|!)[^<>]{0,2000}>", re.IGNORECASE)
_HEADER = re.compile(r"^[ \t>]*(?:received|return-path|from|to|subject|date|message-id|mime-version|x-[a-z-]+):[ \t]",
                     re.IGNORECASE | re.MULTILINE)  # fmt: skip
_QUOTED = re.compile(r"^>[ ]?", re.MULTILINE)


class Mail:
    """The message and its parts, in the shapes that detectors ask for."""

    def __init__(self, message: Part) -> None:
        self.message = message

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        return tuple(walk(self.message))

    @cached_property
    def _types(self) -> dict[str, list[Part]]:
        found: dict[str, list[Part]] = {}
        for part in self.parts:
            found.setdefault(part.content_type, []).append(part)
        return found

    def of_type(self, *types: str) -> list[Part]:
        return [part for name in types for part in self._types.get(name, ())]

    @cached_property
    def sender(self) -> str:
        return readable(self.message.get("from"))

    @cached_property
    def subject(self) -> str:
        return " ".join(readable(self.message.get("subject")).split())

    @cached_property
    def words(self) -> str:
        """What the report says in its text, each line after a line feed, without the returned letter."""
        return self._cut[0]

    @cached_property
    def opening(self) -> str:
        """Where a report says what it is: the subject and the first words, in lower case and single spaces."""
        return " ".join((self.subject + " " + self.words[:MAX_OPENING]).lower().split())

    @cached_property
    def returned(self) -> Headers:
        """The headers of the letter that came back: attached, or after the line in the text that announces it."""
        for part in self.of_type(*RETURNED):
            if part is not self.message:
                head = part.decoded(MAX_HEAD).lstrip(b"\n").partition(b"\n\n")[0]
                return fields(head.decode("utf-8", "replace"))
        found = _HEADER.search(self._cut[1])
        return fields(_QUOTED.sub("", self._cut[1][found.start() :]).partition("\n\n")[0]) if found else ()

    @cached_property
    def _cut(self) -> tuple[str, str]:
        text = self._text
        found = _CUT.search(text)
        return (text[: found.start()], text[found.start() :]) if found else (text, "")

    @cached_property
    def _text(self) -> str:
        """All plain text, or where there is none, what the HTML shows."""
        plain, shown = "", ""
        for part in self.parts:
            kind = part.content_type
            if kind == "text/plain" or (kind.startswith("multipart/") and len(self.parts) == 1):
                plain += part.text(4 * MAX_WORDS)[: MAX_WORDS - len(plain)] + "\n"
            elif kind == "text/html" and not shown:
                shown = _shown(part.text(MAX_HTML))[:MAX_WORDS]
            elif kind in RETURNED and part is not self.message and plain.strip():
                break
        return "\n" + (plain if plain.strip() else shown).replace("\u00a0", " ")


def _shown(html: str) -> str:
    seen = "".join(_UNSEEN.split(piece, maxsplit=1)[0] for piece in _SEEN.split(html))
    return unescape(_NUMBER.sub("", _TAG.sub("", _BREAKS.sub("\n", seen))))
