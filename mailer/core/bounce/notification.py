"""Amazon's notifications, which come as JSON: bounces, complaints and deliveries of SES, by mail or from SNS.

The shape is that of the SES developer guide ("Amazon SNS notification contents"). Whatever has another shape is not
of this family.
"""

import json
import re

from mailer.core.bounce.finding import Finding, Kind
from mailer.core.bounce.mail import Mail
from mailer.core.bounce.refusal import finding
from mailer.core.verdict import COMPLAINT, Reason

NAME = "notification"
MAX_TEXT = 128 * 1024
MAX_RECIPIENTS = 100
MAX_SAID = 1000

_WRAPPED = re.compile(r"\n[ \t]?")
_SUPPRESSED = "the address is on the suppression list"


def find(mail: Mail) -> tuple[Finding, ...]:
    notice = _notice(mail)
    kind = str(notice.get("notificationType") or notice.get("eventType") or "").lower()
    about = notice.get(kind)
    if kind == "bounce" and isinstance(about, dict):
        return tuple(_bounce(row, about) for row in _rows(about, "bouncedRecipients"))
    if kind == "complaint" and isinstance(about, dict):
        return tuple(_complaint(row, about) for row in _rows(about, "complainedRecipients"))
    return ()


def _notice(mail: Mail) -> dict[str, object]:
    if not mail.message.get("x-amz-sns-message-id"):
        return {}
    text = mail.message.text(MAX_TEXT)
    outer = _json(text)
    inner = outer.get("Message")
    return _json(inner) if isinstance(inner, str) else outer


def _json(text: str) -> dict[str, object]:
    """The first object in the text; lines that a mail program broke are made whole."""
    start = text.find("{")
    if start < 0:
        return {}
    try:
        found, _ = json.JSONDecoder(strict=False).raw_decode(_WRAPPED.sub("", text[start:]))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _rows(about: dict[str, object], name: str) -> list[dict[str, object]]:
    rows = about.get(name)
    return [row for row in rows if isinstance(row, dict)][:MAX_RECIPIENTS] if isinstance(rows, list) else []


def _text(row: dict[str, object], name: str) -> str:
    value = row.get(name)
    return value[:MAX_SAID] if isinstance(value, str) else ""


def _bounce(row: dict[str, object], about: dict[str, object]) -> Finding:
    said = _text(row, "diagnosticCode").partition(";")[2].strip() or _text(row, "diagnosticCode")
    if _text(about, "bounceSubType") in ("Suppressed", "OnAccountSuppressionList"):
        said = said or _SUPPRESSED
    status = _text(row, "status") or ("4.0.0" if _text(about, "bounceType") == "Transient" else "")
    return finding(
        _text(row, "emailAddress") or None, said, NAME, status=status, action=_text(row, "action").lower() or "failed"
    )


def _complaint(row: dict[str, object], about: dict[str, object]) -> Finding:
    who, said = _text(row, "emailAddress") or None, _text(about, "complaintFeedbackType")
    if said == "not-spam":
        return Finding(None, None, None, Kind.NONE, Reason.NOT_SPAM, said, NAME)
    return Finding(who, None, None, Kind.COMPLAINT, COMPLAINT.reason, said, NAME, COMPLAINT.klass)
