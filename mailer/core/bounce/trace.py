"""What tells whose letter a report is about: addresses it reached, envelope ids, the returned headers.

All of it is foreign text. It becomes a fact only where one of our own signatures verifies (standards B3).
"""

import re
from collections.abc import Iterable
from itertools import islice

from mailer.core.bounce import delivery_status, feedback
from mailer.core.bounce.finding import Finding, Report
from mailer.core.bounce.mail import Mail
from mailer.core.bounce.mime import Headers

MAX_NAMES = 50

# Where it was delivered, then where it was addressed; the first are written by our own mail server.
_DELIVERY = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to", "to", "cc")
_ADDRESS = re.compile(r"""[^\s\x00-\x1f<>()\[\],;:"@]{1,64}@[^\s\x00-\x1f<>()\[\],;:"@]{1,255}""")
_MESSAGE_ID = re.compile(r"<[^<>\s\x00-\x1f]{1,500}>")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")


def report(mail: Mail, findings: tuple[Finding, ...]) -> Report:
    """The report with everything that a match may ask for."""
    message, returned = mail.message, mail.returned
    complaint = feedback.report_fields(mail)
    paths = [*_values(complaint, "original-mail-from"), *_values(returned, "return-path")]
    sender = message.get("return-path").strip()
    return Report(
        findings,
        delivered_to=_unique(a for name in _DELIVERY for v in message.get_all(name) for a in _ADDRESS.findall(v)),
        envelope_ids=_unique(_XTEXT.sub(_octet, value) for value in delivery_status.envelope_ids(mail)),
        return_paths=_unique(a for value in paths for a in _ADDRESS.findall(value)),
        message_ids=_unique(i for value in _values(returned, "message-id") for i in _MESSAGE_ID.findall(value)),
        report_id=next(iter(_MESSAGE_ID.findall(message.get("message-id"))), None),
        null_sender=sender == "<>" if sender else None,
    )


def _octet(match: re.Match[str]) -> str:
    return chr(int(match[1], 16))


def _values(headers: Headers, name: str) -> tuple[str, ...]:
    return tuple(value for found, value in headers if found == name)


def _unique(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(islice(dict.fromkeys(found), MAX_NAMES))
