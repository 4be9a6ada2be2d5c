"""Passing an answer on to whoever answers for its list, once, and showing what of that failed (L10, B11).

It goes to the `reply_to` of the very list whose letter was answered, and nowhere else: an answer to a region's letter
reaches nobody of another region. A list without that address keeps its answers on the desk; so does what may have come
in a circle, or comes too often. The one-off letter is queued together with the line in the log that it comes from.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mailer.actions.act_on_report import becomes
from mailer.actions.leave import Draw
from mailer.core.address import Address, normal
from mailer.core.address import parse as read_address
from mailer.core.behind import Behind
from mailer.core.bounce import Report
from mailer.core.passing_on import MOST_A_DAY, Ours, author_of, own_id, passed_on
from mailer.core.token import read_message_id
from mailer.house import House
from mailer.models import Copy, passing_on
from mailer.models.base import writing
from mailer.models.roll import mailboxes_for

_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Way:
    """From whom to whom an answer goes."""

    author: Address
    to: Address


def way_of(house: House, copy: Copy, raw: bytes, now: datetime) -> Way | None:
    """The way of an answer to this copy; None: it stays on the desk. Call it inside `writing()`."""
    listfile = house.library.lists.get(copy.mailing.issue.mailing_list.slug)
    if listfile is None or listfile.reply_to is None:
        return None
    to, ours = read_address(listfile.reply_to), _ours(house)
    author = author_of(raw, ours)
    if author is None or to.domain == ours.return_domain:
        return None
    if read_message_id(house.tokens, own_id(raw), house.mail_domain) is not None:
        return None
    often = passing_on.passed_on_since(now - _A_DAY, author.text, copy.pk) >= MOST_A_DAY
    return None if often else Way(author, to)


def _ours(house: House) -> Ours:
    organisation = house.config.organisation
    texts = {organisation.sender_address, organisation.reply_to}
    texts |= {each.reply_to for each in house.library.lists.values() if each.reply_to is not None}
    return Ours(frozenset(normal(read_address(text)) for text in texts), house.config.bounces.domain.lower())


def pass_on(house: House, way: Way, copy: Copy, bounce_id: int, raw: bytes, *, now: datetime, draw: Draw) -> None:
    """Queue it, inside the `writing()` in which the answer is kept."""
    mailing = copy.mailing
    region = mailing.region.name if mailing.region else None
    title = house.title(mailing.issue.mailing_list.slug, region)
    letter = passed_on(raw, way.author, subject=mailing.revision.subject, title=title)
    box = normal(way.to)
    mailbox = mailboxes_for([(way.to, house.mailbox_hash(box))], now)[box]
    passing_on.post_answer(draw(), bounce_id, mailbox, letter, now)


def hear_of_answer(notice_id: int, report: Report, behind: Behind | None) -> None:
    """What a report says of an answer that was passed on; call it inside `writing()`."""
    state = becomes(report, behind)
    if state is not None:
        passing_on.came_back(notice_id, state)


def show_failures(now: datetime) -> int:
    """Put on the desk which answers were not passed on after all, and which farewells are in doubt; how many."""
    with writing():
        found = passing_on.failed()
        for notice in found:
            passing_on.put_on_desk(notice, now)
    return len(found)
