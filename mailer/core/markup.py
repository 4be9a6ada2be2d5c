"""From an author's Markdown to blocks (CommonMark through markdown-it-py; standards H6, A4, A5, D16).

What blocks cannot hold is refused with its line, never dropped in silence, and all complaints come at once.
The author's headings are set below the title whatever their level was, so that no level is skipped. A `---`
under a line of text is a rule, not a heading, and indented text is text: that is what people mean who do not
know Markdown.
"""

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from mailer.core.blocks import (
    Block,
    BlockError,
    BulletedList,
    Emphasis,
    Heading,
    Inline,
    LineBreak,
    Link,
    NumberedList,
    Paragraph,
    Quote,
    Rule,
    Strong,
    Text,
    refuse_size,
    words,
)
from mailer.core.characters import unsafe_in_line
from mailer.core.links import shown
from mailer.core.written import (
    TEMPLATE_MARK,
    LineComplaint,
    MarkupError,
    Written,
    front_matter,
    front_warnings,
)

LONGEST_FILE = 200_000

_REFUSED = {
    "html_block": "HTML; write it as Markdown, or &lt; for a plain <",
    "html_inline": "HTML; write it as Markdown, or &lt; for a plain <",
    "image": "a picture; letters are text: say it in words, or link to the page that shows it",
    "table_open": "a table; write it as a list",
    "fence": "a code block; write it as plain paragraphs",
    "code_inline": "text between backticks; take the backticks out",
}
_ADDRESS = re.compile(r"https?://[^\s<>\"“”]+|(?<![\w.+-])[\w.+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?![\w-])")
_DEEPER = frozenset(
    f"{kind}_{end}"
    for kind in ("blockquote", "bullet_list", "ordered_list", "strong", "em", "link")
    for end in ("open", "close")
)
_RUN_OF_SPACES = re.compile("\t|[ \t\u00a0]{2,}")
_AFTER_ADDRESS = ".,;:!?'\u2019”…*_"


def parse(text: str) -> Written:
    """Read a file of front matter and Markdown; MarkupError names everything that is wrong with it."""
    if len(text) > LONGEST_FILE:
        raise MarkupError([LineComplaint(1, f"more than {LONGEST_FILE} characters; send two letters")])
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    complaints = [
        LineComplaint(number, f"it holds {found}; delete this character")
        for number, line in enumerate(lines, start=1)
        if (found := unsafe_in_line(line.replace("\t", " ")))
    ]
    if complaints:
        raise MarkupError(complaints)
    front, body_starts, complaints = front_matter(lines)
    reading = _Reading(body_starts, front.get("subject", ""))
    blocks = reading.read("\n".join(lines[body_starts:]))
    complaints += reading.complaints
    complaints += [
        LineComplaint(number, f"the template mark “{mark[0]}”; the greeting names the member, write words only")
        for number, line in enumerate(lines[body_starts:], start=body_starts + 1)
        if (mark := TEMPLATE_MARK.search(line))
    ]
    if not blocks and not complaints:
        complaints.append(LineComplaint(body_starts + 1, "the letter is empty; write it below the second ---"))
    if complaints:
        raise MarkupError(sorted(complaints, key=lambda complaint: complaint.line))
    warnings = (*front_warnings(front), *map(str, reading.warnings))
    return Written(front["subject"], front["preheader"], blocks, warnings)


def _markdown() -> MarkdownIt:
    """CommonMark that recognises what we refuse, so that it can be named; nothing is ever rendered by it."""
    markdown = MarkdownIt("commonmark", {"html": True, "maxNesting": 60})
    markdown.enable("table").disable(["lheading", "code"])
    markdown.validateLink = lambda url: True  # type: ignore[method-assign]  # noqa: ARG005 - we refuse it
    return markdown


