"""From a relay to a session, in the clear on loopback, and what becomes of a login: T1, T5, T18, T19."""

import base64
import socket
import traceback
from collections.abc import Callable
from dataclasses import replace

import pytest

from mailer.core.reply import Step
from mailer.transport.relay import FaultKind, Relay, RelayFault, RelayRefused
from mailer.transport.smtp import connect
from tests.transport.deeds import Misbehaviour
from tests.transport.helpers import MakeWire, relay_to
from tests.transport.misbehaviours import (
    answers_421_at,
    answers_at,
    answers_gibberish,
    drops_at,
    echoes_login,
    echoes_login_as_gibberish,
    only_at,
    resets_at,
    says_everything_twice,
    stalls_at,
)

USER, PASSWORD = "newsletter", "correct horse battery"
USERS = {USER: PASSWORD}
PLAIN = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()


def fault_of(relay: Relay) -> RelayFault:
    with pytest.raises(RelayFault) as caught:
        connect(relay)
    return caught.value


@pytest.mark.parametrize("step", [Step.CONNECT, Step.EHLO])
@pytest.mark.parametrize(
    ("text", "kind", "later"),
    [
        ("421 4.3.2 Busy", FaultKind.BUSY, True),
        ("450 4.7.1 Come again", FaultKind.REFUSED_GREETING, True),
        ("554 5.7.1 Not you", FaultKind.REFUSED_GREETING, False),
        ("354 What?", FaultKind.PROTOCOL, True),
    ],
)
def test_a_relay_that_refuses_to_greet_is_at_fault(
    wire: MakeWire, step: Step, text: str, kind: FaultKind, later: bool
) -> None:
    server = wire(answers_at(step, text))
    fault = fault_of(relay_to(server))
    assert (fault.kind, fault.retry_later, fault.step) == (kind, later, step)
    assert fault.reply is not None
    assert f"{server.host}:{server.port} answered at {step}: {text}" in str(fault)
    assert not server.said("MAIL")


@pytest.mark.parametrize("step", [Step.CONNECT, Step.EHLO])
@pytest.mark.parametrize(
    ("misbehaviour", "kind"),
    [
        (answers_421_at, FaultKind.BUSY),
        (answers_gibberish, FaultKind.PROTOCOL),
        (drops_at, FaultKind.UNREACHABLE),
        (resets_at, FaultKind.UNREACHABLE),
        (stalls_at, FaultKind.UNREACHABLE),
    ],
)
def test_a_relay_that_does_not_greet_is_tried_later(
    wire: MakeWire, step: Step, misbehaviour: Callable[[Step], Misbehaviour], kind: FaultKind
) -> None:
    fault = fault_of(relay_to(wire(misbehaviour(step)), patience=0.1))
    assert (fault.kind, fault.retry_later, fault.step) == (kind, True, step)


def test_a_port_where_nobody_listens_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    fault = fault_of(Relay("127.0.0.1", port, "none", "localhost"))
    assert (fault.kind, fault.retry_later, fault.step) == (FaultKind.UNREACHABLE, True, Step.CONNECT)
    assert isinstance(fault, ConnectionError)


def test_a_second_greeting_is_not_taken_for_the_answer_to_ehlo(wire: MakeWire) -> None:
    fault = fault_of(relay_to(wire(says_everything_twice(Step.CONNECT))))
    assert (fault.kind, fault.step) == (FaultKind.PROTOCOL, Step.EHLO)


@pytest.mark.parametrize(
    ("mechanisms", "lines"),
    [
        ("PLAIN LOGIN", [f"AUTH PLAIN {PLAIN}"]),
        (
            "CRAM-MD5 LOGIN",
            ["AUTH LOGIN", *(base64.b64encode(word.encode()).decode() for word in (USER, PASSWORD))],
        ),
    ],
)
def test_login_takes_an_offered_mechanism_and_says_ehlo_again(
    wire: MakeWire, mechanisms: str, lines: list[str]
) -> None:
    server = wire(users=USERS, mechanisms=mechanisms)
    with connect(relay_to(server, user=USER, password=PASSWORD)) as session:
        assert session.capabilities.pipelining
    assert server.logins == [USER]
    assert server.commands == ["EHLO mail.example.com", *lines, "EHLO mail.example.com", "QUIT"]


@pytest.mark.parametrize("mechanisms", ["", "CRAM-MD5", "XPLAIN"])
def test_without_a_mechanism_of_ours_nothing_secret_is_said(wire: MakeWire, mechanisms: str) -> None:
    server = wire(users=USERS, mechanisms=mechanisms)
    fault = fault_of(relay_to(server, user=USER, password=PASSWORD))
    assert (fault.kind, fault.retry_later, fault.step) == (FaultKind.AUTH, False, Step.AUTH)
    assert not server.said("AUTH")


