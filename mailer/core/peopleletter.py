"""What a person wrote to an address of ours: to be taken off, that we have the wrong one, that they moved (P9, L10).

Law of the file: words never act. They put a wish and the sentence that carries it before somebody who decides, so a
phrase may be read too generously at no cost; a signed address, which is not read here, is what acts by itself. Only
what the person wrote is read: our own letter, quoted below, says "unsubscribe" in every copy.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mailer.core.bounce.mime import Part, parse, readable, walk
from mailer.core.matter import Wish

MOST_TEXT = 20_000
MOST_WORDS = 4_000
MOST_SENTENCE = 300
MOST_IDS = 50


#: First the wish whose loss would hurt most: who is not our member must not take our member off.
PHRASES: tuple[tuple[Wish, tuple[str, ...]], ...] = (
    (Wish.WRONG_PERSON, (
        "wrong person", "wrong address", "wrong email", "wrong e-mail", "not the person", "mistaken identity",
        "no one of that name", "no-one of that name", "nobody of that name", "nobody by that name",
        "no one by that name", "no-one by that name", "no such person", "not my name", "i do not know this person",
        "i don't know this person", "never heard of you", "never been a member", "not a member of yours",
    )),
    (Wish.LEAVE, (
        "unsubscribe", "take me off", "take us off", "take my name off", "take this address off", "remove me",
        "remove us", "remove my", "remove this address", "remove from your list", "remove from the list",
        "stop sending", "stop emailing", "stop e-mailing", "stop mailing", "stop writing", "stop contacting",
        "stop these", "stop all", "stop the", "no more emails", "no more e-mails", "no more letters",
        "no more newsletters", "not want to receive", "don't want to receive", "not wish to receive",
        "don't wish to receive", "no longer wish to", "no longer want", "not want any more", "don't want any more",
        "do not send me", "don't send me", "do not email", "don't email", "do not contact", "don't contact",
        "do not write", "don't write", "opt out", "opt me out", "leave me alone", "leave the list", "leave this list",
        "cancel my subscription", "delete my", "delete me", "forget me", "i never signed up", "i did not sign up",
        "dad-danysgrifio", "abmelden", "désabonner", "desabonner",
    )),
    (Wish.MOVED, (
        "i have moved", "i've moved", "we have moved", "we've moved", "have moved to", "moved house", "moved away",
        "new address", "new email", "new e-mail", "changed my email", "changed my e-mail", "change of address",
        "address has changed", "no longer use this", "not use this address",
    )),
)  # fmt: skip
#: These ask to leave only if they are all that somebody wrote.
ALONE = frozenset({"stop", "remove", "off", "leave", "quit", "end", "cancel", "no thanks", "no thank you", "stop it"})
_NOT = frozenset({"not", "never", "don't", "dont", "didn't", "won't", "wouldn't", "cannot", "can't", "without"})
#: So many words before a phrase are looked at for one that turns it round.
_TURNED_BY = 4

_CLAUSE = re.compile(r"[.!?;,\n]+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_ATTRIBUTION = re.compile(r"(?m)^On [^\n]{5,200}(?:\n[^\n]{0,100})?wrote:[ \t]*$")
#: What begins the copy of an earlier letter, or a signature: nothing after it is the person's own.
_REST = re.compile(
    r"(?mi)^(?:-{2,}[ \t]*(?:original|forwarded) message.*|begin forwarded message:.*|_{10,}[ \t]*|-- ?"
    r"|from:[ \t].{1,200}\n(?:sent|date|to|subject):.*|sent from (?:my|outlook|yahoo|mail for).*|get outlook for.*)$"
)
_NOT_SHOWN = re.compile(r"(?is)<(style|script|blockquote|head)\b.{0,20000}?</\1>")
_BREAK = re.compile(r"(?i)<(?:br|/p|/div|/li|/h[1-6])\b[^<>]{0,100}>")
_TAG = re.compile(r"<[^<>]{0,1000}>")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,500}>")
_ADDRESS = re.compile(r"""[^\s<>()\[\],;:"@]{1,64}@[^\s<>()\[\],;:"@]{1,255}""")
_MACHINE = re.compile(r"mailer-daemon|postmaster|mail delivery|no-?reply|do-?not-?reply", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PeopleLetter:
    """A letter that somebody wrote, or a machine (`automatic`): then it asks for nothing, whatever it says."""

    wish: Wish
    sentence: str
    sender: str
    answers: tuple[str, ...]
    automatic: bool


def read_letter(raw: bytes) -> PeopleLetter:
    """What the letter asks for, the sentence that says so, who wrote it, and the Message-IDs that it answers."""
    message = parse(raw)
    automatic = is_automatic(message)
    wish, sentence = (Wish.REPLY, "") if automatic else asked(_subject(message), own_words(text_of(message)))
    return PeopleLetter(wish, sentence, _sender(message), tuple(_answered(message)), automatic)


def is_automatic(message: Part) -> bool:
    """Whether a machine wrote it (RFC 3834 section 2): nothing comes of its words."""
    submitted = message.get("auto-submitted").partition(";")[0].strip().lower()
    return (
        submitted not in ("", "no")
        or message.get("return-path").strip() == "<>"
        or message.get("precedence").strip().lower() in ("auto_reply", "bulk", "junk", "list")
        or any(message.get(name) for name in ("x-autoreply", "x-autorespond", "list-id"))
        or _MACHINE.search(message.get("from")) is not None
    )


def asked(subject: str, words: str) -> tuple[Wish, str]:
    """The wish in a subject and in a person's own words, and the sentence that carries it."""
    for text in (words, subject):
        if _plain(text).strip(" .!") in ALONE:
            return Wish.LEAVE, _shown(text)
    for wish, phrases in PHRASES:
        for text in (words, subject):
            for sentence in filter(str.strip, _SENTENCE.split(text)):
                if any(_says(clause, phrase) for clause in _CLAUSE.split(_plain(sentence)) for phrase in phrases):
                    return wish, _shown(sentence)
    return Wish.REPLY, _shown(words) or _shown(subject)


