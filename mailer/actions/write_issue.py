"""Writing: a file becomes an issue of a list, and every save a revision."""

from dataclasses import dataclass
from datetime import datetime

from mailer import access
from mailer.access import Actor, NotAllowed
from mailer.actions.compose import DrawWord, compile_for
from mailer.core import blocks, header
from mailer.core.errors import MailerError
from mailer.core.listfile import ListFile, stream_number
from mailer.core.markup import parse
from mailer.core.region import Region
from mailer.house import House
from mailer.models.base import writing
from mailer.models.ledger import record
from mailer.models.pen import create_issue


class IssueRefused(MailerError, ValueError):
    """It cannot be an issue of this list."""


@dataclass(frozen=True, slots=True)
class WrittenIssue:
    """The issue that was made, and what its author may want to mend."""

    number: int
    subject: str
    warnings: tuple[str, ...]


def new_issue(
    actor: Actor,
    house: House,
    slug: str,
    text: str,
    *,
    region: str | None,
    now: datetime,
    draw_word: DrawWord,
    corrects: int | None = None,
) -> WrittenIssue:
    """Make an issue of a Markdown file; it is compiled once, so that what cannot be a letter is refused now.

    `corrects` is the issue whose letter it puts right (actions/correct_issue.py).
    """
    listfile = _list(house, slug)
    place = _place(actor, listfile, region)
    said = parse(text)
    # What no header can hold is refused now, not when it is due.
    header.unstructured("Subject", said.subject)
    stream = house.library.streams[stream_number(listfile.id, place)]
    letter = compile_for(house, listfile, stream, said, draw_word())
    with writing():
        issue = create_issue(
            listfile.id,
            place,
            actor.user,
            subject=said.subject,
            preheader=said.preheader,
            blocks=blocks.to_json(said.blocks),
            digest=letter.digest,
            saved_by=actor.reference,
            now=now,
            corrects=corrects,
        )
        record(now, actor.reference, "issue written", about="issue", number=issue, region=place)
    return WrittenIssue(issue, said.subject, (*said.warnings, *letter.warnings))


def _list(house: House, slug: str) -> ListFile:
    listfile = house.library.lists.get(slug)
    if listfile is None:
        known = ", ".join(sorted(house.library.lists))
        raise IssueRefused(f"There is no list {slug!r}. The lists are: {known}.")
    return listfile


def _place(actor: Actor, listfile: ListFile, slug: str | None) -> int | None:
    """The region that the actor may write to, by its number; None is the whole organisation."""
    region = _region(listfile, slug)
    actor.needs(*sorted(listfile.writers))
    number = region.number if region else None
    if not actor.scope_as(listfile.writers).allows(number):
        raise NotAllowed(f"{actor.name} may not write to {region.name if region else 'the whole organisation'}.")
    return number


def _region(listfile: ListFile, slug: str | None) -> Region | None:
    if not listfile.regional:
        if slug is not None:
            raise IssueRefused(f"{listfile.title} goes to the whole organisation: leave --region out.")
        return None
    if slug is None:
        raise IssueRefused(f"{listfile.title} is written for one region: say which with --region.")
    regions = access.regions()
    if slug not in regions.by_slug:
        raise IssueRefused(f"There is no region {slug!r}. The regions are: {', '.join(regions.by_slug)}.")
    return regions.by_slug[slug]
