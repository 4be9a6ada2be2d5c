"""RFC 5965 complaints: a reader pressed "this is spam" (standards B7, B8)."""

from mailer.core.bounce.finding import Finding, Kind
from mailer.core.bounce.mime import Headers, Part, fields, walk
from mailer.core.verdict import COMPLAINT, Reason

NAME = "feedback"
TYPE = "message/feedback-report"
MAX_RECIPIENTS = 100

# These are a reader's objection; the other types speak of the letter or of forgery (RFC 5965 section 7.3).
OBJECTIONS = ("abuse", "fraud", "opt-out", "opt-out-list")
_ONCE = ("feedback-type", "user-agent", "version")


def find(message: Part) -> tuple[Finding, ...]:
    report = report_fields(message)
    if not report:
        return ()
    names = [name for name, _ in report]
    if any(names.count(name) != 1 for name in _ONCE):
        return (_ignored(Reason.MALFORMED, ""),)
    kind = dict(report)["feedback-type"].lower()
    if kind == "not-spam":
        return (_ignored(Reason.NOT_SPAM, kind),)
    if kind not in OBJECTIONS:
        return (_ignored(Reason.OTHER_FEEDBACK, kind),)
    named: list[str | None] = [value.strip("<> ") for name, value in report if name == "original-rcpt-to"]
    return tuple(
        Finding(who, None, None, Kind.COMPLAINT, COMPLAINT.reason, kind, NAME, COMPLAINT.klass)
        for who in named[:MAX_RECIPIENTS] or [None]
    )


def report_fields(message: Part) -> Headers:
    """The fields of the machine-readable part, or nothing where there is none."""
    part = next((part for part in walk(message) if part.content_type == TYPE), None)
    return fields(part.text().lstrip("\n")) if part else ()


def _ignored(reason: Reason, said: str) -> Finding:
    return Finding(None, None, None, Kind.NONE, reason, said[:100], NAME)
