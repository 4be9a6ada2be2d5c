"""Who wrote a mail that came back, and what he means by it: a mail system, and whether it has given up.

A person's letter may quote a refusal, and a vacation note may mention one; so nothing in plain words is a bounce
unless a mail system wrote it.
"""

import re

from mailer.core.bounce.mail import Mail

_SYSTEM = re.compile(
    r"mailer[-_. ]?daemon|post[-_]?master@|^\W*post-?master\W*$|<>|microsoftexchange[0-9a-f]{8}|mdaemon"
    r"|ndr administrator"
    r"|mail[ ._-]?delivery[ ._-]?(?:sub-?)?(?:system|service|agent|software)|mail deliver system",
    re.IGNORECASE,
)
_NULL = re.compile(r"^\s*<?(?:mailer-daemon(?:@[^<>]*)?)?>?\s*$", re.IGNORECASE)
# A system may write other things too, and people answer and forward what it wrote.
_OTHER = re.compile(
    r"\b(?:quarantined?|digest|summary|statistics|logwatch|cron|newsletter|backup|weekly|daily|invoice"
    r"|report domain)\b"
    r"|^\s*(?:re|fwd?|aw|wg|tr|sv) ?:",
    re.IGNORECASE,
)
_TRYING = re.compile(
    r"this is a warning (?:message )?only|warning: (?:message still|could not send)|has been delayed|delay reason"
    r"|is delayed for more than|not yet been delivered|still (?:undelivered|being retried)"
    r"|only a (?:temporary|warning)|it will be retried|will (?:keep|continue) (?:to )?try"
    r"|delivery attempts will continue|you do not need to re-?send|temporary problem delivering|delivery incomplete"
    r"|advisory-only|has been postponed|just a warning",
)
_GIVEN_UP = ("permanent error", "permanent fatal", "permanent failure", "given up", "failed permanently")
_DELIVERED = re.compile(
    r"successfully (?:delivered|relayed)|(?:was|been) (?:delivered|relayed) to|\((?:success|relay|relayed)\)"
    r"|delivery (?:succeeded|successful)"
)


def wrote_itself(mail: Mail) -> bool:
    """Whether a mail system wrote it, rather than a person."""
    message = mail.message
    if _OTHER.search(mail.subject) and not message.get("x-failed-recipients"):
        return False
    return (
        _SYSTEM.search(mail.sender) is not None
        or bool(message.get("x-failed-recipients"))
        or any(_NULL.match(value) for value in message.get_all("return-path"))
    )


def still_trying(mail: Mail) -> str:
    """The Action that the words amount to (RFC 3464 section 2.3.3): while it still tries, nobody has failed (B2)."""
    if any(phrase in mail.opening for phrase in _GIVEN_UP):
        return "failed"
    if _TRYING.search(mail.opening):
        return "delayed"
    return "delivered" if _DELIVERED.search(mail.opening) else "failed"
