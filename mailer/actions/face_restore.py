"""A database that is older than what was sent, or a site that is a copy: found out at start, and faced (design 4).

Law of the file: the mirror is read before the database, which only grows, so that a worker that is sending raises no
alarm. When the two disagree, every open mailing is stopped with the reason in words, journals and departures are
replayed, and whatever had begun and is not settled becomes uncertain: in the time that is not known here it may have
been sent. Nothing leaves until a person has adopted the site, and then resumes each mailing.
"""

from datetime import datetime
from functools import cache
from pathlib import Path

from mailer.access import THE_CLOCK, Actor
from mailer.actions.recover import recover
from mailer.actions.replay_departures import people_waited_for, replay_departures
from mailer.actions.write_down import departures
from mailer.core.errors import MailerError
from mailer.core.mailing import MailingState
from mailer.core.standing import IN_WORDS, Counts, Doubt, Mirrored, doubt
from mailer.house import House
from mailer.models import halt
from mailer.models.base import writing
from mailer.models.ledger import record, record_mailing
from mailer.models.site import Counter, bump, current
from mailer.models.steering import advance
from mailer.transport.machine import this_machine
from mailer.transport.mirror import Mirror

_ADOPT = "Nothing is sent until `mailer site adopt` says that this is the site that goes on."
_UNBEGUN = "It had not begun then, but was due: it may have gone out. Resume it only if you know that it did not."


class NothingToAdopt(MailerError, ValueError):
    """Mirror and database agree."""


class NotMade(MailerError, LookupError):
    """The database has no site yet."""


def may_send(house: House, now: datetime) -> str | None:
    """None, or why this database may not be sent from; what follows from it is done when this returns.

    A worker asks before it settles journals, prepares or claims anything, and again after each database error.
    """
    departures(house).forget()
    standstill = halt.standing()
    if standstill is None:
        kind = _doubt(house)
        if kind is None:
            _follow(house)
            replay_departures(house, now)
            return None
        standstill = _stop_everything(kind, now)
    if standstill.faced_at is None:
        _face(house, standstill, now)
    return in_words(Doubt(standstill.kind))


def why_not(house: House) -> str | None:
    """The same question, without doing anything about it."""
    standstill = halt.standing()
    kind = Doubt(standstill.kind) if standstill else _doubt(house)
    return in_words(kind) if kind else None


def note_claim(house: House, sends: int) -> None:
    """Mirror the number of a claim: after it is durable, before its first letter. A few microseconds."""
    _mirror(house.journals).note(sends=sends)


def note_changes(house: House) -> None:
    """Mirror how far the changes have come, so that a restore which lost a stop or a cancelling is noticed too.

    The audit log tells of each; its newest line proves it even when people have gone on with the older database since.
    """
    _mirror(house.journals).note(halt.newest_line(), changes=current(Counter.CHANGES))


def adopt(house: House, actor: Actor, reason: str, *, incarnation: str, now: datetime) -> Doubt:
    """Go on with this database on this machine, as another incarnation; what was stopped stays stopped."""
    if may_send(house, now) is None:
        raise NothingToAdopt("This site and its journal folder agree; there is nothing to adopt.")
    mirror = _mirror(house.journals)
    seen = mirror.read()
    with writing():
        standstill = halt.standing()
        if standstill is None:
            raise NothingToAdopt("Somebody else has just adopted this site.")
        counts = halt.renew_site(incarnation, seen.counts if seen else Counts(incarnation, 0, 0))
        halt.end(now, actor.reference, reason)
        record(now, actor.reference, halt.ADOPTED, about="site", incarnation=incarnation, reason=reason)
        # Before anybody else sees it: whoever found the new site beside the old mirror would stop it again.
        mirror.write(Mirrored(counts, this_machine(house.config.data.dir), halt.newest_line()))
    return Doubt(standstill.kind)


def in_words(kind: Doubt) -> str:
    """The reason for a person, and what to do."""
    return f"{IN_WORDS[kind]} {_ADOPT}"


@cache
def _mirror(journals: Path) -> Mirror:
    return Mirror(journals / "site")


def _doubt(house: House) -> Doubt | None:
    mirrored = _mirror(house.journals).read()
    counts = _counts()
    seen = mirrored.counts.incarnation if mirrored else counts.incarnation
    return doubt(
        counts,
        mirrored,
        this_machine(house.config.data.dir),
        alone=house.config.database.postgres is None,
        plans_to_send=halt.plans().exists(),
        has_line=mirrored is None or mirrored.line is None or halt.has_line(mirrored.line),
        was_it=seen == counts.incarnation or halt.was(seen),
    )


def _counts() -> Counts:
    counts = halt.counts()
    if counts is None:
        raise NotMade("The database has no site yet: run `mailer migrate`.")
    return counts


def _follow(house: House) -> None:
    """Nothing is wrong: let the mirror say where the site is now, and never less than it has seen."""
    mirror, counts, here = _mirror(house.journals), _counts(), this_machine(house.config.data.dir)
    mirrored = mirror.read()
    if mirrored is not None and (mirrored.counts.incarnation, mirrored.machine) == (counts.incarnation, here):
        mirror.make_room()
        return
    if mirrored is not None and (mirrored.counts.sends > counts.sends or mirrored.counts.changes > counts.changes):
        # Of another incarnation, which a person has adopted since: its numbers of claims must not come again.
        with writing():
            counts = halt.renew_site(counts.incarnation, mirrored.counts)
    mirror.write(Mirrored(counts, here, halt.newest_line()))


def _stop_everything(kind: Doubt, now: datetime) -> halt.Halt:
    with writing():
        bump(Counter.CHANGES)
        standstill = halt.begin(kind, now)
        for mailing in halt.plans():
            unbegun = mailing.started_at is None and mailing.starts_at <= now
            reason = f"{IN_WORDS[kind]} {_UNBEGUN}" if unbegun else IN_WORDS[kind]
            if advance(mailing.pk, MailingState.STOPPED, reason):
                record_mailing(now, THE_CLOCK.reference, "stopped", mailing, reason=reason)
    return standstill


def _face(house: House, standstill: halt.Halt, now: datetime) -> None:
    """Every step may be done again: whoever is killed in between leaves it to the next."""
    in_hands = recover(house, now)
    # Before what waits is doubted: the farewells that this writes again may have been sent, too.
    replayed = replay_departures(house, now)
    doubted = 0
    while count := _doubt_some(now):
        doubted += count
    with writing():
        halt.faced(standstill, now)
        record(
            now,
            THE_CLOCK.reference,
            standstill.kind,
            about="site",
            in_hands=in_hands,
            uncertain=doubted,
            departures_replayed=replayed,
            departures_of_people_not_known=people_waited_for(),
        )


def _doubt_some(now: datetime) -> int:
    with writing():
        return halt.doubt_some(now)
