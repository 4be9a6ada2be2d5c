"""TLS or nothing: standards T14, T15, T17, T18, M5."""

import socket
import ssl
import warnings
from typing import Literal

import pytest

from mailer.core.reply import Step
from mailer.transport.relay import FaultKind, RelayFault
from mailer.transport.smtp import connect
from tests.transport.helpers import ANNE, MakeWire, envelope, relay_to
from tests.transport.misbehaviours import (
    answers_at,
    drops_at,
    injects_after_starttls,
    stalls_at,
    strips_starttls,
)
from tests.transport.tls import TlsKit
from tests.transport.wire import Wire

Mode = Literal["implicit", "starttls-required"]
MODES: tuple[Mode, ...] = ("implicit", "starttls-required")
USERS = {"newsletter": "correct horse"}


def listen(wire: MakeWire, mode: Mode, context: ssl.SSLContext, *misbehaviours: object) -> Wire:
    tls = "implicit" if mode == "implicit" else "starttls"
    return wire(*misbehaviours, tls=tls, context=context, users=USERS)


def fault_at(server: Wire, mode: Mode, kit: TlsKit, *, patience: float = 5.0) -> RelayFault:
    relay = relay_to(
        server, tls=mode, user="newsletter", password="correct horse", patience=patience, ca_file=kit.ca_file
    )
    with pytest.raises(RelayFault) as caught:
        connect(relay)
    server.close()
    return caught.value


def assert_nothing_was_given_away(server: Wire) -> None:
    """Neither in the clear nor to a server that had not proved its name."""
    assert server.connections
    for connection in server.connections:
        assert b"AUTH" not in connection.tcp.upper()
        assert b"MAIL FROM" not in connection.tcp.upper()
        assert not [line for line in connection.commands if line.split(" ")[0] not in ("EHLO", "STARTTLS")]
    assert server.logins == []


@pytest.mark.parametrize("mode", MODES)
def test_a_letter_travels_inside_tls_after_a_login_there(wire: MakeWire, tls_kit: TlsKit, mode: Mode) -> None:
    server = listen(wire, mode, tls_kit.good)
    relay = relay_to(server, tls=mode, user="newsletter", password="correct horse", ca_file=tls_kit.ca_file)
    with connect(relay) as session:
        answer = session.hand_over(envelope())
        assert session.usable
        session.hand_over(envelope(payload=b"a: b\r\n\r\n" + b"x" * 60 + b"\r\n" * 200_000))
    assert answer.reply is not None
    assert answer.reply.code == 250
    assert server.copies == {ANNE: 2}
    assert server.messages[0].secure
    verbs = [line.split(" ")[0] for line in server.commands]
    before = ["EHLO", "STARTTLS"] if mode == "starttls-required" else []
    assert verbs == [*before, "EHLO", "AUTH", "EHLO", *["MAIL", "RCPT", "DATA"] * 2, "QUIT"]
    clear = bytes(server.connections[0].tcp)
    assert b"MAIL FROM" not in clear
    assert b"AUTH" not in clear
    assert clear.startswith(b"EHLO mail.example.com\r\nSTARTTLS\r\n\x16\x03" if before else b"\x16\x03")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("server_is", "reason"),
    [
        ("wrong_name", "Hostname mismatch"),
        ("expired", "certificate has expired"),
        ("stranger", "unable to get local issuer certificate"),
        ("self_signed", "self-signed certificate"),
        ("tls_1_1", "version"),
    ],
)
def test_a_server_that_cannot_prove_itself_gets_nothing(
    wire: MakeWire, tls_kit: TlsKit, mode: Mode, server_is: str, reason: str
) -> None:
    server = listen(wire, mode, getattr(tls_kit, server_is))
    fault = fault_at(server, mode, tls_kit)
    assert (fault.kind, fault.retry_later) == (FaultKind.TLS, True)
    assert fault.step is (Step.CONNECT if mode == "implicit" else Step.STARTTLS)
    assert reason.lower() in str(fault).lower()
    assert_nothing_was_given_away(server)


