"""The demo's pages: what happened, every letter as it was caught, and why the others got none.

They read the demo's diary and Maildirs, and ask the gate with the chair's eyes; they change nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from mailer import access, reports
from mailer.core.delivery import CopyState, Outcome
from mailer.demo import diary, mailbag
from mailer.demo.mailbag import Item, Sort
from mailer.demo.people import CHAIR, NOTICES
from mailer.demo.proof import taken
from mailer.house import open_house
from mailer.reports import WithoutLetter

_WORDS: Mapping[str, tuple[str, str]] = {
    CopyState.ACCEPTED: ("accepted", "their mail server took the letter"),
    CopyState.BOUNCED: ("bounced", "it was taken, and came back later"),
    CopyState.COMPLAINED: ("complained", "it was taken, and its reader called it unwanted"),
    CopyState.REFUSED: ("refused", "their mail server said no at the door"),
    Outcome.WITHDRAWN: ("withdrawn", "they left, or their mailbox was lost, before it went"),
    Outcome.EXCLUDED: ("excluded", "they may not be written to, each for a stated reason"),
    Outcome.UNMAILABLE: ("no e-mail", "they are listed for a printed letter"),
}
_LETTER_POLICY = {
    "default-src": [NONE],
    "style-src": [UNSAFE_INLINE],
    "base-uri": [NONE],
    "form-action": [NONE],
    "frame-ancestors": [SELF],
    "sandbox": ["allow-popups", "allow-popups-to-escape-sandbox"],
}


_WHOLE, _NARROWEST = 1000, 12


@dataclass(frozen=True, slots=True)
class Share:
    """One outcome: how it is called, how many, and where it lies in a bar of a thousand."""

    outcome: str
    name: str
    meaning: str
    count: int
    begins: int
    width: int


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one of the two letters."""

    name: str
    subject: str
    candidates: int
    shares: tuple[Share, ...]
    taken: int
    counted: int
    without: tuple[tuple[str, tuple[WithoutLetter, ...]], ...]

    @property
    def short(self) -> int:
        """How many got none."""
        return sum(len(people) for _, people in self.without)


@dataclass(frozen=True, slots=True)
class Group:
    """Letters of one kind."""

    title: str
    anchor: str
    items: tuple[Item, ...]


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """The story, the sums, and where to look."""
    told = diary.read(_folder())
    groups = _groups(told)
    context = {
        "lines": told["lines"],
        "results": _results(told, groups),
        "groups": groups,
        "remarkable": _remarkable(groups),
        "faults": told.get("end", {}).get("faults", ()),
        "over": "end" in told,
    }
    return _page(request, "overview.html", context)


@require_safe
def none(request: HttpRequest) -> HttpResponse:
    """Everyone who got no letter, by reason."""
    told = diary.read(_folder())
    return _page(request, "none.html", {"results": _results(told, _groups(told))})


@require_safe
def letters(request: HttpRequest) -> HttpResponse:
    """All letters and reports."""
    return _page(request, "letters.html", {"groups": _groups(diary.read(_folder()))})


@require_safe
def letter(request: HttpRequest, name: str) -> HttpResponse:
    """One letter as phone and desktop, its plain text and its header fields."""
    groups = _groups(diary.read(_folder()))
    for group in groups:
        names = [item.name for item in group.items]
        if name in names:
            place = names.index(name)
            item = group.items[place]
            beside = {
                "previous": group.items[place - 1] if place else None,
                "next": group.items[place + 1] if place + 1 < len(names) else None,
            }
            context = {"item": item, "opened": mailbag.opened(item), "group": group, **beside}
            return _page(request, "letter.html", context)
    raise Http404


@require_safe
@csp(_LETTER_POLICY)  # type: ignore[arg-type]
def letter_html(request: HttpRequest, name: str) -> HttpResponse:  # noqa: ARG001
    """The HTML of a letter, with a policy of its own: its styles, nothing else. Links open beside the frame."""
    html = mailbag.opened(_item(name)).html
    if not html:
        raise Http404
    return _private(HttpResponse(html.replace("<head>", '<head><base target="_blank">', 1)))


@require_safe
def letter_source(request: HttpRequest, name: str) -> HttpResponse:  # noqa: ARG001
    """A letter as it came over the wire, octet for octet."""
    return _private(HttpResponse(_item(name).path.read_bytes(), content_type="text/plain; charset=utf-8"))


