"""What mail systems send back, written as they write it: the demo's bounces are real reports.

Law of the file: octets in, octets out. Every answer goes to the return path of the letter and comes itself
from the null sender, so that nothing ever answers an answer (RFC 5321 section 4.5.5, standards T22). A report
has the three parts of RFC 3464 and returns the headers only, as Postfix does.
"""

import re
from datetime import datetime
from email.utils import format_datetime

REPORTING_MTA = "mail.example.net"

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_WORDS = {
    "failed": ("Undelivered Mail Returned to Sender", "could not be delivered. It will not be tried again."),
    "delayed": ("Delayed Mail (still being retried)", "has not been delivered yet. It will be tried again."),
    "delivered": ("Successful Mail Delivery Report", "was delivered."),
}


def delivery_status(
    original: bytes,
    *,
    recipient: str,
    return_path: str,
    status: str,
    diagnostic: str,
    now: datetime,
    boundary: str,
    action: str = "failed",
    reporting_mta: str = REPORTING_MTA,
) -> bytes:
    """A delivery report, as it lies in the mailbox that `return_path` belongs to."""
    subject, sentence = _WORDS[action]
    said = _one_line(diagnostic)
    greeting = f"This is the mail system at host {reporting_mta}."
    human = f"{greeting}\n\nYour letter to {recipient} {sentence}\n\n{said}\n"
    machine = "\n".join(
        (
            f"Reporting-MTA: dns; {reporting_mta}",
            f"Arrival-Date: {format_datetime(now)}",
            "",
            f"Final-Recipient: {_type(recipient)}; {recipient}",
            f"Original-Recipient: {_type(recipient)};{recipient}",
            f"Action: {action}",
            f"Status: {status}",
            f"Diagnostic-Code: smtp; {said}",
            "",
        )
    )
    kind = "global-delivery-status" if not recipient.isascii() else "delivery-status"
    head = _head(return_path, subject, f"MAILER-DAEMON@{reporting_mta}", now, boundary, reporting_mta)
    head.append("Auto-Submitted: auto-replied")
    parts = (("text/plain; charset=utf-8", human), (f"message/{kind}", machine))
    return _report(head, "delivery-status", boundary, parts, original)


def full_mailbox_delay(original: bytes, *, recipient: str, return_path: str, now: datetime, boundary: str) -> bytes:
    """The notice that a full mailbox causes while its server still tries."""
    return delivery_status(
        original,
        recipient=recipient,
        return_path=return_path,
        action="delayed",
        status="4.2.2",
        diagnostic=f"452 4.2.2 <{recipient}>: mailbox is full",
        now=now,
        boundary=boundary,
    )


def complaint(original: bytes, *, recipient: str, return_path: str, now: datetime, boundary: str) -> bytes:
    """The feedback report of a provider whose user pressed "this is spam" (RFC 5965)."""
    human = f"A user of this provider called the letter below unwanted.\nRecipient: {recipient}\n"
    machine = "\n".join(
        (
            "Feedback-Type: abuse",
            "User-Agent: ExampleFeedback/1.0",
            "Version: 1",
            f"Original-Mail-From: <{return_path}>",
            f"Original-Rcpt-To: <{recipient}>",
            f"Arrival-Date: {format_datetime(now)}",
            "",
        )
    )
    head = _head(return_path, "Complaint about a letter", f"feedback@{REPORTING_MTA}", now, boundary)
    parts = (("text/plain; charset=utf-8", human), ("message/feedback-report", machine))
    return _report(head, "feedback-report", boundary, parts, original)


def out_of_office(original: bytes, *, recipient: str, return_path: str, now: datetime, boundary: str) -> bytes:
    """What a mailbox answers by itself while its owner is away (RFC 3834)."""
    head = _head(return_path, "Automatic reply: away until Monday", recipient, now, boundary)
    head += ["Auto-Submitted: auto-replied (vacation)", "Content-Type: text/plain; charset=utf-8"]
    head += [f"In-Reply-To: {_one_line(i)}" for i in _message_id(original)]
    body = "Thank you for writing. I am away until Monday and will read your letter then.\n"
    return _octets("\n".join((*head, "", body)))


def _head(
    return_path: str, subject: str, sender: str, now: datetime, boundary: str, host: str = REPORTING_MTA
) -> list[str]:
    return [
        "Return-Path: <>",
        f"Delivered-To: {return_path}",
        f"Date: {format_datetime(now)}",
        f"From: <{sender}>",
        f"To: <{return_path}>",
        f"Subject: {subject}",
        f"Message-ID: <{boundary}@{host}>",
        "MIME-Version: 1.0",
    ]


def _report(head: list[str], kind: str, boundary: str, parts: tuple[tuple[str, str], ...], original: bytes) -> bytes:
    top = [*head, f'Content-Type: multipart/report; report-type={kind}; boundary="{boundary}"', ""]
    lines = ["This is a MIME-encapsulated message.", ""]
    for content_type, text in parts:
        lines += [f"--{boundary}", f"Content-Type: {content_type}", "", text]
    lines += [f"--{boundary}", "Content-Type: text/rfc822-headers", "", ""]
    returned = original.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    return _octets("\n".join((*top, *lines))) + _crlf(returned + f"\n\n--{boundary}--\n".encode())


def _type(recipient: str) -> str:
    return "rfc822" if recipient.isascii() else "utf-8"


def _message_id(original: bytes) -> list[str]:
    head = original.replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("utf-8", "replace")
    return re.findall(r"(?im)^message-id:[ \t]*(<[^<>\s]+>)", head)[:1]


def _one_line(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()


def _octets(text: str) -> bytes:
    return _crlf(text.encode())


def _crlf(octets: bytes) -> bytes:
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
