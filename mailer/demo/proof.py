"""What must be true when the story is over.

Asked are three who know nothing of each other: the database, the demo's mail server, and the cast. A fault is said in
words; no fault means that every sum closes.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mailer import reports
from mailer.core.delivery import CopyState
from mailer.core.mailing import MailingState
from mailer.demo import mailbag
from mailer.demo.acts import Sending, Story
from mailer.demo.mailbag import Item
from mailer.demo.people import Cast, Person
from mailer.demo.stage import Stage

#: Copies in these states were taken by a server, whatever came back later.
_TAKEN = (CopyState.ACCEPTED, CopyState.BOUNCED, CopyState.COMPLAINED)


def closing(stage: Stage, story: Story) -> dict[str, Any]:
    """The documented shape of `mailer demo --json`, and what is wrong, if anything, under `faults`."""
    counted = stage.server.counted_by_list
    mailings = [
        asdict(reports.issue_report(sending.author, stage.house, sending.issue).mailings[0])
        | {"server_counted": counted.get(sending.list_id, 0)}
        for sending in story.sendings
    ]
    faults = [*_of_sums(mailings), *_of_letters(stage, story.sendings)]
    return {
        "ok": not faults,
        "mailings": mailings,
        "left": story.left,
        "bounces": dict(sorted(story.bounces.items())),
        "pages": stage.site.pages,
        "faults": faults,
    }


def taken(copies: Mapping[str, int]) -> int:
    """How many copies the other side said yes to."""
    return sum(copies.get(state, 0) for state in _TAKEN)


def _of_sums(mailings: Sequence[dict[str, Any]]) -> Iterator[str]:
    for each in mailings:
        name, candidates, outcomes = each["list"], each["candidates"], each["outcomes"]
        if each["state"] != MailingState.SENT:
            yield f"{name} is {each['state']}, not sent: {each['state_reason']}"
        if candidates == 0 or candidates != sum(outcomes.values()):
            yield f"{name} has {candidates} candidates, but {sum(outcomes.values())} outcomes"
        if taken(each["copies"]) != each["server_counted"]:
            yield f"{name}: {taken(each['copies'])} copies were accepted, but {each['server_counted']} were counted"


def _of_letters(stage: Stage, sendings: Sequence[Sending]) -> Iterator[str]:
    """Nobody without consent, nobody twice, and nothing that was not asked for."""
    caught = mailbag.items(stage.site.caught)
    for sending in sendings:
        mine = [item for item in caught if item.list_id == sending.list_id]
        regions = None if sending.region is None else stage.regions_within(sending.region)
        may = {person.address for person in _who_agreed(stage.cast, sending.list, regions)}
        strangers = [item.recipient for item in mine if item.recipient not in may]
        yield from (f"{stranger} got the {sending.name}, and never agreed to it" for stranger in strangers)
        yield from (
            f"{recipient} got the {sending.name} {times} times" for recipient, times in _times(mine) if times > 1
        )
    lists = {sending.list_id for sending in sendings}
    others = [item for item in caught if item.list_id not in lists]
    if len(others) != 1:
        yield f"{len(others)} other letters were sent; one farewell to the household was expected"
    if len(caught) != stage.server.server_counted:
        yield f"{len(caught)} letters were caught, but the server counted {stage.server.server_counted}"


def _who_agreed(cast: Cast, slug: str, regions: frozenset[str] | None) -> Iterator[Person]:
    for person in cast.people:
        given = person.consents.get(slug)
        lives = regions is None or not regions.isdisjoint(person.regions)
        if lives and person.standing != "claimed" and given and given.evidence and given.left is None:
            yield person


def _times(items: Sequence[Item]) -> Iterator[tuple[str, int]]:
    yield from Counter(item.recipient for item in items).items()
