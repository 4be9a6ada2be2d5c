"""Machines that answer: read receipts and out-of-office notes. Logged, never acted upon (standards B5, B6).

They come after every report, since a third of real bounces call themselves `auto-replied`; and what a mail
system itself wrote is left alone here, so that a bounce we cannot read yet is kept for a person.
"""

import re

from mailer.core.bounce.finding import MAX_DIAGNOSTIC, Finding, Kind
from mailer.core.bounce.mail import Mail
from mailer.core.verdict import Reason

RECEIPT = "read_receipt"
REPLY = "auto_reply"
MAX_TEXT = 4000

_SYSTEM = re.compile(r"mailer-daemon|postmaster|mail delivery|<>", re.IGNORECASE)
_SUBJECT = re.compile(
    r"\s*(auto(matic)?[ -]?(response|reply|responder)|auto:|out of( the)? office|away from|vacation|i am away|on leave"
    r"|abwesenheit|automatische antwort|r[ée]ponse automatique|absence du bureau|respuesta autom[áa]tica"
    r"|risposta automatica|resposta autom[áa]tica|automatisch antwoord|afwezig|autosvar|автоответ|自動応答|不在)",
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


def read_receipt(mail: Mail) -> tuple[Finding, ...]:
    """A disposition notification (RFC 8098): somebody's program opened or dropped the letter.

    Dovecot refuses in the same shape, and that is a bounce.
    """
    if mail.of_type("message/disposition-notification") and "automatically rejected" not in mail.opening:
        return (Finding(None, None, None, Kind.AUTOREPLY, Reason.READ_RECEIPT, _subject(mail), RECEIPT),)
    return ()


def auto_reply(mail: Mail) -> tuple[Finding, ...]:
    """A reply that nobody wrote; "I no longer work here" in it is for a person to judge (B6)."""
    if _SYSTEM.search(mail.message.get("from")) or not _says_so(mail):
        return ()
    said = " ".join(mail.words[:MAX_TEXT].lower().split())
    reason = Reason.SAYS_GONE if any(phrase in said for phrase in _GONE) else Reason.AUTO_REPLY
    return (Finding(None, None, None, Kind.AUTOREPLY, reason, _subject(mail), REPLY),)


def replies(mail: Mail) -> bool:
    """Whether the subject is that of an answer which nobody wrote."""
    return _SUBJECT.match(mail.subject) is not None


def _says_so(mail: Mail) -> bool:
    message = mail.message
    submitted = message.get("auto-submitted").partition(";")[0].strip().lower()
    names = {name for name, _ in message.headers}
    return (
        submitted not in ("", "no")
        or not names.isdisjoint(("x-autoreply", "x-autorespond", "list-id", "list-unsubscribe"))
        or message.get("precedence").lower() in ("auto_reply", "bulk", "junk", "list")
        or replies(mail)
    )


def _subject(mail: Mail) -> str:
    return mail.subject[:MAX_DIAGNOSTIC]
