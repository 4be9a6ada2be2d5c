"""The demo's story: each act does what a person would do, through the product's own doors, and says so in one line."""

import secrets
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from importlib.resources import files

from mailer import access, reports
from mailer.access import Actor, NotAllowed
from mailer.actions.fetch_reports import poll
from mailer.actions.grant_office import grant
from mailer.actions.import_members import import_members
from mailer.actions.keep_time import keep_time
from mailer.actions.schedule_mailing import schedule
from mailer.actions.write_issue import new_issue
from mailer.core.audience import Reason
from mailer.core.delivery import Outcome
from mailer.core.listfile import Office as Role
from mailer.core.listfile import stream_number
from mailer.core.schedule import RETRY_CALENDAR
from mailer.demo import mailbag, reader
from mailer.demo.mailbag import Item
from mailer.demo.people import CHAIR, NEWSLETTER, NOTICES, Person
from mailer.demo.reader import StoryBroken
from mailer.demo.stage import Stage, draw

EAST = "east-of-england"
#: How far ahead of the first minute the two letters are scheduled, and how far apart they are.
_AHEAD, _APART = timedelta(seconds=0.3), timedelta(minutes=1)
_RETRY = RETRY_CALENDAR.first[0].most
#: Reasons that say that somebody left.
_GONE = (Reason.LEFT, Reason.SUPPRESSED)


@dataclass(frozen=True, slots=True)
class Sending:
    """One of the two letters: what it is called, who may see its figures, and how its copies are known on the wire."""

    name: str
    author: Actor
    issue: int
    list: str
    region: str | None
    list_id: str


