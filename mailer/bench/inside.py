"""What a benchmark needs done inside a site's own Django: `python -m mailer.bench.inside WHAT ...`, one JSON answer.

fill MEMBERS          tables, people, list files, a chair
mailing [AT]          write an issue and schedule it: now, and made ready to send, or at a local time and no more
expected MAILING SINK the letters that everyone should get, built one by one: address, return path, and the two
                      hashes that this sink would keep
letter MAILING FILE   one of them, written down
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailer.settings")
    django.setup()

from django.conf import settings
from django.core.management import call_command
from django.db.models import Count

from mailer.access import THE_CLOCK, actor_by_email
from mailer.actions.compose import builder
from mailer.actions.grant_office import grant
from mailer.actions.keep_time import keep_time
from mailer.actions.replay_departures import replay_departures
from mailer.actions.schedule_mailing import schedule
from mailer.actions.seal_ledger import seal_ledger
from mailer.actions.set_up import prepare_database
from mailer.actions.write_issue import new_issue
from mailer.bench import members, sample
from mailer.core.audience import SubscriptionState
from mailer.core.letter import Letter
from mailer.core.listfile import Office
from mailer.core.message import format_date
from mailer.core.personalise import CopyValues
from mailer.core.reply import Reply
from mailer.core.token import Purpose
from mailer.house import House, open_house
from mailer.models import Copy, Delivery, Mailing, Subscription, outbox, steering
from mailer.models.base import writing
from mailer.models.outbox import unsigned
from mailer.worker import chance

_CHAIR = "chair@example.org"
_LIST = "bench-letter"
#: The region in which all others lie, so that one letter reaches everybody.
_EVERYWHERE = "bench-all"
_LIST_FILE = f"""\
id = {members.LIST}
label = "bench-letter"
title = "The letter"
regional = true
writers = ["chair"]
template = "newsletter"
reason = "You get this letter because you agreed to it."

[audience]
standings = ["member", "supporter"]

[wording]
version = 1
controller = "The Friends"
condition = "9(2)(a)"
basis = "consent"
text = "Yes, write to me."
"""


def fill(count: str) -> object:
    """A site with members, adopted list files and a chair."""
    now = datetime.now(UTC)
    call_command("migrate", interactive=False, verbosity=0)
    _write_lists(settings.CONFIG.source.parent / "lists")
    filled = members.fill(int(count), at=now)
    house = open_house(settings.CONFIG)
    prepare_database(house, now=now, incarnation="0" * 32)
    grant(
        THE_CLOCK, _CHAIR, Office.CHAIR,
        name="The chair", regions=(), starts=now.date(), ends=None, system_user=None, now=now,
    )  # fmt: skip
    # A site seals an import once, in the hours after it: a mailing is not measured beside that.
    seal_ledger(house, now)
    return {"members": filled.members, "mailboxes": filled.mailboxes}


def _write_lists(folder: Path) -> None:
    folder.mkdir()
    numbers = range(members.LIST, members.LIST + members.REGIONS)
    regions = [f'number = {members.LIST + members.REGIONS}\nslug = "{_EVERYWHERE}"\nname = "Everywhere"\n']
    regions += [f'number = {n}\nslug = "bench-{n}"\nname = "Region {n}"\nparent = "{_EVERYWHERE}"\n' for n in numbers]
    (folder / "regions.toml").write_text("".join(f"[[region]]\n{region}" for region in regions), encoding="utf-8")
    (folder / "bench-letter.toml").write_text(_LIST_FILE, encoding="utf-8")


def mailing(at: str = "") -> object:
    """A new issue's mailing; without a time it is ready, and waits only for a worker."""
    house, now = open_house(settings.CONFIG), datetime.now(UTC)
    actor = actor_by_email(_CHAIR, house.today(now))
    issue = new_issue(actor, house, _LIST, sample.markdown(), region=_EVERYWHERE, now=now, draw_word=chance.word).number
    local = at or now.astimezone(house.zone).strftime("%Y-%m-%d %H:%M")
    done = schedule(actor, house, issue, local, now=now)
    if not at:
        for _ in range(3):
            keep_time(house, now=datetime.now(UTC), draw=chance.handle, draw_word=chance.word)
    found = Mailing.unscoped.get(pk=done.mailing)
    copies = Copy.unscoped.filter(mailing=found).count()
    return {"mailing": found.pk, "issue": issue, "state": found.state, "reason": found.state_reason, "copies": copies}


