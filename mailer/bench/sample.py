"""The letter and the people of the benchmarks that need no site: about 37 KB on the wire, every name different."""

import random
from dataclasses import dataclass, replace

from mailer import library
from mailer.core.batch import Marks
from mailer.core.compile import compile_letter
from mailer.core.letter import Letter, ListFacts, Piece, Sender, Slot
from mailer.core.markup import parse
from mailer.core.message import LetterHeaders
from mailer.core.token import Keyring

DATE = "Tue, 01 Dec 2026 09:00:00 +0000"
REGIONS = tuple(f"region-{number}" for number in range(16))
_TEXT = (
    "the hall is mended and tea will be served again on Saturday while the group on the river writes to the council "
    "about lamps bridges paths and the long walk that members took in April with their friends"
)
_WORDS = tuple(_TEXT.split())
_FIRST = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gwen", "Hal", "Iris")
_LAST = ("Archer", "Baker", "Carter", "Dyer", "Fletcher", "Glover", "Hooper", "Mason", "Potter", "Sawyer", "Tanner")
_BEYOND_ASCII = ("Zoë", "Łukasz", "Siân", "Nuñez", "Ørsted", "Μαρία", "Олег")
_SENDER = Sender(
    organisation="The Friends of Example Street",
    postal_address=("1 Example Street", "Exampleton EX1 1AA"),
    contact="office@example.org",
    imprint="Promoted by A. Example for The Friends of Example Street, 1 Example Street, Exampleton EX1 1AA.",
    privacy_notice_url="https://www.example.org/privacy",
)
_FACTS = ListFacts(
    title="The Friends\u2019 Letter",
    reason="You are a member of The Friends of Example Street and asked for this letter.",
    list_id="friends-letter.example.org",
    owner="office@example.org",
    help_url="https://www.example.org/letters",
)
HEADERS = LetterHeaders("The Friends", "letters@example.org", "office@example.org", _FACTS)
MARKS = Marks(Keyring({1: bytes(range(32))}), "example.org", "bounces.example.org", "https://news.example.org/u/")


@dataclass(frozen=True, slots=True)
class Person:
    """What a sender knows of a copy."""

    address: str
    names: tuple[str, ...]
    handle: int
    segments: frozenset[str] = frozenset()


def markdown(paragraphs: int = 20) -> str:
    """An issue of so many paragraphs in plain words."""
    chance = random.Random(2369)  # noqa: S311 - the same text each time
    text = [f"## {_sentence(chance, 5)}\n\n{_paragraph(chance)}" for _ in range(paragraphs)]
    head = "---\nsubject: News from the Friends in November\npreheader: The hall is mended, the tea is on.\n---\n"
    return head + "\n\n".join(text) + "\n"


def letter() -> Letter:
    """The letter, compiled as a mailing's is."""
    templates = library.load(library.PROJECT, _SENDER.organisation).templates
    return compile_letter(
        parse(markdown()),
        template="newsletter",
        sources=templates,
        sender=_SENDER,
        list_facts=_FACTS,
        language="en-GB",
        word="Qk3v9x2q8w1Z",
    )


def with_inserts(plain: Letter) -> Letter:
    """The same with a paragraph for each of sixteen regions, in the text and in the HTML."""
    pieces: list[Piece] = []
    for piece in plain.pieces:
        pieces.append(piece)
        if piece.content in (Slot.NAMES_IN_TEXT, Slot.NAMES_IN_HTML):
            pieces += [Piece(f"News for {region}: {' '.join(_WORDS[:9])}=\r\n".encode(), region) for region in REGIONS]
    return replace(plain, pieces=tuple(pieces))


def people(count: int, regions: tuple[str, ...] = ()) -> list[Person]:
    """So many members; one in ten has a name beyond ASCII."""
    chance = random.Random(5321)  # noqa: S311 - the same people each time
    return [
        Person(
            address=f"member.{number}@post{number % 40}.example.net",
            names=(f"{chance.choice(_BEYOND_ASCII if number % 10 == 3 else _FIRST)} {_surname(chance, number)}",),
            handle=chance.getrandbits(64),
            segments=frozenset({regions[number % len(regions)]} if regions else ()),
        )
        for number in range(count)
    ]


def _surname(chance: random.Random, number: int) -> str:
    """No two alike: the number in letters follows."""
    tail = "".join("abcdefghij"[int(digit)] for digit in str(number))
    return f"{chance.choice(_LAST)}-{tail.capitalize()}"


def _sentence(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(_WORDS, k=words)).capitalize()


def _paragraph(chance: random.Random) -> str:
    return " ".join(f"{_sentence(chance, 12)}." for _ in range(4))