def _folder() -> Path:
    return Path(settings.CONFIG.data.dir)


def _items() -> list[Item]:
    return mailbag.items(_folder() / "caught", _folder() / "bounces")


def _item(name: str) -> Item:
    for item in _items():
        if item.name == name:
            return item
    raise Http404


def _groups(told: Mapping[str, Any]) -> tuple[Group, ...]:
    items = _items()
    sendings = told.get("sendings", ())
    groups = [
        Group(each["name"], f"list-{place}", tuple(i for i in items if i.list_id == each["list_id"]))
        for place, each in enumerate(sendings, 1)
    ]
    groups.append(Group("Farewell", "farewell", tuple(i for i in items if i.sort is Sort.FAREWELL)))
    groups.append(Group("What came back", "reports", tuple(i for i in items if i.sort is Sort.REPORT)))
    return tuple(group for group in groups if group.items)


def _results(told: Mapping[str, Any], groups: tuple[Group, ...]) -> tuple[Result, ...]:
    if "end" not in told:
        return ()
    now = datetime.now(UTC)
    chair, house = access.actor_by_email(CHAIR, now.date()), open_house(settings.CONFIG)
    subjects = {group.title: group.items[0].subject for group in groups}
    return tuple(
        Result(
            name=sending["name"],
            subject=subjects.get(sending["name"], ""),
            candidates=figures["candidates"],
            shares=_shares(figures["outcomes"]),
            taken=taken(figures["copies"]),
            counted=figures["server_counted"],
            without=_by_reason(reports.without_letter(chair, house, sending["issue"], now)),
        )
        for sending, figures in zip(told["sendings"], told["end"]["mailings"], strict=True)
    )


def _shares(outcomes: Mapping[str, int]) -> tuple[Share, ...]:
    names = [name for name in (*_WORDS, *sorted(outcomes.keys() - _WORDS.keys())) if outcomes.get(name)]
    widths = [max(_NARROWEST, _WHOLE * outcomes[name] / sum(outcomes.values())) for name in names]
    # The widest gives what the narrowest were helped to, so that one person of two hundred can be seen.
    widths[widths.index(max(widths))] -= sum(widths) - _WHOLE
    begins = accumulate(widths, initial=0.0)
    return tuple(
        Share(name, *_WORDS.get(name, (name, "")), outcomes[name], round(begin), round(begin + width) - round(begin))
        for name, width, begin in zip(names, widths, begins, strict=False)
    )


def _by_reason(people: tuple[WithoutLetter, ...]) -> tuple[tuple[str, tuple[WithoutLetter, ...]], ...]:
    """The commonest reason first."""
    by_reason = sorted(people, key=attrgetter("because"))
    groups = [(because, tuple(found)) for because, found in groupby(by_reason, key=attrgetter("because"))]
    return tuple(sorted(groups, key=lambda group: -len(group[1])))


def _remarkable(groups: tuple[Group, ...]) -> list[tuple[str, Item]]:
    """A few letters that show something, each with what it shows."""
    items = [item for group in groups for item in group.items]
    found = ((what, next(filter(shows, items), None)) for what, shows in _LOOK_AT.items())
    return [(what, item) for what, item in found if item is not None]


def _to(beginning: str) -> Callable[[Item], bool]:
    return lambda item: item.recipient.startswith(beginning)


def _report(word: str) -> Callable[[Item], bool]:
    return lambda item: item.sort is Sort.REPORT and word in item.subject


_LOOK_AT: Mapping[str, Callable[[Item], bool]] = {
    "To the one who left half-way": _to("roisin@"),
    "One copy for a household": lambda item: ".at." in item.recipient and item.sort is Sort.LETTER,
    "A name from right to left": _to("maryam.h@"),
    "A name that looks like a template": _to("max.b@"),
    "The local notice": lambda item: NOTICES in item.list_id,
    "The household's farewell": lambda item: item.sort is Sort.FAREWELL,
    "A report that came back": _report("Undelivered"),
    "A complaint": _report("Complaint"),
}


def _page(request: HttpRequest, template: str, context: Mapping[str, object]) -> HttpResponse:
    values = {"organisation": settings.CONFIG.organisation, **context}
    return _private(render(request, f"demo/{template}", values))


def _private(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response