def expected(number: str, sink: str) -> object:
    """Every letter of a mailing once more, by the builder's slow way, and whom it is for."""
    house = open_house(settings.CONFIG)
    people = []
    with TemporaryFile() as said:
        with subprocess.Popen([sink, "--hash"], stdin=subprocess.PIPE, stdout=said) as hashing:
            assert hashing.stdin is not None  # noqa: S101 - it is a pipe
            for address, handle, raw in _letters(house, int(number)):
                hashing.stdin.write(b"%d\n%b" % (len(raw), raw))
                people.append((address, house.return_path(handle)))
        said.seek(0)
        hashes = [line.decode().split() for line in said]
    return [(*person, *pair) for person, pair in zip(people, hashes, strict=True)]


def letter(number: str, file: str) -> object:
    """One letter of a mailing."""
    _, _, raw = next(_letters(open_house(settings.CONFIG), int(number)))
    Path(file).write_bytes(raw)
    return len(raw)


def tokens(number: str, count: str) -> object:
    """Links out of so many letters of a mailing, none of a letter that several people share."""
    house = open_house(settings.CONFIG)
    carried = Delivery.unscoped.filter(mailing=int(number), copy__isnull=False).values("copy")
    alone = (
        carried.annotate(people=Count("pk")).filter(people=1).order_by("copy").values_list("copy__handle", flat=True)
    )
    return [house.tokens.sign(Purpose.LEAVE, unsigned(handle)) for handle in alone[: int(count)]]


def left() -> object:
    """How many subscriptions have been left, those included that the worker would still have to take up."""
    replay_departures(open_house(settings.CONFIG), datetime.now(UTC))
    return Subscription.unscoped.filter(state=SubscriptionState.LEFT).count()


def states(number: str) -> object:
    """How many copies of a mailing are in each state."""
    found = Copy.unscoped.filter(mailing=int(number)).values("state").annotate(count=Count("pk"))
    return dict(found.values_list("state", "count"))


def claim(number: str, most: str) -> object:
    """Claim, read and mark every copy of a mailing as the sender does; copies a second."""
    worker, lease = "bench", timedelta(minutes=15)
    held: list[outbox.Claimed] = []
    kept = Reply(250, "2.0.0", "Kept")
    done, begun = 0, time.perf_counter()
    while True:
        now = datetime.now(UTC)
        with writing():
            outbox.mark_accepted([(copy.copy, now, kept) for copy in held], worker)
            claimed, _ = outbox.claim(int(number), worker, now=now, lease=lease, most=int(most))
            held = outbox.held_by(claimed) if claimed else []
        done += len(held)
        if not held:
            return done / (time.perf_counter() - begun)


def _letters(house: House, number: int) -> Iterator[tuple[str, int, bytes]]:
    found = Mailing.unscoped.select_related("issue").get(pk=number)
    compiled = Letter.from_json(json.loads(steering.letter_of(number).pieces))
    build = builder(house, found.issue, compiled, (), lambda: datetime.now(UTC)).build
    for address, handle, values in _values(house, found):
        yield address, handle, build(values)


def _values(house: House, found: Mailing) -> Iterator[tuple[str, int, CopyValues]]:
    names: dict[int, list[str]] = {}
    carried = Delivery.unscoped.filter(mailing=found, copy__isnull=False).order_by("member")
    for copy, name in carried.values_list("copy", "member__name"):
        names.setdefault(copy, []).append(name)
    date = format_date(datetime.now(house.zone))
    for copy in Copy.unscoped.filter(mailing=found, mailbox__isnull=False).select_related("mailbox"):
        handle = unsigned(copy.handle)
        yield (
            copy.mailbox.address,
            handle,
            CopyValues(
                address=copy.mailbox.address,
                names=tuple(names[copy.pk]),
                message_id=house.message_id(handle),
                leave_url=house.leave_url(handle),
                date=date,
                segments=frozenset(copy.segments.split()),
            ),
        )


_WHAT: Mapping[str, Callable[..., Any]] = {
    each.__name__: each for each in (fill, mailing, expected, letter, tokens, left, states, claim)
}

if __name__ == "__main__":
    what, *words = sys.argv[1:]
    answer = _WHAT[what](*words)
    sys.stdout.write(json.dumps(answer) + "\n")
