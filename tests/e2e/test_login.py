"""A real relay that takes letters only from who has logged in, over TLS: the login, and what a wrong password does.

Postfix asks Cyrus SASL, which knows one user, in a database in Postfix's own folder.
"""

import logging
import os
import shutil
import smtplib
import ssl
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from mailer.actions.choose_relay import Chosen
from mailer.actions.steer_relay import relays
from mailer.core.configkind import Tls
from mailer.house import House
from mailer.models import Bounce, Copy, Event, Mailing, RelayState, relay_state
from mailer.transport.journal import Journal
from mailer.transport.pool import Pool
from mailer.transport.relay import FaultKind
from mailer.transport.smtp import connect
from tests.actions.office import Office
from tests.e2e.postfix import Postfix, running
from tests.needs import needs
from tests.world import anne, join, stream

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.postfix,
    needs("postfix", "/usr/sbin/postfix"),
    needs("sasl2-bin", "/usr/sbin/saslpasswd2"),
    needs("libsasl2-modules", "/usr/lib/*/sasl2/libplain.so"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a Postfix of our own can only be started as root, as .ci/run does"),
]

_Found = TypeVar("_Found")
USER, REALM = "office", "example.org"
LOGIN = f"{USER}@{REALM}"
#: With what a program may stumble over: a space, and letters outside ASCII.
PASSWORD = "tea on Säturday"
WRONG = "tea on Münday"
#: No network is trusted: who has not logged in may do nothing.
MAIN = """\
mynetworks =
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_security_options = noanonymous
cyrus_sasl_config_path = {folder}/sasl
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
"""
SASL = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN
sasldb_path: {users}
"""


@pytest.fixture
def postfix() -> Iterator[Postfix]:
    with running(MAIN) as server:
        users = server.folder / "sasldb2"
        made = ["/usr/sbin/saslpasswd2", "-p", "-c", "-f", str(users), "-u", REALM, USER]
        subprocess.run(made, input=PASSWORD.encode(), capture_output=True, check=True)
        shutil.chown(users, "postfix")
        users.chmod(0o600)
        # It is read when the first client comes.
        (server.folder / "sasl").mkdir()
        (server.folder / "sasl" / "smtpd.conf").write_text(SASL.format(users=users))
        yield server


@pytest.fixture
def office(house: House, postfix: Postfix, tmp_path: Path) -> Office:
    """A host with the right password in its configuration."""
    return Office(logging_in(house, postfix, PASSWORD), Journal(tmp_path, "w"))


def test_a_mailing_goes_by_a_relay_that_wants_a_login(office: Office, postfix: Postfix) -> None:
    nothing_goes_without_a_login(postfix)
    issue = begun(office)
    send(office)
    assert office.report(anne(), issue).copies == {"accepted": 1}
    assert office.mailing(issue).state == "sent"
    (letter,) = until(lambda: postfix.letters("ann"), postfix)
    assert b"\nTo: Ann Example <ann@example.net>\n" in letter
    assert f"sasl_method=PLAIN, sasl_username={LOGIN}" in postfix.log.read_text()
    assert relay_state.states() == {}


def test_a_wrong_password_pauses_a_real_relay_and_is_in_no_log(
    office: Office, postfix: Postfix, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    right, wrong = office.house, logging_in(office.house, postfix, WRONG)
    office.house = wrong
    issue = begun(office)
    send(office)
    (state,) = relay_state.states().values()
    assert (state.name, state.kind, state.until) == ("smtp", FaultKind.AUTH, None)
    assert "535 5.7.8" in state.reason
    assert [each.state for each in relays(wrong, office.now)] == ["paused"]

    # A refused login may lock the account: by itself it is not tried again.
    office.now += timedelta(days=1)
    office.ring()
    send(office)
    until(lambda: refusals(postfix), postfix)
    assert refusals(postfix) == 1
    assert office.mailing(issue).state == "sending"
    assert state.reason in office.mailing(issue).state_reason
    assert set(Copy.unscoped.values_list("state", "attempts")) == {("queued", 0)}
    assert not Bounce.unscoped.exists()
    assert postfix.letters("ann") == []
    assert "from=<" not in postfix.log.read_text(), "no letter was begun"

    held = [*RelayState.unscoped.values(), *Event.unscoped.values(), *Mailing.unscoped.values()]
    printed = "".join(capfd.readouterr())
    for text in (caplog.text, printed, str(held), postfix.log.read_text()):
        assert [form for form in forms(WRONG) if form in text] == []

    # The right one in the configuration is tried at once.
    office.house = right
    send(office)
    assert len(until(lambda: postfix.letters("ann"), postfix)) == 1
    assert office.mailing(issue).state == "sent"
    assert relay_state.states() == {}


def logging_in(house: House, postfix: Postfix, password: str) -> House:
    """The same house with this Postfix as its relay."""
    smtp = replace(
        house.config.smtp,
        host="localhost",
        port=postfix.port,
        tls=Tls.STARTTLS,
        user=LOGIN,
        password=password,
        ehlo_name="mail.example.org",
        ca_file=postfix.ca_file,
    )
    return replace(house, config=replace(house.config, smtp=smtp))


def begun(office: Office) -> int:
    """A mailing to Ann."""
    join(office.house, "Ann Example", "ann@example.net", consents=[stream(office.house)])
    return office.begun(anne())


def send(office: Office) -> None:
    """By the client that works in production, to the relay that the configuration names."""
    wires: list[Pool] = []

    def wire_to(via: Chosen) -> Pool:
        # One connection: others might still be made when the letters are gone, and nobody would close them.
        wires.append(Pool(lambda: connect(via.relay).lane, time.monotonic, most=1))
        return wires[-1]

    sender = replace(office.sender, wire_to=wire_to, ticks=time.monotonic)
    while sender.work():
        pass
    for wire in wires:
        wire.drop()
    office.ring()


def nothing_goes_without_a_login(postfix: Postfix) -> None:
    with smtplib.SMTP("localhost", postfix.port) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("auth"), "a password has no business outside TLS"
        smtp.starttls(context=ssl.create_default_context(cafile=postfix.ca_file))
        smtp.ehlo()
        assert smtp.esmtp_features["auth"].split() == ["PLAIN"]
        smtp.mail("office@example.org")
        assert smtp.rcpt("ann@example.net")[0] == 554


def refusals(postfix: Postfix) -> int:
    return postfix.log.read_text().count("SASL PLAIN authentication failed")


def forms(password: str) -> list[str]:
    """A password as it may stand in a log: as it is, escaped, and as it goes over the line."""
    sent = (password, f"\0{LOGIN}\0{password}")
    return [password, ascii(password)[1:-1], *(b64encode(text.encode()).decode() for text in sent)]


def until(look: Callable[[], _Found], postfix: Postfix) -> _Found:
    """Postfix works in its own time: look until it has, for at most half a minute."""
    deadline = time.monotonic() + 30
    while not (found := look()):
        assert time.monotonic() < deadline, postfix.log.read_text()[-3000:]
        time.sleep(0.05)
    return found
