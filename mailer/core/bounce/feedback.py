"""RFC 5965 complaints: a reader pressed "this is spam" (standards B7, B8).

Hotmail's reports are older than the standard: the letter alone, under a subject that says what it is.
"""

import re

from mailer.core.bounce.finding import Finding, Kind
from mailer.core.bounce.mail import Mail
from mailer.core.bounce.mime import Headers, fields
from mailer.core.bounce.plain import addressed
from mailer.core.verdict import COMPLAINT, Reason

NAME = "feedback"
TYPE = "message/feedback-report"
MAX_RECIPIENTS = 100

# These are a reader's objection; the other types speak of the letter or of forgery (RFC 5965 section 7.3).
OBJECTIONS = ("abuse", "fraud", "opt-out", "opt-out-list")
_HOTMAIL = re.compile(r"^\s*complaint about message from\b", re.IGNORECASE)
_STAFF = re.compile(r"\bstaff@(?:hotmail|outlook|live)\.com\b", re.IGNORECASE)
_ONCE = ("feedback-type", "user-agent", "version")


def find(mail: Mail) -> tuple[Finding, ...]:
    report = report_fields(mail)
    if not report:
        return _without_a_report(mail)
    names = [name for name, _ in report]
    if any(names.count(name) != 1 for name in _ONCE):
        return (_ignored(Reason.MALFORMED, ""),)
    kind = dict(report)["feedback-type"].lower()
    if kind == "not-spam":
        return (_ignored(Reason.NOT_SPAM, kind),)
    if kind not in OBJECTIONS:
        return (_ignored(Reason.OTHER_FEEDBACK, kind),)
    named: list[str | None] = [value.strip("<> ") for name, value in report if name == "original-rcpt-to"]
    return tuple(_complaint(who, kind) for who in named[:MAX_RECIPIENTS] or [addressed(mail)])


def _without_a_report(mail: Mail) -> tuple[Finding, ...]:
    if not (_HOTMAIL.match(mail.subject) and _STAFF.search(mail.sender) and mail.returned):
        return ()
    who = next((value for name, value in mail.returned if name == "x-hmxmroriginalrecipient"), None)
    return (_complaint(who or addressed(mail), "abuse"),)


def _complaint(who: str | None, kind: str) -> Finding:
    return Finding(who, None, None, Kind.COMPLAINT, COMPLAINT.reason, kind, NAME, COMPLAINT.klass)


def report_fields(mail: Mail) -> Headers:
    """The fields of the machine-readable part, or nothing where there is none."""
    parts = mail.of_type(TYPE)
    return fields(parts[0].text().lstrip("\n")) if parts else ()


def _ignored(reason: Reason, said: str) -> Finding:
    return Finding(None, None, None, Kind.NONE, reason, said[:100], NAME)
