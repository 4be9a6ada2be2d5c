"""What the letter's tests share: the shipped templates, an invented sender, hostile text, and a reader of octets."""

import email
import tomllib
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from mailer.core.compile import compile_letter
from mailer.core.letter import Letter, ListFacts, Sender
from mailer.core.markup import parse
from mailer.core.message import LetterHeaders
from mailer.core.personalise import Builder, CopyValues
from mailer.core.written import Written

TEMPLATES = Path(__file__).parents[2] / "templates" / "email"
LETTERS = sorted((Path(__file__).parent / "letters").glob("*.md"))
WORD = "Qk3v9x2q8w1Z"

SENDER = Sender(
    organisation="Riverside Members\u2019 Group",
    postal_address=("The Old Library, 4 Mill Lane", "Norwich NR3 1AB"),
    contact="post@example.org",
    imprint="Printed and promoted by A. Okafor for the Riverside Members\u2019 Group, both at the address above.",
    privacy_notice_url="https://www.example.org/privacy",
)
FACTS = ListFacts(
    title="The Chair\u2019s Letter",
    reason="You are a member of the Riverside Members\u2019 Group and asked for the chair\u2019s letter.",
    list_id="chairs-letter.lists.example.org",
    owner="secretary@example.org",
    help_url="https://www.example.org/letters",
)
HEADERS = LetterHeaders("Riverside", "letters@example.org", "chair@example.org", FACTS)
VALUES = CopyValues(
    address="ann@example.net",
    names=("Ann Smith",),
    message_id="q7.k2m@letters.example.org",
    leave_url="https://letters.example.org/u/AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGQ",
    date="Tue, 01 Dec 2026 09:00:00 +0000",
)

HOSTILE = (
    "\r", "\n", "\r\n", "\x00", "\x0b", "\x0c", "\x1f", "\x7f", "\x85", "\u2028", "\u2029", "\ud800", "\ufffe",
    "\u202e", "\u200f", "\u00a0", "😀", "é", "ж", "W" * 2_000, "=?utf-8?q?a=0D=0ABcc:_evil@example.net?=",
    "=?utf-16?b?DQAKAA==?=", "=?utf-8?q?x", "?=", "=", "==", ".", "..", "\n.\n", "\n.\r\n", "\r\n.\r\n",
    "\r\n\x00.\r\n", "\r\nMAIL FROM:<evil@example.net>", "From ", "\nFrom me", "{{7*7}}", "{% include 'x' %}",
    "{{ ''.__class__ }}", f"--=_{WORD}", f"--=_{WORD}--", WORD, f"{WORD}slotnames{WORD}", "<script>alert(1)</script>",
    "<!--", "-->", "]]>", "&amp;", "&", "<b>", '"', "'", "\\", ",", ";", "@", " ", "  ", "\t", "a", "Ann",
)  # fmt: skip

hostile_text = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=8), max_size=8).map("".join)


@cache
def sources() -> dict[str, str]:
    """The shipped templates, as the library would read them."""
    files = (file for file in TEMPLATES.rglob("*") if file.is_file())
    return {file.relative_to(TEMPLATES).as_posix(): file.read_text(encoding="utf-8") for file in files}


FAREWELL: dict[str, Any] = tomllib.loads(sources()["farewell/sample.toml"])["data"]


def compiled(written: Written, **changes: Any) -> Letter:
    facts: dict[str, Any] = {
        "template": "newsletter",
        "sources": sources(),
        "sender": SENDER,
        "list_facts": FACTS,
        "language": "en-GB",
        "word": WORD,
    }
    return compile_letter(written, **(facts | changes))


def written(body: str, subject: str = "The hall is ours", preheader: str = "The keys came on Friday.") -> Written:
    return parse(f"---\nsubject: {subject}\npreheader: {preheader}\n---\n{body}\n")


@cache
def sample_letter() -> Letter:
    """The newsletter's own example."""
    sample = tomllib.loads(sources()["newsletter/sample.toml"])
    return compiled(written(sample["body"], sample["subject"], sample["preheader"]))


@cache
def letter_of(name: str) -> Letter:
    file = Path(__file__).parent / "letters" / f"{name}.md"
    return compiled(parse(file.read_text(encoding="utf-8")))


def built(letter: Letter, values: CopyValues = VALUES) -> bytes:
    return Builder(letter, HEADERS).build(values)


def read(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=SMTP)
    assert isinstance(message, EmailMessage)
    return message


def parts(raw: bytes) -> tuple[str, str]:
    """The text and the HTML of a message, with plain line ends."""
    text, html = (part.get_content() for part in read(raw).iter_parts())
    return text.replace("\r\n", "\n"), html.replace("\r\n", "\n")


def header_names(raw: bytes) -> list[str]:
    head = raw.split(b"\r\n\r\n", 1)[0].decode("utf-8")
    return [line.split(":")[0] for line in head.split("\r\n") if not line.startswith((" ", "\t"))]
