"""What must hold for the HTML of every letter, whatever template made it (A1-A5, H1, H5-H7, D16, P19).

Nothing foreign is loaded, nothing is left over from a template, and it reads well to a screen reader. The
checks look at the finished HTML, after all tools have had their way with it.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from lxml import html
from lxml.html import HtmlElement

from mailer.core.links import complaint_about_target, complaint_about_words

_FORBIDDEN_TAGS: Final = frozenset(
    {
        "applet",
        "audio",
        "base",
        "embed",
        "form",
        "frame",
        "iframe",
        "img",
        "input",
        "link",
        "object",
        "script",
    }
    | {"select", "svg", "textarea", "video"}
)
_LOADING_ATTRIBUTES: Final = frozenset({"action", "background", "data", "poster", "src", "srcset"})
_FORBIDDEN_CSS: Final = re.compile(
    r"@import|@font-face|url\s*\(|expression\s*\(|var\s*\(|display\s*:\s*(?:flex|grid)"
    r"|(?<![-\w])position\s*:",
    re.IGNORECASE,
)
_RESIDUE: Final = re.compile(
    r"\{\{|\}\}|\{%|%\}|\{#|#\}|\*\||\|\*|\blorem ipsum\b|\bDear\s*,|https?://localhost|https?://127\.",
    re.IGNORECASE,
)
_COMMENT: Final = re.compile(r"<!--(.*?)-->", re.DOTALL)
_LOADING: Final = re.compile(r"\b(?:src|background)\s*=|@import|url\s*\(|<link\b", re.IGNORECASE)
_CONDITIONAL: Final = re.compile(r"\[if [^\]]*\]>.*|<!\[endif\]", re.DOTALL)


def complaints_about_html(source: str, *, title: str, placeholder: Callable[[str], bool]) -> Iterator[str]:
    """Every fault of a finished letter; `placeholder` knows slots for links, and links of our own."""
    if not source.startswith("<!DOCTYPE html>"):
        yield "the HTML does not begin with <!DOCTYPE html>, so browsers fall back to the quirks of 1998"
    document = html.document_fromstring(source)
    yield from _foreign(document)
    yield from _comments(source)
    yield from _language(document)
    yield from _outline(document, title)
    yield from _tables(document)
    yield from _links(document, placeholder)


def complaints_about_residue(text: str) -> Iterator[str]:
    """What a template or a draft has left behind."""
    for found in _RESIDUE.finditer(text):
        yield f"“{found[0]}” is left over; mend the template or the text"


def _foreign(document: HtmlElement) -> Iterator[str]:
    for element in document.iter():
        if not isinstance(element.tag, str):
            continue
        if element.tag in _FORBIDDEN_TAGS:
            yield f"<{element.tag}> must not stand in a letter"
        for name, value in element.attrib.items():
            if fault := _fault_of_attribute(name, value):
                yield f"<{element.tag}> {fault}"
    for sheet in document.iter("style"):
        if found := _FORBIDDEN_CSS.search(sheet.text or ""):
            yield f"a style sheet has “{found[0]}”, which letters must not use"


def _fault_of_attribute(name: str, value: str) -> str | None:
    if name.startswith("on"):
        return f"has the event handler {name}"
    if name in _LOADING_ATTRIBUTES:
        return f"has {name}=“{value[:60]}”, which would be fetched when the letter is opened"
    if name == "style" and (found := _FORBIDDEN_CSS.search(value)):
        return f"has the style “{found[0]}”, which letters must not use"
    return None


def _comments(source: str) -> Iterator[str]:
    for found in _COMMENT.finditer(source):
        comment = found[1].strip()
        if not _CONDITIONAL.fullmatch(comment):
            yield f"the comment “{comment[:40]}” is left over; only Outlook's conditions stay"
        elif loading := _LOADING.search(comment):
            yield f"a condition for Outlook holds “{loading[0]}”, which would be fetched"


def _language(document: HtmlElement) -> Iterator[str]:
    body = document.find("body")
    wrappers = [child for child in body if isinstance(child.tag, str)] if body is not None else []
    if len(wrappers) != 1:
        yield "the body must hold one element that wraps everything, since clients drop the body itself"
    for element in (document, *wrappers):
        if not element.get("lang") or element.get("lang") == "und" or element.get("dir") not in ("ltr", "rtl"):
            yield f"<{element.tag}> lacks lang or dir; screen readers need them"


def _outline(document: HtmlElement, title: str) -> Iterator[str]:
    shown = document.findtext("head/title") or ""
    if " ".join(shown.split()) != " ".join(title.split()):
        yield "the <title> is not the subject"
    level = 0
    headings = list(document.iter("h1", "h2", "h3", "h4", "h5", "h6"))
    if [element.tag for element in headings].count("h1") != 1 or headings[0].tag != "h1":
        yield "a letter has exactly one h1, and it comes first"
    for element in headings:
        this = int(element.tag[1])
        if this > level + 1:
            yield f"a heading of level {this} follows one of level {level}; no level may be skipped"
        if not element.text_content().strip():
            yield f"an empty <{element.tag}>"
        level = this


def _tables(document: HtmlElement) -> Iterator[str]:
    for table in document.iter("table"):
        if table.get("role") not in ("presentation", "none"):
            yield "a layout table lacks role=presentation"


def _links(document: HtmlElement, placeholder: Callable[[str], bool]) -> Iterator[str]:
    for link in document.iter("a"):
        href, shown = link.get("href") or "", link.text_content()
        # Where we lead ourselves, the words may hold a member's name, and whoever leaves may be called anything.
        if not placeholder(href) and (complaint := complaint_about_target(href) or complaint_about_words(href, shown)):
            yield complaint
