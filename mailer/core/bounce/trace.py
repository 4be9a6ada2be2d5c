"""What tells whose letter a report is about: addresses it reached, envelope ids, the returned headers.

All of it is foreign text. It becomes a fact only where one of our own signatures verifies (standards B3).
"""

import re
from collections.abc import Iterable
from itertools import islice

from mailer.core.bounce import delivery_status, feedback
from mailer.core.bounce.finding import Finding, Report
from mailer.core.bounce.mime import MAX_HEAD, Headers, Part, fields, walk

MAX_NAMES = 50

# Where it was delivered, then where it was addressed; the first are written by our own mail server.
_DELIVERY = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to", "to", "cc")
_RETURNED = ("message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers",
             "message/global-headers")  # fmt: skip
_ADDRESS = re.compile(r"""[^\s<>()\[\],;:"@]{1,64}@[^\s<>()\[\],;:"@]{1,255}""")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,500}>")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")


def report(message: Part, findings: tuple[Finding, ...]) -> Report:
    """The report with everything that a match may ask for."""
    returned = _returned_headers(message)
    complaint = feedback.report_fields(message)
    paths = [*_values(complaint, "original-mail-from"), *_values(returned, "return-path")]
    sender = message.get("return-path").strip()
    return Report(
        findings,
        delivered_to=_unique(a for name in _DELIVERY for v in message.get_all(name) for a in _ADDRESS.findall(v)),
        envelope_ids=_unique(_envelope_ids(message)),
        return_paths=_unique(a for value in paths for a in _ADDRESS.findall(value)),
        message_ids=_unique(i for value in _values(returned, "message-id") for i in _MESSAGE_ID.findall(value)),
        report_id=next(iter(_MESSAGE_ID.findall(message.get("message-id"))), None),
        null_sender=sender == "<>" if sender else None,
    )


def _returned_headers(message: Part) -> Headers:
    """The headers of the letter that the report returns, whole or headers only."""
    for part in walk(message):
        if part is not message and part.content_type in _RETURNED:
            head = part.decoded()[:MAX_HEAD].lstrip(b"\n").partition(b"\n\n")[0]
            return fields(head.decode("utf-8", "replace"))
    return ()


def _envelope_ids(message: Part) -> list[str]:
    first = [delivery_status.blocks(part)[0] for part in delivery_status.status_parts(message)]
    return [_XTEXT.sub(_octet, value) for block in first for value in _values(block, "original-envelope-id")]


def _octet(match: re.Match[str]) -> str:
    return chr(int(match[1], 16))


def _values(headers: Headers, name: str) -> tuple[str, ...]:
    return tuple(value for found, value in headers if found == name)


def _unique(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(islice(dict.fromkeys(found), MAX_NAMES))
