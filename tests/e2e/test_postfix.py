"""The whole circle on a real relay: TLS, a real mailbox, a refusal, a report that comes back to the signed address."""

import email
import email.policy
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailer.actions.read_bounces import read_reports
from mailer.core.dkim import Signer, public_record
from mailer.house import House
from mailer.models import Bounce, BounceSource, Mailbox
from mailer.transport.journal import Journal
from mailer.transport.maildir import waiting
from mailer.transport.pool import Pool
from mailer.transport.relay import Relay
from mailer.transport.smtp import connect
from tests.actions.office import Office
from tests.e2e.postfix import Postfix, running
from tests.needs import needs
from tests.world import NOW, anne, join, stream

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.postfix,
    needs("postfix", "/usr/sbin/postfix"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a Postfix of our own can only be started as root, as .ci/run does"),
]


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    with running() as server:
        yield server


def test_a_mailing_goes_out_and_its_report_comes_back(house: House, postfix: Postfix, tmp_path: Path) -> None:
    news, chair = stream(house), anne()
    for name, box in (("Ann", "ann@example.net"), ("Nobody", "nobody@example.net"), ("Later", "later@example.com")):
        join(house, f"{name} Example", box, consents=[news])
    office = Office(house, Journal(tmp_path, "w"))
    issue = office.scheduled(chair)
    office.now += timedelta(hours=1)
    office.ring()
    signer = _signer()
    relay = Relay("localhost", postfix.port, "starttls-required", "mail.example.org", ca_file=postfix.ca_file)
    wire = Pool(lambda: connect(relay).lane, time.monotonic, most=1)
    sender = replace(office.sender, wire_to=lambda _: wire, ticks=time.monotonic, signers=[signer])
    while sender.work():
        pass
    wire.drop()

    letter = _wait_for(lambda: postfix.letters("ann"), postfix)[0]
    parsed = email.message_from_bytes(letter, policy=email.policy.SMTP)
    assert parsed["To"] == "Ann Example <ann@example.net>"
    assert "Dear Ann Example" in parsed.get_body(("plain",)).get_content()
    # Postfix writes LF into the mailbox and puts its own fields above ours; the signature survives both.
    assert dkim.verify(letter.replace(b"\n", b"\r\n"), dnsfunc=lambda *_, **__: public_record(signer).encode())

    figures = office.report(chair, issue)
    assert figures.copies == {"accepted": 2, "refused": 1}
    assert Mailbox.unscoped.get(normal="nobody@example.net").deliverability == "undeliverable"

    _wait_for(lambda: postfix.letters("bounces"), postfix)
    reports = list(
        read_reports(house, waiting(postfix.mail / "bounces"), NOW, office.draw.handle, BounceSource.MAILDIR)
    )
    assert [(report.kind, report.verdict) for report in reports] == [("hard", "undeliverable")]
    assert Mailbox.unscoped.get(normal="later@example.com").deliverability == "undeliverable"
    assert Bounce.unscoped.filter(source=BounceSource.MAILDIR).get().matched_by == "return_path"
    assert office.report(chair, issue).outcomes == {"accepted": 1, "bounced": 1, "refused": 1}


def _signer() -> Signer:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Signer.from_pem(pem, domain="example.org", selector="letters1")


def _wait_for(look: Callable[[], list[bytes]], postfix: Postfix) -> list[bytes]:
    """Postfix delivers in its own time: look until it has, for at most half a minute."""
    deadline = time.monotonic() + 30
    while not (found := look()):
        assert time.monotonic() < deadline, postfix.log.read_text()[-3000:]
        time.sleep(0.05)
    return found
