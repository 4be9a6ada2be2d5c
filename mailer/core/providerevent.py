"""What a provider says by webhook, written down as the report that a mail server would have sent (RFC 3464, RFC 5965).

So there is one way to read, match, act once, keep and judge (standards B3, B11, B12). Law of the file: the letter is
named by our own signatures alone, wherever in the event they stand; the address that it names is never looked up. What
needs no report (delivered, opened, clicked, delayed) makes none and is not kept: who opens a letter is nobody's affair.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mailer.core.configkind import Provider
from mailer.core.providerwords import FAILED, SAID, STATUSES, WORDS, Place

MAX_TEXTS = 1000
MAX_LEVELS = 20
MAX_SAID = 1000
MAX_NAMES = 20

#: Anymail's words. A refusal, by the receiving server or by the provider itself; a reader's wish to get no more.
_REFUSED = frozenset({"bounced", "rejected", "failed"})
_OBJECTED = {"complained": "abuse", "unsubscribed": "opt-out"}
#: Postmark counts a letter that a server took for spam as a complaint; no reader has said a word.
_NO_COMPLAINT = frozenset({"spamnotification"})

_SIGNED = re.compile(r"(?<![A-Za-z0-9+])(b\+)?([A-Za-z2-7]{40})@([A-Za-z0-9.-]{1,255})", re.IGNORECASE)
_STATUS = re.compile(r"(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_BOUNDARY = "=_as-said-by-webhook"


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """One event: `type` is anymail's word, `payload` what the provider sent, decoded."""

    provider: Provider
    type: str
    recipient: str
    event_id: str
    payload: object


def as_report(event: ProviderEvent) -> bytes | None:
    """The report, the same for the same event; None where there is nothing to report, or no letter of ours is named."""
    word = _text(event.payload, WORDS[event.provider]).lower()
    objection = None if word in _NO_COMPLAINT else _OBJECTED.get(event.type)
    refused = event.type in _REFUSED or word in _NO_COMPLAINT
    named = list(_named(event.payload))
    if not named or not (objection or refused):
        return None
    recipient = _line(event.recipient) if "@" in event.recipient else ""
    if objection:
        kind, content = "feedback-report", _objection(event.provider, objection, recipient)
    else:
        said = _line(_text(event.payload, SAID[event.provider]))[:MAX_SAID]
        spoken = _STATUS.search(said)
        status = spoken[0] if spoken else STATUSES.get(word, FAILED)
        content = _refusal(event.provider, status, said, recipient)
        kind = "delivery-status"
    return _message(event, kind, content, named)


def _refusal(provider: Provider, status: str, said: str, recipient: str) -> list[str]:
    return [
        f"Reporting-MTA: dns; {provider}",
        "",
        f"Final-Recipient: rfc822; {recipient or 'unknown'}",
        "Action: failed",
        f"Status: {status}",
        *([f"Diagnostic-Code: smtp; {said}"] if said else []),
    ]


def _objection(provider: Provider, kind: str, recipient: str) -> list[str]:
    rcpt = [f"Original-Rcpt-To: {recipient}"] if recipient else []
    return [f"Feedback-Type: {kind}", f"User-Agent: {provider}/webhook", "Version: 1", *rcpt]


def _message(event: ProviderEvent, kind: str, content: list[str], named: list[str]) -> bytes:
    lines = [
        "Return-Path: <>",
        f"From: {event.provider}@webhook.invalid",
        f"Subject: What {event.provider} says by webhook",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type={kind}; boundary="{_BOUNDARY}"',
        "",
        f"--{_BOUNDARY}",
        f"Content-Type: message/{kind}",
        "",
        *content,
        "",
        f"--{_BOUNDARY}",
        "Content-Type: text/rfc822-headers",
        "",
        *named,
        "",
        f"--{_BOUNDARY}--",
        "",
    ]
    # An event without a number of its own is known by its content, the time in it too: a second one is the same.
    number = event.event_id or repr(event.payload)
    digest = hashlib.sha256(number.encode("utf-8", "surrogatepass")).hexdigest()[:40]
    lines.insert(1, f"Message-ID: <{digest}@{event.provider}.webhook.invalid>")
    return "\r\n".join(lines).encode("utf-8", "replace")


def _named(payload: object) -> Iterator[str]:
    """Fields of a letter's head with all that looks like a signature of ours; whether it is one, the reader asks."""
    found = (match for text in islice(_texts(payload), MAX_TEXTS) for match in _SIGNED.finditer(text))
    names = dict.fromkeys((bool(match[1]), f"{match[2]}@{match[3]}") for match in found)
    for is_path, name in islice(names, MAX_NAMES):
        yield f"Return-Path: <b+{name}>" if is_path else f"Message-ID: <{name}>"


def _texts(payload: object, level: int = 0) -> Iterator[str]:
    if isinstance(payload, str):
        yield payload
    elif isinstance(payload, (dict, list)) and level < MAX_LEVELS:
        for each in payload.values() if isinstance(payload, dict) else payload:
            yield from _texts(each, level + 1)


def _text(payload: object, paths: tuple[Place, ...]) -> str:
    """The first of these places that holds words."""
    for path in paths:
        found: Any = payload
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, list):
            found = " ".join(each for each in found if isinstance(each, str))
        if isinstance(found, str) and found.strip():
            return found.strip()
    return ""


def _line(text: str) -> str:
    """Foreign text as part of one line."""
    return _CONTROL.sub(" ", text).strip()
