"""The blocks of an issue: what an author writes, as values, and their one plain JSON form.

Every save of an issue is a revision of these (design.md section 1). They are data from end to end: nothing
in them is ever markup or template source. The refusals here hold whatever door the blocks come through:
Markdown, JSON, or a page.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mailer.core.characters import unsafe_in_line
from mailer.core.errors import MailerError
from mailer.core.links import complaint_about_target, complaint_about_words, shown

DEEPEST = 6
"""Lists and quotes inside one another, marks inside marks: on deep trees mjml-python dies, not raises."""
MOST_NODES = 8_000


class BlockError(MailerError, ValueError):
    """These blocks cannot be part of a letter."""


@dataclass(frozen=True, slots=True)
class Text:
    text: str

    def __post_init__(self) -> None:
        if found := unsafe_in_line(self.text):
            raise BlockError(f"the text holds {found}; delete this character")


@dataclass(frozen=True, slots=True)
class Strong:
    inlines: tuple["Inline", ...]


@dataclass(frozen=True, slots=True)
class Emphasis:
    inlines: tuple["Inline", ...]


@dataclass(frozen=True, slots=True)
class Link:
    """A link; without words of its own it shows its address in readable form."""

    href: str
    inlines: tuple["Inline", ...] = ()

    def __post_init__(self) -> None:
        if complaint := complaint_about_target(self.href):
            raise BlockError(complaint)
        if self.inlines and (complaint := complaint_about_words(self.href, words(self.inlines))):
            raise BlockError(complaint)


@dataclass(frozen=True, slots=True)
class LineBreak:
    pass


Inline: TypeAlias = Text | Strong | Emphasis | Link | LineBreak


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading below the title, which is the letter's only one of level 1 (standards A4)."""

    level: int
    inlines: tuple[Inline, ...]

    def __post_init__(self) -> None:
        if self.level not in (2, 3, 4):
            raise BlockError(f"a heading of level {self.level}; there are 2, 3 and 4, the title is 1")
        if not words(self.inlines).strip():
            raise BlockError("a heading without words; write some or take the heading out")


@dataclass(frozen=True, slots=True)
class Paragraph:
    inlines: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class BulletedList:
    entries: tuple[tuple["Block", ...], ...]


@dataclass(frozen=True, slots=True)
class NumberedList:
    entries: tuple[tuple["Block", ...], ...]
    start: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.start <= 99_999:
            raise BlockError(f"a list that starts at {self.start}; numbers from 0 to 99999 fit")


@dataclass(frozen=True, slots=True)
class Quote:
    blocks: tuple["Block", ...]


@dataclass(frozen=True, slots=True)
class Rule:
    pass


Block: TypeAlias = Heading | Paragraph | BulletedList | NumberedList | Quote | Rule


def words(inlines: Sequence[Inline]) -> str:
    """The text of inlines as a reader sees it, without marks."""
    return "".join(_words(inlines))


def _words(inlines: Sequence[Inline]) -> Iterator[str]:
    for inline in inlines:
        match inline:
            case Text(text):
                yield text
            case LineBreak():
                yield " "
            case Link(href, ()):
                yield shown(href)
            case Strong(within) | Emphasis(within) | Link(_, within):
                yield from _words(within)


def to_json(blocks: Sequence[Block]) -> list[dict[str, object]]:
    """The plain JSON form: what a revision stores and what templates see."""
    return [_block_to_json(block) for block in blocks]


def _block_to_json(block: Block) -> dict[str, object]:
    match block:
        case Heading(level, inlines):
            return {"kind": "heading", "level": level, "inlines": _inlines_to_json(inlines)}
        case Paragraph(inlines):
            return {"kind": "paragraph", "inlines": _inlines_to_json(inlines)}
        case BulletedList(entries):
            return {"kind": "bulleted", "entries": [to_json(entry) for entry in entries]}
        case NumberedList(entries, start):
            return {"kind": "numbered", "start": start, "entries": [to_json(entry) for entry in entries]}
        case Quote(within):
            return {"kind": "quote", "blocks": to_json(within)}
        case Rule():
            return {"kind": "rule"}


