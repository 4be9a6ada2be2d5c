"""From what an author wrote to a letter: blocks and a template become encoded pieces, once per mailing.

Jinja2 in a sandbox -> MJML, linted -> HTML -> CSS inlined -> checked -> cut at slots and segments -> encoded
(design.md section 3; standards H2-H7, L9, S1, S2; traps: stack.md 4.3). What an author wrote reaches the
template as plain data, never as source. The word for slots is random, so that nobody can write one.
"""

import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from jinja2 import DictLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from mjml import mjml2html
from premailer import Premailer

from mailer.core import blocks as block_values
from mailer.core import quoted_printable
from mailer.core.characters import unsafe_in_lines
from mailer.core.errors import MailerError
from mailer.core.html_lint import complaints_about_html, complaints_about_residue
from mailer.core.letter import Letter, ListFacts, Piece, Sender, Slot, plain_context
from mailer.core.links import shown
from mailer.core.message import closing, part_opening
from mailer.core.mjml_lint import complaints_about_mjml
from mailer.core.plain_text import plain_text, wrapped
from mailer.core.written import Written

SEGMENTS = ("first",)
"""What a copy may have or not: `first` tells in a first letter that one may object at any time (P10)."""

CLIPPED = 100_000
LARGE = 80_000
LONGEST_MESSAGE = 500_000

_RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]{9,31}")


class CompileError(MailerError, ValueError):
    """This cannot become a letter; `complaints` holds every reason that was found."""

    def __init__(self, complaints: Sequence[str]) -> None:
        self.complaints = tuple(complaints)
        super().__init__("\n".join(complaints))


