"""The plain text of a letter, made from its blocks and never from its HTML (H4; RFC 2046 section 5.1.4).

The same headings, paragraphs and lists in the same order; a link is its words, then its address.
"""

import textwrap
from collections.abc import Sequence

from mailer.core.blocks import (
    Block,
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
    words,
)

WIDTH = 72


def plain_text(blocks: Sequence[Block], width: int = WIDTH) -> str:
    """Blocks as lines of at most `width` columns; only an address may be longer."""
    return "\n\n".join(_block(block, width) for block in blocks)


def wrapped(text: str, width: int = WIDTH) -> str:
    """Lines of at most `width` columns, never broken inside a word."""
    lines = (
        textwrap.wrap(line, max(width, 20), break_long_words=False, break_on_hyphens=False) for line in text.split("\n")
    )
    return "\n".join("\n".join(line) for line in lines)


def _block(block: Block, width: int) -> str:
    match block:
        case Heading(level, inlines):
            line = wrapped(_inlines(inlines), width)
            longest = max(map(len, line.split("\n")))
            return f"{line}\n{'-' * longest}" if level == 2 else line
        case Paragraph(inlines):
            return wrapped(_inlines(inlines), width)
        case BulletedList(entries):
            return _list([(entry, "- ") for entry in entries], width)
        case NumberedList(entries, start):
            last = len(f"{start + len(entries) - 1}. ")
            marks = [f"{number}. ".rjust(last) for number in range(start, start + len(entries))]
            return _list(list(zip(entries, marks, strict=True)), width)
        case Quote(within):
            return _prefixed(plain_text(within, width - 2), "> ", "> ")
        case Rule():
            return "* * *"


def _list(entries: Sequence[tuple[Sequence[Block], str]], width: int) -> str:
    """Entries with hanging indents; those of more than a line or two stand apart."""
    items = [_prefixed(_entry(entry, width - len(mark)), mark, " " * len(mark)) for entry, mark in entries]
    gap = "\n\n" if any(item.count("\n") > 1 for item in items) else "\n"
    return gap.join(items)


def _entry(entry: Sequence[Block], width: int) -> str:
    """An entry's own list follows its words at once; anything else after a blank line."""
    text = ""
    for block in entry:
        close = isinstance(block, BulletedList | NumberedList)
        text += ("\n" if close else "\n\n") * bool(text) + _block(block, width)
    return text


def _prefixed(text: str, first: str, rest: str) -> str:
    lines = text.split("\n")
    return "\n".join(f"{first if index == 0 else rest}{line}".rstrip() for index, line in enumerate(lines))


def _inlines(inlines: Sequence[Inline]) -> str:
    return "".join(map(_inline, inlines))


def _inline(inline: Inline) -> str:
    match inline:
        case Text(text):
            return text
        case Strong(within):
            return f"*{_inlines(within)}*"
        case Emphasis(within):
            return f"_{_inlines(within)}_"
        case Link(href, within) if within and words(within) != _target(href):
            return f"{_inlines(within)} <{_target(href)}>"
        case Link(href, _):
            return f"<{_target(href)}>"
        case LineBreak():
            return "\n"


def _target(href: str) -> str:
    scheme, _, rest = href.partition(":")
    return rest if scheme.lower() in ("mailto", "tel") else href
