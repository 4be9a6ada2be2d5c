"""The whole circle on real parts: out by Postfix, into Dovecot's mailboxes or not, and what comes back read by IMAP.

A mailing goes to people who are there, to one who is not, to one whose mailbox is full, to one on holiday, and to one
who has had enough. Postfix and Dovecot are ours alone, and end with the test.
"""

import os
import re
import shutil
import smtplib
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailer.actions.fetch_reports import Look, poll
from mailer.actions.list_bounces import bounce_log
from mailer.core.configkind import Tls
from mailer.core.dkim import Signer
from mailer.core.matter import MatterKind
from mailer.core.sought import Sought
from mailer.core.token import message_id
from mailer.house import House
from mailer.models import Bounce, Copy, Mailbox, Matter, Subscription
from mailer.transport.imap_session import Account
from mailer.transport.journal import Journal
from mailer.transport.pool import Pool
from mailer.transport.relay import Relay
from mailer.transport.smtp import connect
from tests.actions.office import Office
from tests.e2e import dovecot, postfix
from tests.e2e.dovecot import Dovecot
from tests.e2e.postfix import Postfix
from tests.needs import needs
from tests.world import anne, join, stream

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.postfix,
    needs("postfix", "/usr/sbin/postfix"),
    *dovecot.NEEDED,
    pytest.mark.skipif(os.geteuid() != 0, reason="a Postfix of our own can only be started as root, as .ci/run does"),
]

#: Seconds after which what must happen has not happened; never how long it takes.
DEADLINE = 30
#: A mailbox that people use too; all that comes back lies in it.
RETURNS = "office@example.org"
PEOPLE = ("ann", "full", "away", "enough", "gone", "nobody")
#: Postfix knows all but nobody; gone has no mailbox behind it.
MAPS = {
    "boxes": "/^(ann|full|away|enough|gone)@example\\.net$/ -\n/^office@example\\.org$/ -\n",
    "aliases": f"/^(b|leave)\\+.*@bounces\\.example\\.org$/ {RETURNS}\n",
    "transport": "/^away@example\\.net$/ vacation:\n",
}
MAIN = """\
virtual_mailbox_domains = example.net, example.org, bounces.example.org
virtual_transport = lmtp:inet:127.0.0.1:%d
vacation_destination_recipient_limit = 1
"""
SERVICES = """\
lmtp unix - - n - - lmtp
vacation unix - n n - - pipe
  flags=q user=nobody argv=/usr/bin/python3 {folder}/vacation.py {port} ${{sender}} ${{recipient}}
"""


@dataclass(frozen=True)
class Parts:
    """The servers, and the mailbox that reports come back to."""

    postfix: Postfix
    dovecot: Dovecot
    returns: Account

    @property
    def log(self) -> str:
        return self.postfix.log.read_text()[-4000:] + self.dovecot.log.read_text()[-2000:]

    def submit(self, sender: str, recipient: str, letter: EmailMessage) -> None:
        """Somebody's mail program sends a letter."""
        with smtplib.SMTP("localhost", self.postfix.port) as smtp:
            smtp.starttls(context=ssl.create_default_context(cafile=self.postfix.ca_file))
            smtp.send_message(letter, sender, [recipient])


@pytest.fixture(scope="module")
def parts() -> Iterator[Parts]:
    with dovecot.running() as mailboxes:
        for name in ("ann", "enough", "away"):
            mailboxes.mailbox(f"{name}@example.net")
        mailboxes.mailbox("full@example.net", quota="*:bytes=1000")
        returns = mailboxes.mailbox(RETURNS)
        with postfix.running(MAIN % mailboxes.lmtp, SERVICES, MAPS) as relay:
            shutil.copy(Path(__file__).parent / "vacation.py", relay.folder)
            yield Parts(relay, mailboxes, returns)


@pytest.fixture
def office(house: House, parts: Parts, tmp_path: Path) -> Office:
    """A host whose reports come back to that mailbox."""
    bounces = replace(
        house.config.bounces,
        imap_host=parts.returns.host,
        imap_port=parts.returns.port,
        imap_tls=Tls.IMPLICIT,
        imap_user=parts.returns.user,
        imap_password=parts.returns.password,
        imap_ca_file=parts.returns.ca_file,
    )
    return Office(replace(house, config=replace(house.config, bounces=bounces)), Journal(tmp_path, "w"))