def own_words(text: str) -> str:
    """A reply without the letters that it quotes, and without a signature."""
    text = text[:MOST_TEXT].replace("\r", "")
    rest = _REST.search(text)
    kept = _ATTRIBUTION.sub("", text[: rest.start()] if rest else text)
    return "\n".join(line for line in kept.split("\n") if not line.lstrip().startswith(">")).strip()[:MOST_WORDS]


def _says(clause: str, phrase: str) -> bool:
    """Whether the clause has the phrase, whole, and nothing before it that turns it round."""
    found = re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", clause)
    return found is not None and _NOT.isdisjoint(clause[: found.start()].split()[-_TURNED_BY:])


def _plain(text: str) -> str:
    return text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def _shown(text: str) -> str:
    return " ".join(text.split())[:MOST_SENTENCE]


def _subject(message: Part) -> str:
    """The subject, unless it is only that of our letter, sent back with "Re:"."""
    subject = readable(message.get("subject")).strip()[:500]
    return "" if re.match(r"(?i)(re|aw|antw|sv|fwd?|wg|tr)\s*:", subject) else subject


def text_of(message: Part) -> str:
    """Its words, quotations and all: the plain part, else the page without its tags."""
    parts = list(walk(message))
    plain = next((part for part in parts if part.content_type == "text/plain"), None)
    if plain is not None:
        return plain.text()[:MOST_TEXT]
    page = next((part for part in parts if part.content_type == "text/html"), None)
    return _without_tags(page.text()[:MOST_TEXT]) if page else ""


def _without_tags(page: str) -> str:
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", _NOT_SHOWN.sub("", page))))


def _sender(message: Part) -> str:
    found = _ADDRESS.search(message.get("from"))
    return found[0][:254] if found else ""


def _answered(message: Part) -> Iterator[str]:
    written = f"{message.get('in-reply-to')} {message.get('references')}"
    yield from _MESSAGE_ID.findall(written)[:MOST_IDS]
