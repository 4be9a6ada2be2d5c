"""What a refusal means, and what it does to a mailbox: the tables of standards 3.2 and 3.3, and nothing else.

Law of the file: a rule is a row of data. A status is looked up exactly, then by its subject, then by its
class (RFC 3463 section 2); a reply code is trusted over a status that disagrees with it (standards T13). The
text is read where the codes leave a doubt, and it may save an address that they call dead, because "5.x.x
means dead" buries three quarters of the living. The same `classify` serves a reply at SMTP time and a report
that comes back (standards B12).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from mailer.core import phrases
from mailer.core.ruling import Class, Reason, Ruling, Stage

__all__ = [
    "ACTIONS", "COMPLAINT", "DEFAULTS", "DIGITS", "EFFECTS", "POINTS", "REPLIES", "STATUSES", "VAGUE",
    "Class", "Effect", "Limits", "MailboxRecord", "Reason", "Ruling", "Stage", "Verdict",
    "classify", "judge_mailbox", "rule", "table_rows",
]  # fmt: skip


EFFECTS: dict[Class, str] = {
    Class.HARD: "undeliverable after 1",
    Class.DISABLED: "undeliverable after 2, since RFC 3463 section 3.3 allows it to be temporary",
    Class.SOFT: "1 point",
    Class.POLICY: "no point; counts against the mailing",
    Class.MESSAGE: "no point; counts against the mailing",
    Class.QUOTA: "no point; held until the relay's quota renews",
    Class.SENDER: "no point; counts against the mailing",
    Class.INFORMATIONAL: "logged",
    Class.SUCCESS: "logged",
    Class.COMPLAINT: "suppressed everywhere",
    Class.UNCLASSIFIED_PERMANENT: "2 points; kept for a person to judge",
}


# Standards 3.2 by enhanced status (RFC 3463, 7372); "x" stands for any. The most exact row wins.
STATUSES: dict[str, Ruling] = {
    "5.1.1": Ruling(Class.HARD, Reason.USER_UNKNOWN),
    "5.1.2": Ruling(Class.HARD, Reason.HOST_UNKNOWN),
    "5.1.3": Ruling(Class.HARD, Reason.BAD_ADDRESS),
    "5.1.6": Ruling(Class.HARD, Reason.MOVED),
    "5.1.10": Ruling(Class.HARD, Reason.HOST_UNKNOWN),
    "5.4.4": Ruling(Class.HARD, Reason.HOST_UNKNOWN),
    "5.2.0": Ruling(Class.UNCLASSIFIED_PERMANENT, Reason.UNCLASSIFIED),  # filters say it, of living people too
    "5.2.1": Ruling(Class.DISABLED, Reason.DISABLED),
    "x.2.2": Ruling(Class.SOFT, Reason.MAILBOX_FULL),
    "4.2.x": Ruling(Class.SOFT, Reason.MAILBOX_BUSY),
    "4.3.x": Ruling(Class.SOFT, Reason.SYSTEM),
    "x.4.6": Ruling(Class.SOFT, Reason.LOOP),
    "x.4.7": Ruling(Class.SOFT, Reason.EXPIRED),
    "x.4.x": Ruling(Class.SOFT, Reason.NETWORK),  # RFC 3463 section 3.5: meant to be persistent transient
    "x.7.x": Ruling(Class.POLICY, Reason.BLOCKED),
    **{f"x.7.{detail}": Ruling(Class.POLICY, Reason.AUTHENTICATION) for detail in range(20, 27)},
    "x.2.3": Ruling(Class.MESSAGE, Reason.TOO_LARGE),
    "5.3.3": Ruling(Class.MESSAGE, Reason.PROTOCOL),
    "x.3.4": Ruling(Class.MESSAGE, Reason.TOO_LARGE),
    "x.5.x": Ruling(Class.MESSAGE, Reason.PROTOCOL),
    "x.6.x": Ruling(Class.MESSAGE, Reason.CONTENT),
    "5.4.5": Ruling(Class.QUOTA, Reason.RELAY_QUOTA),
    "x.1.7": Ruling(Class.SENDER, Reason.SENDER_REFUSED),
    "x.1.8": Ruling(Class.SENDER, Reason.SENDER_REFUSED),
    "2.x.x": Ruling(Class.SUCCESS, Reason.DELIVERED),
    "4.x.x": Ruling(Class.SOFT, Reason.SYSTEM),
    "5.x.x": Ruling(Class.UNCLASSIFIED_PERMANENT, Reason.UNCLASSIFIED),
}

# Statuses that servers write when they mean no more than "no": here the text is asked before the row.
# The same is true of every status whose subject is 0, and of those that only their class names.
VAGUE = ("5.1.0", "5.2.1", "5.3.0", "5.4.0", "5.4.1", "5.5.0", "x.4.x")

# What a text may say to save an address that its status calls dead; of a queue or a network it would say nothing.
SAVING = frozenset(ruling.reason for ruling, _ in phrases.PHRASES if ruling.klass not in (Class.HARD, Class.SOFT)) | {
    Reason.MAILBOX_FULL
}

# Standards 3.2 by reply code, where there is no status; other codes are read by their first digit (T4).
REPLIES: dict[int, Ruling] = {
    556: Ruling(Class.HARD, Reason.HOST_UNKNOWN),  # RFC 7504: the domain takes no mail
    552: Ruling(Class.MESSAGE, Reason.TOO_LARGE),
    **{code: Ruling(Class.MESSAGE, Reason.PROTOCOL) for code in (500, 501, 502, 503, 504, 555)},
    **{code: Ruling(Class.POLICY, Reason.AUTHENTICATION) for code in (432, 454, 530, 534, 535, 538)},  # T19
}
DIGITS: dict[int, Ruling] = {2: STATUSES["2.x.x"], 4: STATUSES["4.x.x"], 5: STATUSES["5.x.x"]}

# An Action other than "failed" never blames anybody, whatever its status says (RFC 3464 section 2.3.3, B2).
ACTIONS: dict[str, Ruling] = {
    "delayed": Ruling(Class.INFORMATIONAL, Reason.DELAYED),
    "delivered": STATUSES["2.x.x"],
    "relayed": STATUSES["2.x.x"],
    "expanded": STATUSES["2.x.x"],
}
COMPLAINT = Ruling(Class.COMPLAINT, Reason.ABUSE)


def rule(
    reply_code: int | None,
    status: str | None,
    text: str,
    *,
    action: str = "failed",
    stage: Callable[[], Stage | None] = lambda: Stage.RECIPIENT,
) -> Ruling:
    """The row that speaks about this answer; a reply at SMTP time has no `action`, a report has one.

    `stage` is asked only where it matters: when nothing but words says that the user is unknown.
    """
    if action != "failed":
        return ACTIONS.get(action, ACTIONS["delayed"])
    digit = reply_code // 100 if reply_code and 200 <= reply_code <= 599 else None
    agreed = _agreeing(status, digit)
    if digit == 2 or (agreed and agreed[0] == "2"):
        return DIGITS[2]
    row, vague = _by_status(*agreed) if agreed else _by_reply(reply_code, digit)
    permanent = (agreed[0] if agreed else str(digit)) != "4"
    if permanent and phrases.never_takes_mail(text):
        return phrases.NO_MAIL
    if not vague and row.klass is not Class.HARD:
        return row
    said = phrases.spoken(text, permanent=permanent)
    if said is None or not (vague or said.reason in SAVING):
        return row
    return phrases.DOUBTFUL if said is phrases.UNKNOWN_USER and stage() is not Stage.RECIPIENT else said


def classify(reply_code: int | None, status: str | None, text: str, *, action: str = "failed") -> Class:
    return rule(reply_code, status, text, action=action).klass


def _agreeing(status: str | None, digit: int | None) -> tuple[str, str, str] | None:
    """The parts of a status, its class corrected by the reply (standards T13)."""
    match = re.fullmatch(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})", status or "")
    return (str(digit) if digit in (4, 5) else match[1], match[2], match[3]) if match else None


def _by_status(klass: str, subject: str, detail: str) -> tuple[Ruling, bool]:
    exact, by_class = f"{klass}.{subject}.{detail}", f"{klass}.x.x"
    patterns = (exact, f"x.{subject}.{detail}", f"{klass}.{subject}.x", f"x.{subject}.x", by_class)
    found = next(pattern for pattern in patterns if pattern in STATUSES)
    return STATUSES[found], found in (by_class, *VAGUE) or exact in VAGUE


def _by_reply(reply_code: int | None, digit: int | None) -> tuple[Ruling, bool]:
    row = REPLIES.get(reply_code or 0) or DIGITS.get(digit or 5, DIGITS[5])
    return row, row.klass is not Class.POLICY  # AUTH codes are the relay's own affair, whatever they say


class Effect(StrEnum):
    """What becomes of the mailbox. `undeliverable` is a fact about it, `suppress` somebody's wish (B13)."""

    NOTHING = "nothing"
    UNDELIVERABLE = "undeliverable"
    SUPPRESS = "suppress"


