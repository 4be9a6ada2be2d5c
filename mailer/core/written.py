"""What an author wrote: subject, preheader and blocks; and the front matter of a file for the first two.

The two lines go into headers and into HTML; they are guarded here whatever door they come through (F16, H3).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mailer.core.blocks import Block
from mailer.core.characters import unsafe_in_line
from mailer.core.errors import MailerError

LONGEST_LINE = 200
_GOOD_SUBJECT = 70
_GOOD_PREHEADER = range(40, 131)
_KEYS = ("subject", "preheader")

TEMPLATE_MARK = re.compile(r"\{\{|\}\}|\{%|%\}|\{#|#\}|\*\|[^|\s]+\|\*")
"""Marks of template languages: in an author's text they are a slip that members would see (H5, S1)."""


@dataclass(frozen=True, slots=True)
class LineComplaint:
    """One thing wrong with the file: where, what, and what to do."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


class MarkupError(MailerError, ValueError):
    """The file cannot be a letter yet; `complaints` holds every reason."""

    def __init__(self, complaints: Sequence[LineComplaint]) -> None:
        self.complaints = tuple(complaints)
        super().__init__("\n".join(map(str, complaints)))


@dataclass(frozen=True, slots=True)
class Written:
    """What an author wrote. `warnings` are for showing; they are not part of the letter."""

    subject: str
    preheader: str
    blocks: tuple[Block, ...]
    warnings: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        for name, value in (("subject", self.subject), ("preheader", self.preheader)):
            if complaint := _complaint_about_line(value):
                raise MarkupError([LineComplaint(1, f"{name}: {complaint}")])


def _complaint_about_line(value: str) -> str | None:
    if found := unsafe_in_line(value):
        return f"it holds {found}; delete this character"
    if not value.strip():
        return "it is empty; write one line"
    if len(value) > LONGEST_LINE:
        return f"it has {len(value)} characters; {LONGEST_LINE} are the most"
    if mark := TEMPLATE_MARK.search(value):
        return f"it holds the template mark “{mark[0]}”; write the words themselves"
    return None


def front_matter(lines: Sequence[str]) -> tuple[dict[str, str], int, list[LineComplaint]]:
    """The keys, the index of the body's first line, and what is wrong with them."""
    start = next((index for index, line in enumerate(lines) if line.strip()), 0)
    end = next((i for i in range(start + 1, len(lines)) if lines[i].strip() == "---"), None)
    if lines[start].strip() != "---" or end is None:
        wanted = "the file must begin with ---, subject: ..., preheader: ..., --- on four lines"
        return {}, 0, [LineComplaint(start + 1, wanted)]
    front: dict[str, str] = {}
    complaints: list[LineComplaint] = []
    for number, line in enumerate(lines[start + 1 : end], start=start + 2):
        key, colon, value = line.partition(":")
        key, value = key.strip().lower(), value.strip()
        if not line.strip():
            continue
        if not colon or key not in _KEYS:
            complaints.append(LineComplaint(number, f"“{line.strip()[:40]}”: only subject: and preheader: stand here"))
        elif key in front:
            complaints.append(LineComplaint(number, f"{key}: it is there twice; keep one"))
        else:
            front[key] = value
            if complaint := _complaint_about_line(value):
                complaints.append(LineComplaint(number, f"{key}: {complaint}"))
    complaints += [
        LineComplaint(start + 1, f"{key}: is missing; add it between the --- lines")
        for key in _KEYS
        if key not in front
    ]
    return front, end + 1, complaints


def front_warnings(front: Mapping[str, str]) -> Iterator[str]:
    subject, preheader = front["subject"], front["preheader"]
    if len(subject) > _GOOD_SUBJECT:
        yield f"subject: it has {len(subject)} characters; phones show about 40, most readers {_GOOD_SUBJECT}"
    if subject.isupper() and len(subject) > 8:
        yield "subject: it is all capitals, which filters take for shouting"
    if len(preheader) not in _GOOD_PREHEADER:
        yield f"preheader: it has {len(preheader)} characters; 40 to 130 read best beside the subject"
    if preheader.casefold() == subject.casefold():
        yield "preheader: it repeats the subject; say what else is in the letter"
    for key, value in front.items():
        if len(value) > 1 and value[0] == value[-1] == '"':
            yield f"{key}: the quotation marks around it will be shown"
