"""The grammar of single cells of the members' file: text in, a value or a CellError out.

What our own export wrote comes back as it was: a cell that a spreadsheet program could take for a formula
carries an apostrophe before it there, which is dropped here (standards S12). Control characters are refused
in every cell, line ends in all but the postal address and the evidence (standards F16).
"""

import re
import unicodedata
from collections.abc import Collection, Mapping
from datetime import date

from mailer.core.audience import Standing
from mailer.core.characters import unsafe_in_line, unsafe_in_lines
from mailer.core.consent import Channel
from mailer.core.errors import MailerError

#: The longest value of a cell, in characters, unless its column says otherwise.
LONGEST = 200

_GUARDED = re.compile(r"^'(?=[=+\-@\t\r\0])")
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_UK = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_NUMBER = re.compile(r"[^\W_]([\w ./-]{0,30}\w)?")
_REWRITTEN = re.compile(r"[0-9][.,]?[0-9]*E\+[0-9]+", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_VERSION = re.compile(r"[vV]?([0-9]{1,4})")
_APART = re.compile(r"[\W_]+")

#: How a consent can have reached us (standards P7). A paper form is one whether it came by hand or by post.
GIVEN_BY: Mapping[str, Channel] = {
    "paper form": Channel.PAPER_FORM,
    "web form": Channel.WEB_FORM,
    "event": Channel.EVENT,
    "e-mail": Channel.EMAIL,
    "telephone": Channel.TELEPHONE,
}
_OTHER_WORDS: Mapping[str, str] = {
    "paper": "paper form",
    "form": "paper form",
    "website": "web form",
    "online": "web form",
    "email": "e-mail",
    "phone": "telephone",
    "phone call": "telephone",
}
#: What people take for a consent, and why it is none (standards P2, P7).
_NO_CONSENT: Mapping[str, str] = {
    "soft opt in": "A soft opt-in does not cover what a political or campaigning organisation sends.",
    "legitimate interest": "E-mail needs the person's consent; a legitimate interest is not enough.",
    "membership": "Joining is not consenting to letters: the two must be asked apart.",
    "pre ticked": "A box ticked beforehand is no consent.",
    "implied": "Consent is something that a person did; it cannot be implied.",
    "assumed": "Consent is something that a person did; it cannot be assumed.",
    "verbal": "Say how: at an event, or by telephone (with a note of the call).",
}


class CellError(MailerError, ValueError):
    """A cell that cannot be read: what is wrong, and what to do."""

    def __init__(self, what: str, todo: str) -> None:
        super().__init__(f"{what} {todo}")
        self.what = what
        self.todo = todo


def quoted(text: str) -> str:
    """A cell's text for a complaint: short, and with nothing in it that could steer a terminal."""
    shown = "".join(c if c.isprintable() else f"<U+{ord(c):04X}>" for c in text[:60])
    return f"“{shown}{'…' if len(text) > 60 else ''}”"


def tidy(text: str, *, lines: bool = False, longest: int = LONGEST) -> str:
    """The text of a cell in NFC, without the space around it and without the guard against formulas."""
    text = _GUARDED.sub("", text.strip())
    if text.isascii() and text.isprintable():
        return _not_too_long(text, longest)
    if lines:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if unsafe := unsafe_in_lines(text) if lines else unsafe_in_line(text):
        raise CellError(f"This cell holds {unsafe}, which no text of ours may.", "Type its text anew.")
    return _not_too_long(unicodedata.normalize("NFC", text), longest)


def _not_too_long(text: str, longest: int) -> str:
    if len(text) > longest:
        raise CellError(f"This has {len(text)} characters.", f"Shorten it to at most {longest}.")
    return text


def read_number(text: str) -> str:
    """The organisation's own number of a member: letters, digits, and ``. / -`` or single blanks within."""
    _not_rewritten(text)
    if not _NUMBER.fullmatch(text):
        raise CellError(
            f"{quoted(text)} cannot be a number of ours.",
            "Use up to 32 letters and digits, with . / - or blanks only between them.",
        )
    return text


def _not_rewritten(text: str) -> None:
    if _REWRITTEN.fullmatch(text):
        raise CellError(
            f"The spreadsheet program has rewritten this number as {quoted(text)}.",
            "Format the column as text and enter the number anew.",
        )


def read_standing(text: str) -> Standing:
    """What the person is to the organisation."""
    try:
        return Standing(text.casefold())
    except ValueError:
        raise CellError(f"{quoted(text)} is not a standing.", f"Use one of: {', '.join(Standing)}.") from None


def read_language(text: str) -> str:
    """A language tag (RFC 5646), written as usual: en, cy, en-GB."""
    if not _LANGUAGE.fullmatch(text):
        raise CellError(f"{quoted(text)} is not a language tag.", "Use one like en, cy, pl or en-GB.")
    first, *rest = text.split("-")
    return "-".join([first.lower(), *(_subtag(part) for part in rest)])


def _subtag(part: str) -> str:
    if len(part) == 2:
        return part.upper()
    return part.title() if len(part) == 4 and part.isalpha() else part.lower()


def read_telephone(text: str) -> str:
    """A telephone number as people write it; only what a spreadsheet program has spoilt is refused."""
    _not_rewritten(text)
    return text


def read_date(text: str, today: date) -> date:
    """A day as 2025-12-31 or 31/12/2025, not after today."""
    if iso := _ISO.fullmatch(text):
        year, month, day = iso.groups()
    elif uk := _UK.fullmatch(text):
        day, month, year = uk.groups()
    else:
        raise CellError(f"{quoted(text)} is not a date.", "Write it as 2025-12-31 or 31/12/2025.")
    try:
        when = date(int(year), int(month), int(day))
    except ValueError:
        raise CellError(
            f"{quoted(text)} is no day of the calendar.",
            "Write 2025-12-31, or 31/12/2025 with the day first.",
        ) from None
    if when > today:
        raise CellError(f"{quoted(text)} lies in the future.", "Enter the day on which it happened.")
    if when.year < 1990:
        raise CellError(f"{quoted(text)} lies before there was e-mail.", "Enter the year with its four figures.")
    return when


def channel_given(text: str) -> Channel:
    """How a consent was given."""
    word = _APART.sub(" ", text.casefold()).strip()
    for name, channel in GIVEN_BY.items():
        if word in (_APART.sub(" ", name), channel.value.replace("_", " ")):
            return channel
    if word in _OTHER_WORDS:
        return GIVEN_BY[_OTHER_WORDS[word]]
    known = f"Use one of: {', '.join(GIVEN_BY)}."
    for excuse, reason in _NO_CONSENT.items():
        if excuse in word:
            raise CellError(reason, f"If the person consented apart from that, say how. {known}")
    raise CellError(f"{quoted(text)} is not a way in which consent is given.", known)


def channel_left(text: str) -> Channel:
    """How a person left: any channel, by its name in the ledger or as said of a consent."""
    word = _APART.sub("_", text.casefold()).strip("_")
    for channel in Channel:
        if word == channel.value:
            return channel
    try:
        return channel_given(text)
    except CellError:
        raise CellError(
            f"{quoted(text)} is not a way of leaving.",
            f"Use one of: {', '.join(c.value.replace('_', ' ') for c in Channel)}; or leave it empty.",
        ) from None


def read_wording(text: str, known: Collection[int]) -> int:
    """The version of the words that were shown: one that the list has had."""
    version = int(found[1]) if (found := _VERSION.fullmatch(text)) else 0
    if version not in known:
        versions = ", ".join(map(str, sorted(known)))
        raise CellError(
            f"{quoted(text)} is no version of this list's wording that we know.",
            f"Enter the version that the person was shown: {versions}.",
        )
    return version


def read_evidence(text: str, channel: Channel | None) -> str:
    """Where the consent can be seen. Of a call nothing is left but a note: who took it, and what was said."""
    if channel is Channel.TELEPHONE and len(text.split()) < 3:
        raise CellError(
            f"{quoted(text)} does not show a call.",
            "Note who took the call and what was said, in a few words.",
        )
    return text