@pytest.mark.parametrize(
    ("text", "kind", "later"),
    [
        ("454 4.7.0 Temporary", FaultKind.AUTH, True),
        ("432 4.7.12 A password transition is needed", FaultKind.AUTH, False),
        ("530 5.7.0 Required", FaultKind.AUTH, False),
        ("534 5.7.9 Too weak", FaultKind.AUTH, False),
        ("535 5.7.8 Wrong", FaultKind.AUTH, False),
        ("538 5.7.11 Encryption required", FaultKind.AUTH, False),
        ("421 4.3.2 Busy", FaultKind.BUSY, True),
        ("354 What?", FaultKind.PROTOCOL, True),
    ],
)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_refused_login_is_the_relays_fault(
    wire: MakeWire, mechanism: str, text: str, kind: FaultKind, later: bool
) -> None:
    server = wire(answers_at(Step.AUTH, text), users=USERS, mechanisms=mechanism)
    fault = fault_of(relay_to(server, user=USER, password=PASSWORD))
    assert (fault.kind, fault.retry_later, fault.step) == (kind, later, Step.AUTH)
    assert fault.reply is not None
    assert fault.reply.code == int(text[:3])


def test_a_wrong_password_is_refused(wire: MakeWire) -> None:
    server = wire(users=USERS)
    fault = fault_of(relay_to(server, user=USER, password="guess"))
    assert (fault.kind, fault.retry_later) == (FaultKind.AUTH, False)
    assert server.logins == []


@pytest.mark.parametrize(
    "misbehaviour",
    [echoes_login(), echoes_login_as_gibberish(), only_at(Step.AUTH, says_everything_twice(Step.AUTH)),
     drops_at(Step.AUTH), stalls_at(Step.AUTH)],
)  # fmt: skip
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_credentials_are_in_no_text_even_if_the_server_repeats_them(
    wire: MakeWire, mechanism: str, misbehaviour: Misbehaviour
) -> None:
    relay = relay_to(wire(misbehaviour, users=USERS, mechanisms=mechanism), user=USER, password=PASSWORD, patience=0.1)
    secrets = [PASSWORD, PLAIN, base64.b64encode(PASSWORD.encode()).decode()]
    fault = fault_of(relay)
    told = "".join(traceback.format_exception(fault)) + repr(fault.reply) + repr(relay)
    assert not [secret for secret in secrets if secret in told]


REMOTE = Relay("smtp.example.net", 465, "implicit", "mail.example.com")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"tls": "none"}, "in the clear"),
        ({"tls": "none", "host": "127.0.0.1.example.net"}, "in the clear"),
        ({"tls": "starttls"}, "write 'implicit'"),
        ({"ehlo_name": "localhost"}, "says nothing to another machine"),
        ({"ehlo_name": "LOCALHOST.localdomain"}, "says nothing to another machine"),
        ({"ehlo_name": "mail"}, "full name"),
        ({"ehlo_name": "mail.example.com\r\nRSET"}, "full name"),
        ({"ehlo_name": "mail.example.com\n"}, "full name"),
        ({"ehlo_name": "-mail.example.com"}, "full name"),
        ({"ehlo_name": ""}, "full name"),
        ({"ehlo_name": "[mail.example.com]"}, "full name"),
        ({"ehlo_name": "[2001:db8::1]"}, "full name"),
        ({"ehlo_name": "[IPv6:192.0.2.1]"}, "full name"),
        ({"user": "newsletter"}, "go together"),
        ({"password": "x"}, "go together"),
        ({"user": "a\0b", "password": "x"}, "NUL"),
    ],
)
def test_an_unsafe_relay_cannot_be_described(change: dict[str, str], why: str) -> None:
    with pytest.raises(RelayRefused, match=why):
        replace(REMOTE, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["mail.example.com", "[192.0.2.1]", "[IPv6:2001:db8::1]", "xn--bcher-kva.example.com"])
def test_a_full_name_or_an_address_literal_introduces_us(name: str) -> None:
    assert replace(REMOTE, ehlo_name=name).ehlo_name == name


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST"])
def test_only_this_machine_may_be_spoken_to_in_the_clear(host: str) -> None:
    assert Relay(host, 25, "none", "localhost").on_loopback


def test_a_name_for_this_machine_that_leads_elsewhere_is_not_followed(
    wire: MakeWire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's hosts file may say that localhost is another machine."""
    server = wire()
    monkeypatch.setattr("mailer.transport.connection.is_loopback", lambda _: False)
    fault = fault_of(relay_to(server))
    assert fault.kind is FaultKind.UNREACHABLE
    server.close()
    assert server.commands == []


def test_a_relay_does_not_show_its_password() -> None:
    assert PASSWORD not in repr(replace(REMOTE, user=USER, password=PASSWORD))