def test_the_whole_circle(office: Office, parts: Parts) -> None:
    news, chair = stream(office.house), anne()
    for name in PEOPLE:
        join(office.house, f"{name.title()} Example", f"{name}@example.net", consents=[news])
    issue = office.scheduled(chair)
    office.now += timedelta(hours=1)
    office.ring()
    send(office, parts)
    assert office.report(chair, issue).copies == {"accepted": 5, "refused": 1}, "nobody is refused at once"

    until(lambda: parts.dovecot.files("enough@example.net"), parts)
    stop_by_mail(office, parts, "enough@example.net")
    stop_in_words(office, parts, "ann@example.net")
    colleague_writes(parts)

    # Two reports, the reply of the vacation program, the wish to leave, the one in words, and the colleague's letter.
    looks: list[Look] = []
    until(lambda: fetched(office, looks) >= 6, parts)
    assert [look.trouble for look in looks if look.trouble] == []

    states = dict(Copy.unscoped.values_list("mailbox__normal", "state"))
    assert states == {
        "ann@example.net": "accepted",
        "away@example.net": "accepted",
        "enough@example.net": "accepted",
        "full@example.net": "bounced",
        "gone@example.net": "bounced",
        "nobody@example.net": "refused",
    }
    mailboxes = dict(Mailbox.unscoped.values_list("normal", "deliverability"))
    assert [box for box, said in mailboxes.items() if said == "undeliverable"] == [
        "gone@example.net",
        "nobody@example.net",
    ]
    assert Mailbox.unscoped.get(normal="full@example.net").soft_count == 1
    left = Subscription.unscoped.filter(state="left").values_list("member__name", flat=True)
    assert list(left) == ["Enough Example"]

    logged = {
        (line.kind, line.reason, line.status, line.source)
        for line in bounce_log(chair, office.house, Sought(), office.now)
    }
    assert logged >= {
        ("hard", "user_unknown", "5.1.1", "imap"),
        ("soft", "mailbox_full", "5.2.2", "imap"),
        ("autoreply", "auto_reply", "", "imap"),
    }
    assert {row.matched_by for row in Bounce.unscoped.filter(source="imap")} == {"return_path", "mailto", "answer"}

    (asked,) = Matter.unscoped.filter(kind=MatterKind.ASKS_TO_LEAVE)
    assert (asked.said, asked.copy.mailbox.normal) == ("Please take me off your list.", "ann@example.net")
    stays = [file.read_bytes() for file in parts.dovecot.files(RETURNS)]
    assert sorted(re.findall(rb"(?m)^Subject: (.*)$", b"".join(stays))) == [b"Re: News", b"Tea on Saturday?"]
    assert len(parts.dovecot.files(RETURNS, "Mailer/Read")) == 4
    assert parts.dovecot.files(RETURNS, "Mailer/Kept") == []


def send(office: Office, parts: Parts) -> None:
    """By the sender that works in production, over TLS."""
    relay = Relay(
        "localhost", parts.postfix.port, "starttls-required", "mail.example.org", ca_file=parts.postfix.ca_file
    )
    # One connection: others might still be made when the letters are gone, and nobody would close them.
    wire = Pool(lambda: connect(relay).lane, time.monotonic, most=1)
    sender = replace(office.sender, wire_to=lambda _: wire, ticks=time.monotonic, signers=[signer()])
    while sender.work():
        pass
    wire.drop()


def stop_by_mail(office: Office, parts: Parts, box: str) -> None:
    """As a mail program does it that knows List-Unsubscribe: a letter to the address signed for this copy."""
    handle = Copy.unscoped.get(mailbox__normal=box).handle % 2**64
    address = office.house.leave_mailto(handle).removeprefix("mailto:").partition("?")[0]
    answer = EmailMessage()
    answer["From"], answer["To"], answer["Subject"] = box, address, "unsubscribe"
    answer.set_content("Please stop.")
    parts.submit(box, address, answer)


def stop_in_words(office: Office, parts: Parts, box: str) -> None:
    """As a person does it: an answer to our letter, to where its readers are told to write."""
    handle = Copy.unscoped.get(mailbox__normal=box).handle % 2**64
    answer = EmailMessage()
    answer["From"], answer["To"], answer["Subject"] = box, RETURNS, "Re: News"
    answer["In-Reply-To"] = message_id(office.house.tokens, handle, office.house.mail_domain)
    answer.set_content("Please take me off your list.")
    parts.submit(box, RETURNS, answer)


def colleague_writes(parts: Parts) -> None:
    """An ordinary letter to somebody who reads the same mailbox."""
    letter = EmailMessage()
    letter["From"], letter["To"] = "bea@example.net", "office@example.org"
    letter["Subject"] = "Tea on Saturday?"
    letter.set_content("Shall we?")
    parts.submit("bea@example.net", RETURNS, letter)


def fetched(office: Office, looks: list[Look]) -> int:
    looks += poll(office.house, office.now, office.draw.handle)
    return sum(len(look.reports) for look in looks)


def until(look: Callable[[], object], parts: Parts) -> object:
    """Servers deliver in their own time: look until they have."""
    deadline = time.monotonic() + DEADLINE
    while not (found := look()):
        assert time.monotonic() < deadline, parts.log
        time.sleep(0.1)
    return found


def signer() -> Signer:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Signer.from_pem(pem, domain="example.org", selector="letters1")
