"""Challenges: a reader's filter asks the sender to prove that he is a person. Nobody here will; it is logged (B6)."""

import re

from mailer.core.bounce.finding import MAX_DIAGNOSTIC, Finding, Kind
from mailer.core.bounce.mail import Mail
from mailer.core.verdict import Reason

NAME = "challenge"

_HEADERS = ("x-boxbe", "x-spamarrest", "x-tmda-fingerprint", "x-ask-version", "x-uol-antispam", "x-earthlink-challenge")
_CLAIM = re.compile(
    r"(?:confirm|verify) (?:that )?you(?:'re| are) (?:a )?(?:human|real|person|not)|verify your identity"
    r"|verify your e-?mail address (?:so|to (?:deliver|release))|please authenticate yourself|challenge[- ]response"
    r"|your (?:message|e-?mail|letter) (?:is|has been) (?:being )?held (?:until|pending) you"
    r"|(?:reply to|answer) this (?:message|e-?mail) (?:to|so that) (?:your|have your|confirm|release)"
    r"|waiting list.{0,80}boxbe|mailinblack|i (?:am )?us(?:e|ing) (?:spamarrest|boxbe|tmda|active spam killer)"
    r"|sender (?:verification|authentication) (?:request|required)"
)


def find(mail: Mail) -> tuple[Finding, ...]:
    """Only what a machine sent is a challenge: a person who asks to be answered is a correspondent."""
    message = mail.message
    machine = (
        message.get("auto-submitted").strip().lower() not in ("", "no")
        or message.get("return-path").strip() == "<>"
        or message.get("precedence").lower() in ("bulk", "junk", "auto_reply", "list")
    )
    said = any(message.get(name) for name in _HEADERS) or (machine and _CLAIM.search(mail.opening))
    if not said:
        return ()
    return (Finding(None, None, None, Kind.CHALLENGE, Reason.CHALLENGE, mail.subject[:MAX_DIAGNOSTIC], NAME),)
