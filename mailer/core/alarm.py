"""What people are alarmed about, in which words, and when they are told (design.md section 6; standards L13, T14, T19).

Law of the file: an alarm names a fault of ours and says what to do. It holds nothing about a member: addresses that a
mail server quoted are taken out. It is told once, again once a day while it lasts, and once when it is over; what was
over before anybody had to be told is told to nobody.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from html import escape

#: While it lasts, people hear of it again after this.
AGAIN = timedelta(days=1)
#: An alarm is over when it has been quiet for so long; one that comes back sooner is the same alarm.
CALM = timedelta(minutes=5)
LONGEST = 500

_ADDRESS = re.compile(r"[^\s<>\"'(),;:]+@[^\s<>\"'(),;:]+")


class AlarmKind(StrEnum):
    """Everything that there is an alarm for."""

    RELAY_DOWN = "relay_down"
    RELAY_PASSWORD = "relay_password"  # noqa: S105 - the name of a fault
    RELAY_TLS = "relay_tls"
    RELAY_QUOTA = "relay_quota"
    MAILING_PAUSED = "mailing_paused"
    LETTERS_HELD = "letters_held"
    BACKLOG = "backlog"
    NO_WORKER = "no_worker"
    CLOCK_OFF = "clock_off"
    DISK_LOW = "disk_low"
    RETURNS_SILENT = "returns_silent"
    RESTORED = "restored"
    DATABASE_AWAY = "database_away"


@dataclass(frozen=True, slots=True)
class Advice:
    """What an alarm says whatever its occasion; `stops`: no letter leaves, or, of a relay, none by this one."""

    title: str
    todo: str
    stops: bool
    #: What passes by itself sooner than this is told to nobody.
    patience: timedelta = timedelta(0)


_A_MOMENT = timedelta(minutes=5)
#: What may be wrong with a relay; another may take over meanwhile.
OF_A_RELAY = (AlarmKind.RELAY_DOWN, AlarmKind.RELAY_PASSWORD, AlarmKind.RELAY_TLS, AlarmKind.RELAY_QUOTA)

ADVICE: Mapping[AlarmKind, Advice] = {
    AlarmKind.RELAY_DOWN: Advice(
        "The mail server does not answer",
        "It is tried again by itself, and nothing is lost. If it lasts, ask whoever runs it, and try"
        " `mailer check --live`.",
        stops=True,
        patience=_A_MOMENT,
    ),
    AlarmKind.RELAY_PASSWORD: Advice(
        "The mail server refuses our password or token",
        "Put the right user and password into config.toml, try them with `mailer check --live`, and start the workers"
        " again. If they were right all the time, `mailer relay resume` tries them again.",
        stops=True,
    ),
    AlarmKind.RELAY_TLS: Advice(
        "There is no safe connection to the mail server",
        "Nothing was sent, not even the password. Its certificate may have run out, or somebody stands between: ask"
        " whoever runs it, and try `mailer check --live`.",
        stops=True,
        patience=_A_MOMENT,
    ),
    AlarmKind.RELAY_QUOTA: Advice(
        "The mail server takes no more letters for now",
        "The rest waits and goes on by itself. If it may not wait, ask for a larger quota; `mailer relay status` shows"
        " what is used.",
        stops=True,
        patience=_A_MOMENT,
    ),
    AlarmKind.MAILING_PAUSED: Advice(
        "A mailing is paused",
        "Read its reason, mend it, then `mailer issue resume`; or `mailer issue cancel`.",
        stops=False,
    ),
    AlarmKind.LETTERS_HELD: Advice(
        "Letters wait for a person",
        "The fault is ours or the mail server's, not theirs: `mailer issue report` with `--people` names them."
        " Mend it, then `mailer issue resume` tries them again; else they are given up when the mailing is over.",
        stops=False,
        patience=_A_MOMENT,
    ),
    AlarmKind.BACKLOG: Advice(
        "Letters wait, and no worker moves them",
        "See what the workers say in `mailer state`. If they say nothing, stop them and start them again: it is safe.",
        stops=False,
        patience=_A_MOMENT,
    ),
    AlarmKind.NO_WORKER: Advice(
        "No worker is running",
        "Start `mailer run`, or `mailer worker` on its host. Whatever it had in its hands is settled at the start.",
        stops=True,
    ),
    AlarmKind.CLOCK_OFF: Advice(
        "The clock is wrong",
        "Nothing new is started meanwhile. Set the clock by the network (`timedatectl` shows it). If it is right now,"
        " and was wrong before, say so: `mailer state --clock-is-right`.",
        stops=True,
    ),
    AlarmKind.DISK_LOW: Advice(
        "The disk is nearly full",
        "Sending waits, nothing is lost, and members can still leave. Make room; sending goes on by itself.",
        stops=True,
    ),
    AlarmKind.RETURNS_SILENT: Advice(
        "No reports come back any more",
        "Letters go out, but nothing is reported undeliverable: see that the bounce address still leads to us"
        " (`mailer bounces poll`).",
        stops=False,
    ),
    AlarmKind.RESTORED: Advice(
        "The database was restored or copied",
        "Every open mailing was stopped, since some people may have a letter of which it knows nothing. Read `mailer"
        " site status`; if this is the site that goes on, `mailer site adopt`, then look at each mailing.",
        stops=True,
    ),
    AlarmKind.DATABASE_AWAY: Advice(
        "The database does not answer",
        "See that it runs and that its disk has room; `mailer check` says more.",
        stops=True,
    ),
}


class Telling(StrEnum):
    """What people are to be told of an alarm now."""

    NEW = "new"
    STILL = "still"
    OVER = "over"
    #: It passed before anybody was told.
    NOTHING = "nothing"


def telling(
    kind: AlarmKind, *, since: datetime, told_at: datetime | None, cleared_at: datetime | None, now: datetime
) -> Telling | None:
    """What is to be told now; None: nothing yet."""
    if cleared_at is not None:
        if now - cleared_at < CALM:
            return None
        return Telling.NOTHING if told_at is None else Telling.OVER
    if told_at is None:
        return Telling.NEW if now - since >= ADVICE[kind].patience else None
    return Telling.STILL if now - told_at >= AGAIN else None


def discreet(words: str) -> str:
    """Words for a log that is never changed and for people elsewhere: without addresses, on one line, not long."""
    return _ADDRESS.sub("(an address)", " ".join(words.split()))[:LONGEST]


@dataclass(frozen=True, slots=True)
class Message:
    """An alarm as a letter or as the input of a command."""

    subject: str
    text: str

    @property
    def html(self) -> str:
        """The same for programs that show HTML only."""
        paragraphs = "".join(f"<p>{escape(each)}</p>" for each in self.text.split("\n\n"))
        title = escape(self.subject)
        return f'<!DOCTYPE html><html lang="en-GB"><head><title>{title}</title></head><body>{paragraphs}</body></html>'


_PREFIX = {Telling.NEW: "Alarm", Telling.STILL: "Still", Telling.OVER: "Over"}


def message(what: Telling, kind: AlarmKind, words: str, *, since: str, ended: str, state_url: str) -> Message:
    """What is told; `since` and `ended` are times as people say them."""
    advice = ADVICE[kind]
    subject = f"{_PREFIX[what]}: {advice.title}"
    if what is Telling.OVER:
        return Message(subject, f"“{advice.title}” is over since {ended}. It began on {since}.\n\n{state_url}\n")
    parts = (f"{advice.title}, since {since}.", words, f"What to do: {advice.todo}", state_url)
    return Message(subject, "\n\n".join(part for part in parts if part) + "\n")
