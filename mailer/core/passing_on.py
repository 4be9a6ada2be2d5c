"""What a person answered to a letter of ours, as a letter of ours to whoever answers for the list (L10, T22, F16).

Law of the file: the words travel and nothing else. The original is never attached, however small: its envelope and its
headers hold the signed address of its reader's letter, its quotation the link by which that reader leaves, and its
attachments may be anything. So tokens are taken out of the words, and what was left behind is said. A machine's mail,
mail from an address of ours and mail that we made is never passed on: nothing can go in a circle.
"""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from html import escape

from mailer.core.address import Address, AddressError, normal
from mailer.core.address import parse as read_address
from mailer.core.bounce.mime import Part, parse, readable, walk
from mailer.core.characters import without_unsafe
from mailer.core.peopleletter import is_automatic, text_of
from mailer.core.token import redact

#: Characters of an answer that are passed on, and of its subject.
MOST_TEXT = 10_000
MOST_SUBJECT = 200
#: Answers in 24 hours from one address, and to one letter: enough for a conversation, too few for a circle or a flood.
MOST_A_DAY = 5

_RE = re.compile(r"(?i)^\s*(?:(?:re|aw|antw|sv)\s*:\s*)+")
_IN_BRACKETS = re.compile(r"[^<>]*<([^<>]+)>\s*")
_BROKEN_WORD = re.compile(r"\S+\Z")
_WORDS = ("text/plain", "text/html")


@dataclass(frozen=True, slots=True)
class PassedOn:
    """The letter: its parts, and the address that an answer to it goes to."""

    subject: str
    text: str
    html: str
    reply_to: str


@dataclass(frozen=True, slots=True)
class Ours:
    """What no mail may come from if it is to be passed on: addresses in normal form, and the domain of return paths."""

    addresses: Set[str]
    return_domain: str

    def has(self, address: Address) -> bool:
        """Whether it is one of ours."""
        return address.domain == self.return_domain.lower() or normal(address) in self.addresses


def author_of(raw: bytes, ours: Ours) -> Address | None:
    """Who wrote it, if it may be passed on: a person who can be answered, at an address that is none of ours."""
    message = parse(raw)
    # Whatever says X-Loop was passed on by a program before.
    if is_automatic(message) or message.get("x-loop") or len(message.get_all("from")) != 1:
        return None
    written = message.get("from").strip()
    bracketed = _IN_BRACKETS.fullmatch(written)
    try:
        author = read_address((bracketed[1] if bracketed else written).strip())
    except AddressError:
        return None
    return None if ours.has(author) else author


def own_id(raw: bytes) -> str:
    """The Message-ID that it gives itself: one that we signed is our own letter, come round."""
    return parse(raw).get("message-id").strip()


def passed_on(raw: bytes, author: Address, *, subject: str, title: str) -> PassedOn:
    """The letter about an answer to our letter with this `subject`, of the list with this `title`."""
    message = parse(raw)
    words, is_cut = _words(message)
    opening = (
        f"{author.text} answered “{subject}” ({title}). The answer came to the address for mail that cannot be"
        f" delivered, so it is passed on to you. If you answer this letter, your answer goes to {author.text}."
    )
    paragraphs = [opening, words or "(They wrote no words.)", *_left_behind(message, is_cut=is_cut)]
    about = _subject(message) or subject
    return PassedOn(
        subject=f"Re: {about}",
        text="\n\n".join(paragraphs) + "\n",
        html=_page(about, paragraphs),
        reply_to=author.text,
    )


def _page(title: str, paragraphs: Sequence[str]) -> str:
    """The same for programs that show HTML only: nothing of theirs is markup."""
    shown = "\n".join("<p>" + escape(each).replace("\n", "<br>\n") + "</p>" for each in paragraphs)
    head = f"<head><title>{escape(title)}</title></head>"
    return f'<!DOCTYPE html>\n<html lang="en-GB">{head}<body>\n{shown}\n</body></html>\n'


def _words(message: Part) -> tuple[str, bool]:
    """What they wrote, with its quotations but without our tokens, and whether it was cut."""
    text = text_of(message)
    is_cut = len(text) > MOST_TEXT
    # Cut between words: half a token would not be known for one.
    kept = _BROKEN_WORD.sub("", text[:MOST_TEXT]) if is_cut else text
    return without_unsafe(redact(kept.replace("\r\n", "\n")), lines=True).strip(), is_cut


def _left_behind(message: Part, *, is_cut: bool) -> list[str]:
    leaves = [part for part in walk(message) if not part.content_type.startswith("multipart/")]
    others = sum(part.content_type not in _WORDS for part in leaves)
    said = [f"The answer is longer: this is what stands in its first {MOST_TEXT:,} characters."] if is_cut else []
    if others:
        said.append(f"Not passed on, attachments or pictures: {others}. Ask for them if you need them.")
    return [f"--\n{' '.join(said)}"] if said else []


def _subject(message: Part) -> str:
    """Its subject without "Re:", as a header may hold it: nothing in it can be read as an encoded word once more."""
    written = redact(without_unsafe(readable(message.get("subject")), lines=False))
    return " ".join(_RE.sub("", written).replace("=?", "= ?").split())[:MOST_SUBJECT].strip()
