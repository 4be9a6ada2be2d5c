"""The state of the site: what rings, who works, what is being sent.

All of it is for people who may see it; the world is told whether sending works, and no more.
"""

from dataclasses import dataclass
from datetime import datetime

from mailer import access
from mailer.access import Actor
from mailer.actions.choose_relay import Chosen, relay_for
from mailer.actions.plan_mailing import Plan, end_of
from mailer.actions.show_status import progress_of
from mailer.actions.watch_site import no_worker_since
from mailer.core.alarm import ADVICE, OF_A_RELAY, AlarmKind
from mailer.core.mailing import MailingState
from mailer.core.progress import Progress
from mailer.core.watch import is_fresh
from mailer.house import House
from mailer.models import Mailing, alarm, worker_row

#: Alarms about a mailing, which not everybody may see.
_OF_A_MAILING = (AlarmKind.MAILING_PAUSED, AlarmKind.LETTERS_HELD)
_SHOWN = (MailingState.PREPARING, MailingState.SENDING, MailingState.PAUSED, MailingState.STOPPED)


@dataclass(frozen=True, slots=True)
class Ringing:
    """An alarm that holds: `told` is when people last heard of it."""

    kind: AlarmKind
    about: str
    since: datetime
    words: str
    told_at: datetime | None = None

    @property
    def title(self) -> str:
        """What it says whatever its occasion."""
        return ADVICE[self.kind].title

    @property
    def todo(self) -> str:
        """What to do."""
        return ADVICE[self.kind].todo


@dataclass(frozen=True, slots=True)
class WorkerShown:
    """A worker, as it last spoke of itself; `alive`: that was just now."""

    name: str
    host: str
    pid: int
    version: str
    alive: bool
    state: str
    reason: str
    started_at: datetime
    seen_at: datetime
    handed_over: int
    letters_per_second: float


@dataclass(frozen=True, slots=True)
class MailingShown:
    """A mailing that is being sent, or waits for a person."""

    issue: int
    list: str
    region: str | None
    state: str
    reason: str
    progress: Progress
    plan: Plan


@dataclass(frozen=True, slots=True)
class SiteState:
    """All of it."""

    alarms: tuple[Ringing, ...]
    workers: tuple[WorkerShown, ...]
    mailings: tuple[MailingShown, ...]


def site_state(actor: Actor, house: House, now: datetime) -> SiteState:
    """What this actor may see: alarms about a mailing, and mailings, only as far as they reach."""
    shown = [row for row in access.mailings(actor).order_by("starts_at", "pk") if row.state in _SHOWN]
    numbers = {str(row.pk) for row in shown}
    return SiteState(
        tuple(each for each in _ringing(now) if each.kind not in _OF_A_MAILING or each.about in numbers),
        tuple(
            WorkerShown(
                row.name,
                row.host,
                row.pid,
                row.version,
                is_fresh(row.seen_at, now),
                row.state,
                row.reason,
                row.started_at,
                row.seen_at,
                row.handed_over,
                row.rate,
            )
            for row in worker_row.all_workers()
        ),
        tuple(_mailing(house, row, now) for row in shown),
    )


def _mailing(house: House, row: Mailing, now: datetime) -> MailingShown:
    progress = progress_of(row, now)
    return MailingShown(
        row.issue_id,
        row.issue.mailing_list.slug,
        row.region.slug if row.region else None,
        row.state,
        row.state_reason,
        progress,
        end_of(house, row.pk, now, progress.rate or None),
    )


def _ringing(now: datetime) -> list[Ringing]:
    """The alarms, and that no worker lives although nobody was alive to notice it."""
    rows = alarm.ringing()
    found = [Ringing(AlarmKind(row.kind), row.about, row.since, row.words, row.told_at) for row in rows]
    since = no_worker_since(now)
    if since is not None and not any(each.kind is AlarmKind.NO_WORKER for each in found):
        found.append(Ringing(AlarmKind.NO_WORKER, "", since, ""))
    return found


@dataclass(frozen=True, slots=True)
class PublicState:
    """What the world may know: which kinds of alarm ring, and since when no letter leaves."""

    kinds: tuple[AlarmKind, ...]
    stopped_since: datetime | None

    @property
    def works(self) -> bool:
        """Whether letters leave."""
        return self.stopped_since is None


def public_state(house: House, now: datetime) -> PublicState:
    """No counts, lists, regions, hosts or words."""
    found = _ringing(now)
    another = isinstance(relay_for(house, house.mail_domain, now, priority=True), Chosen)
    stopping = (each for each in found if ADVICE[each.kind].stops and not (another and each.kind in OF_A_RELAY))
    return PublicState(
        tuple(sorted({each.kind for each in found})), min((each.since for each in stopping), default=None)
    )
