"""What a message that lies in our mailbox is to us: a report, somebody's letter to us, or none of our business (L17).

Law of the file: only a mail system may report. What has neither the null sender nor the form of a report is a person's
letter, whatever it quotes; and what was neither sent to one of our addresses nor is a report is left alone.
"""

from enum import StrEnum

from mailer.core.bounce import delivery_status, feedback
from mailer.core.bounce.fate import Fate
from mailer.core.bounce.finding import Kind, Report
from mailer.core.matter import Wish
from mailer.core.peopleletter import PeopleLetter

#: Detectors that read the machine's part of a report, so that its form proves it.
_PROPER = frozenset({delivery_status.NAME, feedback.NAME})


class Incoming(StrEnum):
    """What it is."""

    REPORT = "report"
    LETTER = "letter"
    UNREAD = "unread"
    NOT_OURS = "not_ours"


def incoming(report: Report, letter: PeopleLetter, *, to_us: bool, about_ours: bool) -> Incoming:
    """Say what it is; `to_us`: to an address that only our letters give out, `about_ours`: it names one of them."""
    if _is_report(report):
        return Incoming.NOT_OURS if report.kind is Kind.AUTOREPLY and not (to_us or about_ours) else Incoming.REPORT
    if letter.automatic:
        return Incoming.UNREAD if to_us or about_ours or report.findings else Incoming.NOT_OURS
    if to_us or (about_ours and letter.wish is not Wish.REPLY):
        return Incoming.LETTER
    return Incoming.NOT_OURS


def fate(what: Incoming, *, to_us: bool, about_ours: bool) -> Fate:
    """What becomes of the message where it lies; a letter to a mailbox that people read is theirs to answer."""
    if what is Incoming.NOT_OURS or (what is Incoming.LETTER and not to_us):
        return Fate.NOT_OURS
    return Fate.UNDERSTOOD if what is Incoming.LETTER or (what is Incoming.REPORT and about_ours) else Fate.KEPT


def _is_report(report: Report) -> bool:
    if not report.findings:
        return False
    proper = any(finding.detector in _PROPER for finding in report.findings)
    return proper or report.kind is Kind.AUTOREPLY or report.null_sender is not False