class Notice(NamedTuple):
    """A machine-made message, for message.one_off."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class _Marks:
    """The words that stand for slots and segments in one compile."""

    word: str

    def slot(self, name: str) -> str:
        return f"{self.word}slot{name}{self.word}"

    def segment(self, name: str) -> str:
        return f"{self.word}segment{name}{self.word}"

    def context(self) -> dict[str, object]:
        return {
            "slots": {name: self.slot(name) for name in ("names", "leave")},
            "segments": {name: self.segment(name) for name in SEGMENTS},
        }

    def without_segments(self, html: str) -> str:
        """The HTML as whoever gets every segment reads it."""
        return re.sub(rf"<!--/?{self.word}[a-z]+{self.word}-->", "", html)

    def is_slot(self, text: str) -> bool:
        return text == self.slot("leave")

    def pieces(self, text: str, part: str) -> Iterator[Piece]:
        """Cut a finished part into encoded pieces at its slots and segments."""
        w = self.word
        comment = re.compile(rf"<!--{w}segment([a-z]+){w}-->(.*?)<!--/{w}segment\1{w}-->", re.DOTALL)
        slot = re.compile(rf"{w}slot([a-z]+){w}")
        parts = comment.split(text)
        for index in range(0, len(parts), 3):
            yield from self._slotted(parts[index], slot, part, None)
            if index + 2 < len(parts):
                yield from self._slotted(parts[index + 2], slot, part, parts[index + 1])

    @staticmethod
    def _slotted(text: str, slot: re.Pattern[str], part: str, segment: str | None) -> Iterator[Piece]:
        for index, piece in enumerate(slot.split(text)):
            if index % 2:
                yield Piece(Slot(f"{piece}_in_{part}"), segment)
            elif piece:
                yield Piece(quoted_printable.encode(piece), segment)


def compile_letter(
    written: Written,
    *,
    template: str,
    sources: Mapping[str, str],
    sender: Sender,
    list_facts: ListFacts,
    language: str,
    word: str,
) -> Letter:
    """Compile one letter. `sources` maps template paths to texts; `word` is random, letters and digits."""
    marks = _Marks(_checked_word(word, written, sources, sender, list_facts))
    context = {
        "subject": written.subject,
        "preheader": written.preheader,
        "blocks": block_values.to_json(written.blocks),
        "body": plain_text(written.blocks),
        "sender": plain_context(sender),
        "list": plain_context(list_facts),
        **_language(language),
        **marks.context(),
    }
    rendered = _rendered(template, sources, context)
    html = _finished(rendered.html)
    letter = _cut(rendered._replace(html=html), marks)
    bare = marks.without_segments(html)
    _refuse(
        [
            *complaints_about_html(bare, title=letter.subject, placeholder=marks.is_slot),
            *complaints_about_residue(bare),
            *complaints_about_residue(rendered.text),
            *_complaints_about_leaving(letter),
        ]
    )
    return replace(letter, warnings=tuple(_weighed(letter, bare)))


def _cut(whole: Notice, marks: _Marks) -> Letter:
    """The two parts between their boundaries, in pieces."""
    boundary = f"=_{marks.word}"
    pieces = (
        Piece(part_opening(boundary, "plain")),
        *marks.pieces(whole.text, "text"),
        Piece(part_opening(boundary, "html")),
        *marks.pieces(whole.html, "html"),
        Piece(closing(boundary)),
    )
    return Letter(whole.subject, boundary, pieces)


def compile_notice(
    template: str,
    sources: Mapping[str, str],
    data: Mapping[str, object],
    *,
    sender: Sender,
    language: str,
    own_links: Collection[str] = (),
) -> Notice:
    """Render a machine-made message whole: there are few of them, and each has data of its own.

    `own_links` are addresses of this site, whose port, if it has one, is no slip of an author's.
    """
    _refuse(list(_complaints_about_data(data)))
    context = {**data, "sender": plain_context(sender), **_language(language)}
    rendered = _rendered(template, sources, context)
    finished = _finished(rendered.html)
    _refuse(list(complaints_about_html(finished, title=rendered.subject, placeholder=own_links.__contains__)))
    return Notice(rendered.subject, rendered.text, finished)


def _checked_word(word: str, *contents: object) -> str:
    if not _WORD.fullmatch(word):
        raise CompileError(["the word for slots must be 10 to 32 letters and digits, a letter first"])
    if any(word in repr(content) for content in contents):
        raise CompileError(["the text holds the random word that marks its slots; compile it again"])
    return word


def _language(language: str) -> dict[str, str]:
    primary = language.partition("-")[0].lower()
    return {"language": language, "direction": "rtl" if primary in _RIGHT_TO_LEFT else "ltr"}


def _complaints_about_data(value: object, where: str = "data") -> Iterator[str]:
    """A sandbox lets templates call what they are given, so they get nothing that can be called (S2)."""
    match value:
        case str():
            if found := unsafe_in_lines(value):
                yield f"{where} holds {found}"
        case bool() | int():
            return
        case Mapping():
            for key, item in value.items():
                yield from _complaints_about_data(item, f"{where}.{key}")
        case list() | tuple():
            for index, item in enumerate(value):
                yield from _complaints_about_data(item, f"{where}[{index}]")
        case _:
            yield f"{where} is a {type(value).__name__}; templates get texts, numbers and lists of them"


def _rendered(template: str, sources: Mapping[str, str], context: Mapping[str, object]) -> Notice:
    """Subject, text and MJML of a template."""
    environment = ImmutableSandboxedEnvironment(
        loader=DictLoader(sources),
        undefined=StrictUndefined,
        autoescape=lambda name: name is not None and name.endswith(".mjml"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(wrapped=wrapped, shown=shown)
    try:
        subject = " ".join(environment.get_template(f"{template}/subject.txt").render(context).split())
        text, mjml = (
            environment.get_template(f"{template}/{name}").render({**context, "subject": subject})
            for name in ("body.txt", "body.mjml")
        )
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        where = getattr(error, "name", None) or template
        raise CompileError([f"template {where}: {type(error).__name__}: {error}"]) from error
    return Notice(subject, _tidy(text), mjml)


def _tidy(text: str) -> str:
    """At most one blank line in a row, no blanks at line ends, one line end at the end."""
    lines = "\n".join(line.rstrip() for line in text.strip().split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines) + "\n"


def _finished(mjml: str) -> str:
    """MJML to HTML with its CSS inlined."""
    _refuse(list(complaints_about_mjml(mjml)))
    try:
        made = mjml2html(mjml.strip(), fonts={})
    except ValueError as error:
        raise CompileError([f"the MJML cannot be compiled: {error}"]) from error
    # premailer looks for the doctype in capitals and drops any other, which means quirks mode.
    made = made.replace("<!doctype html>", "<!DOCTYPE html>", 1)
    return inline_css(made).rstrip() + "\n"


def inline_css(html: str) -> str:
    """The style sheet's rules written into the elements; what cannot be inlined stays in the sheet."""
    inlined: str = Premailer(
        html,
        keep_style_tags=True,
        strip_important=False,
        disable_validation=True,
        allow_network=False,
        cssutils_logging_level=logging.CRITICAL,
    ).transform()
    return inlined


def _complaints_about_leaving(letter: Letter) -> Iterator[str]:
    always = {piece.content for piece in letter.pieces if piece.segment is None}
    for slot, part in ((Slot.LEAVE_IN_TEXT, "text"), (Slot.LEAVE_IN_HTML, "HTML")):
        if slot not in always:
            yield f"the {part} has no unsubscribe link; put slots.leave into the template"


def _weighed(letter: Letter, html: str) -> Iterator[str]:
    """Gmail clips a letter at about 102 kB of HTML, and with it the link to leave (F20, standards 4.3)."""
    decoded = len(html.encode("utf-8"))
    encoded = len(quoted_printable.encode(html))
    whole = sum(len(piece.content) for piece in letter.pieces if isinstance(piece.content, bytes))
    if max(decoded, encoded) >= CLIPPED or whole >= LONGEST_MESSAGE:
        raise CompileError(
            [f"the HTML has {decoded} bytes, {encoded} encoded; from {CLIPPED} readers clip it. Shorten it"]
        )
    if max(decoded, encoded) >= LARGE:
        yield f"the HTML has {decoded} bytes, {encoded} encoded; from {CLIPPED} on it is refused"


def _refuse(complaints: Sequence[str]) -> None:
    if complaints:
        raise CompileError(list(dict.fromkeys(complaints)))
