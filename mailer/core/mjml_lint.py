"""What MJML our templates may use, and where: MRML takes everything and passes faults on (standards H2, M8).

A table of tags with their parents. Left out on purpose: mj-include (it can end the process), mj-social,
mj-accordion, mj-carousel and mj-font (they fetch from foreign hosts), mj-preview (its white text costs spam
points), and pictures, until letters have them.
"""

from collections.abc import Iterator
from typing import Final

from lxml import etree

_CONTENT: Final = ("mj-column",)
_DEFAULTS: Final = ("mj-attributes",)

PARENTS: Final = {
    "mjml": (),
    "mj-head": ("mjml",),
    "mj-body": ("mjml",),
    "mj-title": ("mj-head",),
    "mj-breakpoint": ("mj-head",),
    "mj-style": ("mj-head",),
    "mj-attributes": ("mj-head",),
    "mj-all": _DEFAULTS,
    "mj-class": _DEFAULTS,
    "mj-raw": ("mj-head", "mj-body"),
    "mj-wrapper": ("mj-body",),
    "mj-section": ("mj-body", "mj-wrapper", *_DEFAULTS),
    "mj-column": ("mj-section", "mj-group", *_DEFAULTS),
    "mj-group": ("mj-section",),
    "mj-text": (*_CONTENT, *_DEFAULTS),
    "mj-divider": (*_CONTENT, *_DEFAULTS),
    "mj-spacer": (*_CONTENT, *_DEFAULTS),
    "mj-button": (*_CONTENT, *_DEFAULTS),
}
_HTML_PARENTS: Final = frozenset({"mj-text", "mj-raw", "mj-button"})
_HTML: Final = frozenset(
    {"a", "b", "blockquote", "br", "div", "em", "h1", "h2", "h3", "h4", "hr", "i", "li", "meta", "ol", "p"}
    | {"span", "strong", "ul"}
)
DEEPEST: Final = 40


def complaints_about_mjml(source: str) -> Iterator[str]:
    """Every fault of a rendered MJML source, with its line."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(source.strip(), parser)
    except etree.XMLSyntaxError as error:
        yield f"the MJML is not well-formed: {error.msg}"
        return
    if root.tag != "mjml":
        yield f"the MJML begins with <{root.tag}>, not <mjml>"
    for attribute in ("lang", "dir"):
        if not root.get(attribute):
            yield f"<mjml> lacks {attribute}; screen readers need it"
    yield from _complaints_below(root, 1)


def _complaints_below(parent: etree._Element, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        yield f"line {parent.sourceline}: more than {DEEPEST} tags inside one another"
        return
    for child in parent:
        if not isinstance(child.tag, str):
            continue
        fault = _misplaced(child.tag, str(parent.tag))
        if fault:
            yield f"line {child.sourceline}: {fault}"
        for name in map(str, child.attrib):
            if name.lower().startswith("on"):
                yield f"line {child.sourceline}: <{child.tag}> has the event handler {name}"
        yield from _complaints_below(child, depth + 1)


def _misplaced(tag: str, parent: str) -> str | None:
    if tag in PARENTS:
        return None if parent in PARENTS[tag] else f"<{tag}> must not stand in <{parent}>"
    if tag in _HTML:
        return None if parent in _HTML_PARENTS or parent in _HTML else f"<{tag}> must not stand in <{parent}>"
    return f"<{tag}> is not a tag that letters use"