def _inlines_to_json(inlines: Sequence[Inline]) -> list[dict[str, object]]:
    return [_inline_to_json(inline) for inline in inlines]


def _inline_to_json(inline: Inline) -> dict[str, object]:
    match inline:
        case Text(text):
            return {"kind": "text", "text": text}
        case Strong(within):
            return {"kind": "strong", "inlines": _inlines_to_json(within)}
        case Emphasis(within):
            return {"kind": "emphasis", "inlines": _inlines_to_json(within)}
        case Link(href, within):
            return {"kind": "link", "href": href, "inlines": _inlines_to_json(within)}
        case LineBreak():
            return {"kind": "break"}


def from_json(data: object) -> tuple[Block, ...]:
    """Read the plain JSON form back, refusing whatever it does not define."""
    return _Reader().blocks(data, 0)


class _Reader:
    """One reading: it counts what it has read, so that neither depth nor size can run away."""

    def __init__(self) -> None:
        self.nodes = 0

    def blocks(self, data: object, depth: int) -> tuple[Block, ...]:
        return tuple(self.block(item, depth) for item in self.items(data, depth))

    def inlines(self, data: object, depth: int) -> tuple[Inline, ...]:
        return tuple(self.inline(item, depth) for item in self.items(data, depth))

    def entries(self, data: object, depth: int) -> tuple[tuple[Block, ...], ...]:
        return tuple(self.blocks(item, depth) for item in self.items(data, depth))

    def items(self, data: object, depth: int) -> list[object]:
        if not isinstance(data, list):
            raise BlockError(f"blocks: a list was expected, not {type(data).__name__}")
        self.nodes += len(data)
        refuse_size(depth, self.nodes)
        return data

    def block(self, data: object, depth: int) -> Block:
        match _kind(data):
            case "heading":
                level, inlines = _fields(data, "level", "inlines")
                return Heading(_number(level), self.inlines(inlines, 0))
            case "paragraph":
                (inlines,) = _fields(data, "inlines")
                return Paragraph(self.inlines(inlines, 0))
            case "bulleted":
                (entries,) = _fields(data, "entries")
                return BulletedList(self.entries(entries, depth + 1))
            case "numbered":
                entries, start = _fields(data, "entries", "start")
                return NumberedList(self.entries(entries, depth + 1), _number(start))
            case "quote":
                (within,) = _fields(data, "blocks")
                return Quote(self.blocks(within, depth + 1))
            case "rule":
                _fields(data)
                return Rule()
            case kind:
                raise BlockError(f"blocks: there is no block of kind {kind!r}")

    def inline(self, data: object, depth: int) -> Inline:
        match _kind(data):
            case "text":
                (text,) = _fields(data, "text")
                return Text(_string(text))
            case "strong" | "emphasis" as kind:
                (within,) = _fields(data, "inlines")
                made: Callable[[tuple[Inline, ...]], Inline] = Strong if kind == "strong" else Emphasis
                return made(self.inlines(within, depth + 1))
            case "link":
                href, within = _fields(data, "href", "inlines")
                return Link(_string(href), self.inlines(within, depth + 1))
            case "break":
                _fields(data)
                return LineBreak()
            case kind:
                raise BlockError(f"blocks: there is no inline of kind {kind!r}")


def refuse_size(depth: int, nodes: int) -> None:
    """Hold the bounds of a letter's tree; every reader of blocks calls this as it descends."""
    if depth > DEEPEST:
        raise BlockError(f"more than {DEEPEST} levels inside one another; make the structure flatter")
    if nodes > MOST_NODES:
        raise BlockError(f"more than {MOST_NODES} pieces of text; send two letters")


def _kind(data: object) -> object:
    return data.get("kind") if isinstance(data, Mapping) else type(data).__name__


def _fields(data: object, *names: str) -> tuple[object, ...]:
    if not isinstance(data, Mapping) or data.keys() != {"kind", *names}:
        wanted = ", ".join(("kind", *names))
        raise BlockError(f"blocks: the fields {wanted} were expected, no more and no fewer")
    return tuple(data[name] for name in names)


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BlockError(f"blocks: a number was expected, not {value!r}")
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise BlockError(f"blocks: a text was expected, not {type(value).__name__}")
    return value
