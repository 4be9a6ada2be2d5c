"""What comes back in tests: reports and letters about the letters that an office's relay has caught."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mailer.actions.read_bounces import ReadReport, read_reports
from mailer.actions.schedule_mailing import schedule
from mailer.core.bounce.fate import Fate
from mailer.core.envelope import Envelope
from mailer.demo import postmaster
from mailer.models import BounceSource
from mailer.models.outbox import unsigned
from tests.actions.office import Office, copy_to
from tests.world import anne

GWEN, HAL = "gwen@example.org", "hal@example.org"
THEN = datetime(2026, 11, 21, tzinfo=UTC)


@dataclass
class Lies:
    """A message that lies in a mailbox, and what becomes of it."""

    raw: bytes
    name: str = "a message"
    fates: list[Fate] = field(default_factory=list)

    def read(self) -> bytes:
        return self.raw

    def done(self, fate: Fate) -> None:
        self.fates.append(fate)


def comes_back(office: Office, *raws: bytes) -> list[ReadReport]:
    """Let these come back, and read them."""
    found = read_reports(office.house, map(Lies, raws), office.now, office.draw.handle, BounceSource.MAILDIR)
    return list(found)


def another_letter(office: Office, days: int) -> None:
    """Another letter to everyone, so many days later."""
    office.now += timedelta(days=days)
    chair = anne()
    issue, at = office.written(chair), office.now + timedelta(hours=2)
    schedule(chair, office.house, issue, f"{at:%Y-%m-%d %H:%M}", now=office.now)
    office.now += timedelta(hours=3)
    office.ring()
    office.send_all()


def caught(office: Office, recipient: str) -> Envelope:
    """The newest letter to an address."""
    return next(envelope for envelope in reversed(office.relay.caught) if envelope.recipient == recipient)


def dsn(office: Office, recipient: str, status: str = "5.1.1", said: str = "User unknown", **more: str) -> bytes:
    """A delivery report about the newest letter to an address."""
    letter = caught(office, recipient)
    return postmaster.delivery_status(
        letter.payload,
        recipient=more.get("names", recipient),
        return_path=more.get("return_path", letter.sender),
        action=more.get("action", "failed"),
        status=status,
        diagnostic=f"{'452' if status[0] == '4' else '550'} {status} {said}",
        now=THEN,
        boundary=more.get("boundary", f"=_{recipient}{status}"),
    )


def complaint(office: Office, recipient: str) -> bytes:
    """Its reader pressed "this is spam"."""
    letter = caught(office, recipient)
    return postmaster.complaint(
        letter.payload, recipient=recipient, return_path=letter.sender, now=THEN, boundary="=_spam"
    )


def away(office: Office, recipient: str) -> bytes:
    """An automatic answer."""
    letter = caught(office, recipient)
    return postmaster.out_of_office(
        letter.payload, recipient=recipient, return_path=letter.sender, now=THEN, boundary="=_away"
    )


def writes(office: Office, recipient: str, words: str, *, to: str = "", **headers: str) -> bytes:
    """Somebody writes back, to the return path unless it is said where."""
    head = {
        "Return-Path": f"<{recipient}>",
        "From": f"Somebody <{recipient}>",
        "To": to or caught(office, recipient).sender,
        "Subject": "Re: News",
        "Message-ID": f"<{len(words)}.{recipient}>",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return "".join(f"{name}: {value}\r\n" for name, value in head.items()).encode() + f"\r\n{words}\r\n".encode()


def leave_address(office: Office, recipient: str) -> str:
    """The address that the newest letter to somebody gives to a mail program's own button."""
    uri = office.house.leave_mailto(unsigned(copy_to(recipient).handle))
    return uri.removeprefix("mailto:").partition("?")[0]