@dataclass(frozen=True, slots=True)
class Limits:
    """Standards 3.3, the last row."""

    disabled: int = 2
    soft_points: int = 3
    soft_span_days: int = 15
    settled_days: int = 7


@dataclass(frozen=True, slots=True)
class MailboxRecord:
    """What a mailbox has against it in this run of bounces; `soft_last_on` is the day of its last point."""

    soft_count: int = 0
    soft_first_on: date | None = None
    soft_last_on: date | None = None
    disabled_count: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    record: MailboxRecord
    effect: Effect = Effect.NOTHING
    review: bool = False


POINTS = {Class.SOFT: 1, Class.UNCLASSIFIED_PERMANENT: 2}
DEFAULTS = Limits()


def judge_mailbox(
    record: MailboxRecord,
    heard: Class,
    on: date,
    *,
    accepted_on: date | None = None,
    limits: Limits = DEFAULTS,
) -> Verdict:
    """What the final answer for one send, heard once (B11), means for its mailbox.

    `accepted_on` is the newest day, more than `limits.settled_days` ago, on which a letter to it was accepted that
    has not come back; a newer one is not settled yet and changes nothing.
    """
    if heard is Class.COMPLAINT:
        return Verdict(record, Effect.SUPPRESS)
    if heard is Class.HARD:
        return Verdict(record, Effect.UNDELIVERABLE)
    review = heard is Class.UNCLASSIFIED_PERMANENT
    if heard is not Class.DISABLED and heard not in POINTS:
        return Verdict(record)
    record = _settled(record, on, accepted_on, limits)
    if record.soft_last_on is not None and record.soft_last_on >= on:
        return Verdict(record, review=review)  # this day's point is given already
    record = _blamed(record, heard, on)
    return Verdict(record, Effect.UNDELIVERABLE if _given_up(record, on, limits) else Effect.NOTHING, review)