class Story:
    """The acts in their order. `sendings` are there once written; `left` and `bounces` count what happened since."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._house = stage, stage.house
        self.sendings: list[Sending] = []
        self.left = 0
        self.bounces: Counter[str] = Counter()
        self._sima = self._office("sima@example.org", "Sima Rahman", Role.SECRETARY)
        self._anne = self._office(CHAIR, "Anne Calloway", Role.CHAIR)
        self._ella = self._office("ella@example.org", "Ella Thistlewood", Role.COORDINATOR, EAST)
        self._bart = self._office("bart@example.org", "Bart Osei", Role.COORDINATOR, "norfolk")

    def acts(self) -> Iterator[str]:
        """Play them; one line is told when it has happened."""
        yield self._import()
        yield self._write_newsletter()
        yield self._write_notice()
        gone = self._gone()
        yield from self._send()
        self.left = self._gone() - gone
        yield self._try_again()
        yield self._read_what_came_back()

    def go_on(self) -> None:
        """What bell and sender do as long as the pages are there."""
        self._ring()
        self._hand_over()

    def _hand_over(self) -> None:
        """As long as there is something to send, and the sender is not to stop."""
        while self._stage.sender.work():
            pass

    def caught(self, sending: Sending) -> dict[str, Item]:
        """The letters of a sending as the demo's mail server caught them, by recipient."""
        items = mailbag.items(self._stage.site.caught)
        return {item.recipient: item for item in items if item.list_id == sending.list_id}

    def _now(self) -> datetime:
        return self._stage.clock.now()

    def _ring(self) -> None:
        keep_time(self._house, now=self._now(), draw=draw, draw_word=_draw_word)

    def _office(self, email: str, name: str, role: Role, *regions: str) -> Actor:
        now = self._now()
        today = self._house.today(now)
        grant(
            access.the_operator("demo"),
            email,
            role,
            name=name,
            regions=regions,
            starts=date(today.year, 1, 1),
            ends=None,
            system_user=None,
            now=now,
        )
        return access.actor_by_email(email, today)

    def _gone(self) -> int:
        """How many candidates of the newsletter have left it."""
        figures = reports.audience_figures(self._anne, self._house, NEWSLETTER, None, self._now())
        return sum(figures.get(Outcome.EXCLUDED, {}).get(reason, 0) for reason in _GONE)

    def _import(self) -> str:
        done = import_members(
            self._sima,
            self._house,
            self._stage.cast.csv.encode(),
            now=self._now(),
            draw=draw,
            draw_subject=partial(secrets.token_hex, 16),
        )
        people, unproven = len(done.changes.new), len(done.file.complaints)
        return f"Sima, secretary, imports {people} people; {unproven} unproven consents do not count."

    def _write_newsletter(self) -> str:
        subject = self._write(self._anne, "Newsletter", "newsletter", NEWSLETTER, None)
        return f"Anne, chair, writes to everyone: “{subject}”."

    def _write_notice(self) -> str:
        try:
            self._write(self._bart, "", "notice", NOTICES, EAST)
        except NotAllowed:
            subject = self._write(self._ella, "Notice", "notice", NOTICES, EAST)
            return f"Ella writes to the East: “{subject}”. Bart of Norfolk may not."
        raise StoryBroken("The coordinator of Norfolk was allowed to write to the whole East of England.")

    def _write(self, actor: Actor, name: str, file: str, slug: str, region: str | None) -> str:
        house = self._house
        text = files("mailer.demo").joinpath("letters", f"{file}.md").read_text(encoding="utf-8")
        issue = new_issue(actor, house, slug, text, region=region, now=self._now(), draw_word=_draw_word)
        listfile = house.library.lists[slug]
        place = None if region is None else house.library.regions.by_slug[region].number
        facts = house.facts(listfile, house.library.streams[stream_number(listfile.id, place)])
        self.sendings.append(Sending(name, actor, issue.number, slug, region, facts.list_id))
        return issue.subject

    def _send(self) -> Iterator[str]:
        """Each letter leaves on its minute. Before the newsletter is all sent two of its readers act on it."""
        minute = self._schedule()
        sender, counted = self._stage.sender, self._stage.server
        acting = {self._household[0].address, self._stage.cast.leaver.address}
        sender.stopping = lambda: acting <= counted.counted_by_recipient.keys()
        self._hand_over()
        sender.stopping = lambda: False
        caught = self.caught(self.sendings[0])
        if not acting <= caught.keys():
            raise StoryBroken("The newsletter did not reach those who are to leave it.")
        yield self._household_leaves(caught)
        yield self._one_leaves(caught)
        self.go_on()
        self._stage.clock.move_on(minute + _APART)
        self.go_on()
        yield self._first_round()

    def _schedule(self) -> datetime:
        """The newsletter's minute, which has come; the notice's follows."""
        house, now = self._house, self._now()
        minute = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        self._stage.clock.move_on(now := minute - _AHEAD)
        for number, sending in enumerate(self.sendings):
            local = (minute + number * _APART).astimezone(house.zone)
            at = f"{local:%Y-%m-%d %H:%M} {local.isoformat()[-6:]}"
            schedule(sending.author, house, sending.issue, at, now=now)
        self._ring()
        time.sleep(max(0.0, (minute - self._now()).total_seconds()))
        self._ring()
        return minute

    def _copies(self, sending: Sending) -> Counter[str]:
        """The copies of a sending by state."""
        return Counter(reports.issue_report(sending.author, self._house, sending.issue).mailings[0].copies)

    def _first_round(self) -> str:
        copies = sum(map(self._copies, self.sendings), Counter())
        return (
            f"Both leave, each on its minute: {copies['accepted']} letters accepted, {copies['refused']} refused,"
            f" {copies['deferred']} deferred."
        )

    @property
    def _household(self) -> tuple[Person, ...]:
        return max(self._stage.cast.households, key=len)

    def _household_leaves(self, caught: dict[str, Item]) -> str:
        """RFC 8058: the mail program of a shared mailbox sends one POST, without cookie or page."""
        household = self._household
        reader.post(caught[household[0].address].leave_url, {"List-Unsubscribe": "One-Click"})
        return f"A household of {len(household)} leaves by one click; one farewell offers each a way back."

    def _one_leaves(self, caught: dict[str, Item]) -> str:
        """A reader of the newsletter opens its link and leaves everything; her notice already waits."""
        leaver = self._stage.cast.leaver
        item = caught[leaver.address]
        reader.get(item.leave_url)
        reader.post(item.leave_url, {"extent": "everything"})
        return f"{leaver.name} leaves everything by link; her waiting notice is withdrawn."

    def _try_again(self) -> str:
        self._stage.clock.move_on(self._now() + _RETRY)
        before = self._stage.server.server_counted
        self.go_on()
        late = self._stage.server.server_counted - before
        return f"The clock moves on {_RETRY.seconds // 60} minutes: {late} deferred letters are accepted."

    def _read_what_came_back(self) -> str:
        self._stage.server.deliver_bounces(self._now())
        self.bounces = Counter(report.kind for look in poll(self._house, self._now(), draw) for report in look.reports)
        self._ring()
        kinds = ", ".join(f"{count} {_KINDS.get(kind, kind)}" for kind, count in sorted(self.bounces.items()))
        return f"{self.bounces.total()} answers come back and are read: {kinds}."


_KINDS = {"hard": "bounced", "soft": "late", "complaint": "complained", "autoreply": "away"}


def _draw_word() -> str:
    return f"Q{secrets.token_hex(12)}Z"
