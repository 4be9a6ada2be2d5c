"""What came back: bytes in, findings out. Never raises, never acts, reads 2 MB and 20 levels at most (B10).

`_DETECTORS` is the algorithm: most authoritative first, and the first that answers is believed. What none of
them understands has no findings, is of kind `none`, and is kept for a person. docs/adding-a-detector.md says
how the list grows.
"""

from collections.abc import Callable

from mailer.core.bounce import (
    automatic,
    challenge,
    delivery_status,
    feedback,
    formats,
    mime,
    notification,
    trace,
    unknown,
)
from mailer.core.bounce.finding import Finding, Kind, Report
from mailer.core.bounce.mail import Mail
from mailer.core.bounce.match import How, Match, match
from mailer.core.verdict import Reason

__all__ = ["Finding", "How", "Kind", "Match", "Reason", "Report", "match", "read"]

_DETECTORS: tuple[Callable[[Mail], tuple[Finding, ...]], ...] = (
    # reports that standards define
    delivery_status.find,
    feedback.find,
    notification.find,
    delivery_status.find_forwarded,
    automatic.read_receipt,
    # what is said in words alone; a third of these call themselves automatic replies
    formats.find,
    challenge.find,
    unknown.find,
    # what is recognised only to be ignored
    automatic.auto_reply,
)


def read(raw: bytes) -> Report:
    """Everything that a mail which came back tells."""
    mail = Mail(mime.parse(raw))
    findings = next((found for detect in _DETECTORS if (found := detect(mail))), ())
    return trace.report(mail, findings)