def _settled(record: MailboxRecord, on: date, accepted_on: date | None, limits: Limits) -> MailboxRecord:
    """A letter that stayed accepted for long enough since the last point ends the run."""
    if accepted_on is None or (on - accepted_on).days <= limits.settled_days:
        return record
    return MailboxRecord() if record.soft_last_on is None or accepted_on > record.soft_last_on else record


def _blamed(record: MailboxRecord, heard: Class, on: date) -> MailboxRecord:
    if heard is Class.DISABLED:
        return replace(record, soft_last_on=on, disabled_count=record.disabled_count + 1)
    first = record.soft_first_on or on
    return replace(record, soft_count=record.soft_count + POINTS[heard], soft_first_on=first, soft_last_on=on)


def _given_up(record: MailboxRecord, on: date, limits: Limits) -> bool:
    if record.disabled_count >= limits.disabled:
        return True
    span = (on - record.soft_first_on).days if record.soft_first_on else 0
    return record.soft_count >= limits.soft_points and span >= limits.soft_span_days


def table_rows() -> list[tuple[str, str, str, str]]:
    """Standards 3.2 as it is applied: pattern, class, reason, effect. docs/states.md is made from it."""
    rows: list[tuple[str, Ruling]] = [
        *STATUSES.items(),
        *((f"reply {code}", ruling) for code, ruling in REPLIES.items()),
        *((f"reply {digit}xx", ruling) for digit, ruling in DIGITS.items()),
        *((f"Action: {action}", ruling) for action, ruling in ACTIONS.items()),
        ("complaint", COMPLAINT),
    ]
    return [(pattern, to.klass.value, to.reason.value, EFFECTS[to.klass]) for pattern, to in rows]