class _Reading:
    """One reading of one body: the token stream, the complaints, and the outline of headings so far."""

    def __init__(self, lines_before: int, subject: str) -> None:
        self.lines_before = lines_before
        self.subject = subject
        self.complaints: list[LineComplaint] = []
        self.warnings: list[LineComplaint] = []
        self._outline: list[int] = []
        self._line = lines_before + 1
        self._within = 0

    def read(self, body: str) -> tuple[Block, ...]:
        tokens = _markdown().parse(body)
        try:
            self._bounded(tokens, 0)
        except BlockError as refusal:
            self._complain(str(refusal))
            return ()
        return tuple(self._blocks(iter(tokens), None))

    def _bounded(self, tokens: Sequence[Token], nodes: int) -> int:
        """Hold the bounds before anything descends; the number of tokens seen."""
        depth = 0
        for token in tokens:
            nodes += 1
            if token.type in _DEEPER:
                depth += token.nesting
            if token.map:
                self._line = self.lines_before + token.map[0] + 1
            refuse_size(depth, nodes)
            nodes = self._bounded(token.children or (), nodes)
        return nodes

    def _complain(self, text: str) -> None:
        self.complaints.append(LineComplaint(self._line, text))

    def _blocks(self, tokens: Iterator[Token], closing: str | None) -> Iterator[Block]:
        for token in tokens:
            if token.type == closing:
                return
            if token.map:
                self._line = self.lines_before + token.map[0] + 1
            try:
                yield from self._block(token, tokens)
            except BlockError as refusal:
                self._complain(str(refusal))

    def _block(self, token: Token, tokens: Iterator[Token]) -> Iterator[Block]:
        match token.type:
            case "paragraph_open":
                if inlines := self._inlines_until("paragraph_close", tokens):
                    yield Paragraph(inlines)
            case "heading_open":
                yield from self._heading(int(token.tag[1:]), self._inlines_until("heading_close", tokens))
            case "bullet_list_open":
                yield BulletedList(self._entries("bullet_list_close", tokens))
            case "ordered_list_open":
                yield NumberedList(self._entries("ordered_list_close", tokens), int(token.attrs.get("start", 1)))
            case "blockquote_open":
                yield Quote(self._nested("blockquote_close", tokens))
            case "hr":
                yield Rule()
            case kind:
                self._refuse(kind, tokens)

    def _refuse(self, kind: str, tokens: Iterator[Token]) -> None:
        self._complain(_REFUSED[kind])
        if kind == "table_open":
            next(token for token in tokens if token.type == "table_close")

    def _nested(self, closing: str, tokens: Iterator[Token]) -> tuple[Block, ...]:
        self._within += 1
        try:
            return tuple(self._blocks(tokens, closing))
        finally:
            self._within -= 1

    def _entries(self, closing: str, tokens: Iterator[Token]) -> tuple[tuple[Block, ...], ...]:
        entries: list[tuple[Block, ...]] = []
        for token in tokens:
            if token.type == closing:
                break
            entries.append(self._nested("list_item_close", tokens))
        return tuple(entry for entry in entries if entry)

    def _heading(self, level: int, inlines: tuple[Inline, ...]) -> Iterator[Block]:
        if self._within:
            self._complain("a heading inside a list or quote; write it in bold, or end the list first")
            return
        first = not self._outline
        while self._outline and self._outline[-1] >= level:
            self._outline.pop()
        self._outline.append(level)
        if first and words(inlines).strip().casefold() == self.subject.casefold():
            self._outline.pop()
            self.warnings.append(LineComplaint(self._line, "the heading repeats the subject, so it is left out"))
            return
        if len(self._outline) > 3:
            self._complain("a heading four levels deep; three are enough for a letter")
            return
        yield Heading(1 + len(self._outline), inlines)

    def _inlines_until(self, closing: str, tokens: Iterator[Token]) -> tuple[Inline, ...]:
        inlines: tuple[Inline, ...] = ()
        for token in tokens:
            if token.type == closing:
                break
            inlines = self._trimmed(self._inlines(iter(token.children or ()), None))
        return inlines

    @staticmethod
    def _trimmed(inlines: Sequence[Inline]) -> tuple[Inline, ...]:
        """Without the blank ends that a removed mark or line break leaves."""
        kept = list(inlines)
        while kept and isinstance(kept[-1], LineBreak):
            kept.pop()
        return tuple(kept)

    def _inlines(self, tokens: Iterator[Token], closing: str | None) -> tuple[Inline, ...]:
        made: list[Inline] = []
        for token in tokens:
            if token.type == closing:
                break
            try:
                for inline in self._inline(token, tokens, linkable=closing != "link_close"):
                    _append(made, inline)
            except BlockError as refusal:
                self._complain(str(refusal))
        return tuple(made)

    def _inline(self, token: Token, tokens: Iterator[Token], *, linkable: bool) -> Iterator[Inline]:
        match token.type:
            case "text":
                yield from self._text(_RUN_OF_SPACES.sub(" ", token.content), linkable=linkable)
            case "strong_open":
                if within := self._inlines(tokens, "strong_close"):
                    yield Strong(within)
            case "em_open":
                if within := self._inlines(tokens, "em_close"):
                    yield Emphasis(within)
            case "link_open":
                yield self._link(token, tokens)
            case "softbreak" | "hardbreak" as kind:
                self._line += 1
                yield LineBreak() if kind == "hardbreak" else Text(" ")
            case kind:
                self._complain(_REFUSED[kind])

    def _text(self, text: str, *, linkable: bool) -> Iterator[Inline]:
        start = 0
        for found in _ADDRESS.finditer(text) if linkable else ():
            address = _without_what_follows(found[0])
            if text[start : found.start()]:
                yield Text(text[start : found.start()])
            yield self._checked_link(address if "://" in address else f"mailto:{address}", ())
            start = found.start() + len(address)
        if text[start:]:
            yield Text(text[start:])

    def _link(self, token: Token, tokens: Iterator[Token]) -> Inline:
        line, href = self._line, str(token.attrGet("href") or "")
        within = self._inlines(tokens, "link_close")
        self._line = line
        if token.attrGet("title"):
            self.warnings.append(LineComplaint(line, "the title of the link is left out"))
        if token.info == "auto" or words(within).strip() in (href, shown(href), href.removeprefix("mailto:")):
            return self._checked_link(href, ())
        if not words(within).strip():
            raise BlockError("a link without words; say where it leads")
        return self._checked_link(href, within)

    def _checked_link(self, href: str, within: tuple[Inline, ...]) -> Link:
        link = Link(href, within)
        if href.lower().startswith("http://"):
            self.warnings.append(LineComplaint(self._line, f"“{href[:60]}” is not encrypted; use https:// if it works"))
        return link


def _without_what_follows(address: str) -> str:
    """An address in running text without the punctuation of its sentence."""
    while address:
        last = address[-1]
        unopened = last == ")" and address.count(")") > address.count("(")
        if last not in _AFTER_ADDRESS and not unopened:
            break
        address = address[:-1]
    return address


def _append(made: list[Inline], inline: Inline) -> None:
    """Join what belongs together: text to text, and neighbouring links to the same place (A5)."""
    last = made[-1] if made else None
    if isinstance(inline, Text) and isinstance(last, Text):
        made[-1] = Text(last.text + inline.text)
    elif isinstance(inline, Link) and isinstance(last, Link) and inline.href == last.href:
        made[-1] = Link(last.href, last.inlines + inline.inlines)
    else:
        made.append(inline)