def test_the_old_server_of_the_kit_does_speak_tls_1_1(wire: MakeWire, tls_kit: TlsKit) -> None:
    """Else the refusal above would prove nothing."""
    server = listen(wire, "implicit", tls_kit.tls_1_1)
    context = ssl.create_default_context(cafile=tls_kit.ca_file)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection((server.host, server.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        assert secure.version() == "TLSv1.1"


def test_without_a_ca_file_only_the_machines_own_authorities_are_trusted(wire: MakeWire, tls_kit: TlsKit) -> None:
    server = listen(wire, "implicit", tls_kit.good)
    with pytest.raises(RelayFault) as caught:
        connect(relay_to(server, tls="implicit"))
    server.close()
    assert caught.value.kind is FaultKind.TLS
    assert_nothing_was_given_away(server)


def test_a_missing_ca_file_is_a_fault_of_tls(wire: MakeWire, tls_kit: TlsKit) -> None:
    server = listen(wire, "implicit", tls_kit.good)
    with pytest.raises(RelayFault) as caught:
        connect(relay_to(server, tls="implicit", ca_file=tls_kit.ca_file.with_name("missing.pem")))
    assert caught.value.kind is FaultKind.TLS


def test_a_stripped_starttls_ends_it(wire: MakeWire, tls_kit: TlsKit) -> None:
    server = listen(wire, "starttls-required", tls_kit.good, strips_starttls())
    fault = fault_at(server, "starttls-required", tls_kit)
    assert (fault.kind, fault.retry_later, fault.step) == (FaultKind.TLS, True, Step.STARTTLS)
    assert "does not offer STARTTLS" in str(fault)
    assert server.commands == ["EHLO mail.example.com"]
    assert_nothing_was_given_away(server)


def test_what_is_injected_after_starttls_is_not_interpreted(wire: MakeWire, tls_kit: TlsKit) -> None:
    server = listen(wire, "starttls-required", tls_kit.good, injects_after_starttls())
    fault = fault_at(server, "starttls-required", tls_kit)
    assert (fault.kind, fault.step) == (FaultKind.TLS, Step.STARTTLS)
    assert "injection" in str(fault)
    assert server.commands == ["EHLO mail.example.com", "STARTTLS"]
    assert_nothing_was_given_away(server)


@pytest.mark.parametrize(
    ("misbehaviour", "kind", "later"),
    [
        (answers_at(Step.STARTTLS, "454 4.7.0 Not now"), FaultKind.TLS, True),
        (answers_at(Step.STARTTLS, "502 5.5.1 Never"), FaultKind.TLS, True),
        (answers_at(Step.STARTTLS, "421 4.3.2 Busy"), FaultKind.BUSY, True),
        (answers_at(Step.STARTTLS, "354 What?"), FaultKind.PROTOCOL, True),
        (drops_at(Step.STARTTLS), FaultKind.UNREACHABLE, True),
        (stalls_at(Step.STARTTLS), FaultKind.UNREACHABLE, True),
    ],
)
def test_a_refused_starttls_ends_it(
    wire: MakeWire, tls_kit: TlsKit, misbehaviour: object, kind: FaultKind, later: bool
) -> None:
    server = listen(wire, "starttls-required", tls_kit.good, misbehaviour)
    fault = fault_at(server, "starttls-required", tls_kit, patience=0.1)
    assert (fault.kind, fault.retry_later, fault.step) == (kind, later, Step.STARTTLS)
    assert_nothing_was_given_away(server)


def test_a_server_without_tls_behind_an_implicit_port_gets_nothing(wire: MakeWire, tls_kit: TlsKit) -> None:
    server = wire()
    fault = fault_at(server, "implicit", tls_kit)
    assert fault.kind is FaultKind.TLS
    assert not server.commands


def test_offers_made_in_the_clear_are_forgotten(wire: MakeWire, tls_kit: TlsKit) -> None:
    """The first EHLO offers everything, the one inside TLS nothing: what counts is the second."""
    server = listen(wire, "starttls-required", tls_kit.good)
    relay = relay_to(server, tls="starttls-required", ca_file=tls_kit.ca_file)
    server.users = {}
    server.misbehaviours.append(
        lambda moment, deed: answers_at(Step.EHLO, "250 mail.example.net")(moment, deed) if moment.nth > 1 else deed
    )
    with connect(relay) as session:
        assert not session.capabilities.smtputf8
        assert session.capabilities.size is None
