"""Machines that answer: read receipts and out-of-office notes. Logged, never acted upon (standards B5, B6).

They come after every report, since a third of real bounces call themselves `auto-replied`; and what a mail
system itself wrote is left alone here, so that a bounce we cannot read yet is kept for a person.
"""

import re

from mailer.core.bounce.finding import MAX_DIAGNOSTIC, Finding, Kind
from mailer.core.bounce.mime import Part, readable, walk
from mailer.core.verdict import Reason

RECEIPT = "read_receipt"
REPLY = "auto_reply"
MAX_TEXT = 4000

_SYSTEM = re.compile(r"mailer-daemon|postmaster|mail delivery|<>", re.IGNORECASE)
_SUBJECT = re.compile(
    r"\s*(auto(matic)?[ -]?(response|reply|responder)|auto:|out of( the)? office|abwesenheit"
    r"|automatische antwort|r[ée]ponse automatique|respuesta autom[áa]tica)",
    re.IGNORECASE,
)
_GONE = (
    "no longer work",
    "no longer with",
    "no longer employed",
    "has left the",
    "have left the",
    "no longer at",
)


def read_receipt(message: Part) -> tuple[Finding, ...]:
    """A disposition notification (RFC 8098): somebody's program opened or dropped the letter."""
    if any(part.content_type == "message/disposition-notification" for part in walk(message)):
        return (Finding(None, None, None, Kind.AUTOREPLY, Reason.READ_RECEIPT, _subject(message), RECEIPT),)
    return ()


def auto_reply(message: Part) -> tuple[Finding, ...]:
    """A reply that nobody wrote; "I no longer work here" in it is for a person to judge (B6)."""
    if _SYSTEM.search(message.get("from")) or not _says_so(message):
        return ()
    gone = any(phrase in _words(message) for phrase in _GONE)
    reason = Reason.SAYS_GONE if gone else Reason.AUTO_REPLY
    return (Finding(None, None, None, Kind.AUTOREPLY, reason, _subject(message), REPLY),)


def _says_so(message: Part) -> bool:
    submitted = message.get("auto-submitted").partition(";")[0].strip().lower()
    names = {name for name, _ in message.headers}
    return (
        submitted not in ("", "no")
        or not names.isdisjoint(("x-autoreply", "x-autorespond", "list-id", "list-unsubscribe"))
        or message.get("precedence").lower() in ("auto_reply", "bulk", "junk", "list")
        or _SUBJECT.match(readable(message.get("subject"))) is not None
    )


def _subject(message: Part) -> str:
    return " ".join(readable(message.get("subject")).split())[:MAX_DIAGNOSTIC]


def _words(message: Part) -> str:
    text = next((part for part in walk(message) if part.content_type == "text/plain"), None)
    return " ".join(text.text()[:MAX_TEXT].lower().split()) if text else ""
