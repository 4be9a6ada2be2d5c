"""Logging in at a relay by an access token: OAUTHBEARER and XOAUTH2 (T20, RFC 7628)."""

import base64
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailer.core.reply import Step
from mailer.transport.access_token import Source
from mailer.transport.relay import FaultKind, Relay, RelayFault, RelayRefused
from mailer.transport.smtp import connect
from tests.transport.deeds import Deed, Misbehaviour, Moment, Then, reply
from tests.transport.helpers import MakeWire, relay_to
from tests.transport.misbehaviours import (
    answers_at,
    closes_on_a_second_login,
    drops_at,
    echoes_login,
    echoes_login_as_gibberish,
    hangs_up_on_a_refused_login,
)
from tests.transport.tls import TlsKit
from tests.transport.wire import Wire

USER = "newsletter@example.org"
STALE, FRESH = "ya29.stale-" + "s" * 40, "ya29.fresh-" + "f" * 40
MECHANISMS = ("OAUTHBEARER", "XOAUTH2")
#: What answers an error challenge.
ANSWERS = {"OAUTHBEARER": "AQ==", "XOAUTH2": ""}
HELLO = "EHLO mail.example.com"
_GIVE = """
import pathlib, sys
tokens, asked = map(pathlib.Path, sys.argv[1:])
asked.write_text(asked.read_text() + "x")
words = tokens.read_text().split()
print(words[min(len(asked.read_text()), len(words)) - 1])
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A command that gives tokens in turn, the last of them for ever."""

    folder: Path

    def giving(self, *tokens: str) -> Source:
        (self.folder / "tokens").write_text("\n".join(tokens))
        (self.folder / "asked").write_text("")
        return (sys.executable, "-I", "-S", "-c", _GIVE, str(self.folder / "tokens"), str(self.folder / "asked"))

    @property
    def asked(self) -> int:
        return len((self.folder / "asked").read_text())


@pytest.fixture
def endpoint(tmp_path: Path) -> Endpoint:
    return Endpoint(tmp_path)


def server_of(wire: MakeWire, *misbehaviours: Misbehaviour, mechanisms: str = "XOAUTH2") -> Wire:
    return wire(*misbehaviours, users={USER: FRESH}, mechanisms=mechanisms)


def fault_of(relay: Relay) -> RelayFault:
    with pytest.raises(RelayFault) as caught:
        connect(relay)
    return caught.value


def line_of(server: Wire, mechanism: str, token: str = FRESH) -> str:
    words = {
        "OAUTHBEARER": f"n,a={USER},\1host=127.0.0.1\1port={server.port}\1auth=Bearer {token}\1\1",
        "XOAUTH2": f"user={USER}\1auth=Bearer {token}\1\1",
    }
    return f"AUTH {mechanism} " + base64.b64encode(words[mechanism].encode()).decode()


@pytest.mark.parametrize(
    ("offered", "mechanism"),
    [("PLAIN LOGIN XOAUTH2", "XOAUTH2"), ("LOGIN XOAUTH2 OAUTHBEARER PLAIN", "OAUTHBEARER")],
)
def test_the_token_is_said_in_one_line_by_the_best_mechanism(
    wire: MakeWire, tmp_path: Path, offered: str, mechanism: str
) -> None:
    (tmp_path / "token").write_text(FRESH + "\n")
    server = server_of(wire, mechanisms=offered)
    with connect(relay_to(server, user=USER, token_from=tmp_path / "token")) as session:
        assert session.capabilities.pipelining
    assert server.logins == [USER]
    assert server.commands == [HELLO, line_of(server, mechanism), HELLO, "QUIT"]


def test_a_user_with_a_comma_is_a_saslname(wire: MakeWire, endpoint: Endpoint) -> None:
    user = "a=b,c@example.org"
    server = wire(users={user: FRESH}, mechanisms="OAUTHBEARER")
    with connect(relay_to(server, user=user, token_from=endpoint.giving(FRESH))):
        assert server.logins == [user]
    assert b"n,a=a=3Db=2Cc@example.org,\1" in base64.b64decode(server.said("AUTH")[0].split(" ")[2])


def test_a_token_is_said_inside_tls_only(wire: MakeWire, tls_kit: TlsKit, endpoint: Endpoint) -> None:
    server = wire(tls="starttls", context=tls_kit.good, users={USER: FRESH}, mechanisms="XOAUTH2")
    source = endpoint.giving(FRESH)
    with connect(relay_to(server, tls="starttls-required", user=USER, ca_file=tls_kit.ca_file, token_from=source)):
        assert server.logins == [USER]
    assert b"AUTH" not in bytes(server.connections[0].tcp)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_an_expired_token_is_renewed_once_on_the_same_connection(
    wire: MakeWire, endpoint: Endpoint, mechanism: str
) -> None:
    server = server_of(wire, mechanisms=mechanism)
    with connect(relay_to(server, user=USER, token_from=endpoint.giving(STALE, FRESH))):
        assert server.logins == [USER]
    stale, fresh = (line_of(server, mechanism, token) for token in (STALE, FRESH))
    assert server.commands == [HELLO, stale, ANSWERS[mechanism], fresh, HELLO, "QUIT"]
    assert endpoint.asked == 2


@pytest.mark.parametrize("misbehaviour", [hangs_up_on_a_refused_login, closes_on_a_second_login])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_server_that_lets_nobody_try_again_is_met_anew_with_the_fresh_token(
    wire: MakeWire, endpoint: Endpoint, mechanism: str, misbehaviour: Callable[[], Misbehaviour]
) -> None:
    server = server_of(wire, misbehaviour(), mechanisms=mechanism)
    with connect(relay_to(server, user=USER, token_from=endpoint.giving(STALE, FRESH, "never-asked-for"))):
        assert server.logins == [USER]
    assert len(server.connections) == 2
    assert server.connections[1].commands[1] == line_of(server, mechanism)
    assert endpoint.asked == 2


def test_a_server_that_hangs_up_on_every_login_is_met_twice_and_no_more(wire: MakeWire, endpoint: Endpoint) -> None:
    server = server_of(wire, hangs_up_on_a_refused_login())
    fault = fault_of(relay_to(server, user=USER, token_from=endpoint.giving("one", "two", FRESH)))
    assert (fault.kind, fault.retry_later, fault.step) == (FaultKind.AUTH, False, Step.AUTH)
    assert (len(server.connections), endpoint.asked) == (2, 2)


@pytest.mark.parametrize("misbehaviour", [drops_at(Step.AUTH), answers_at(Step.AUTH, "421 4.3.2 Busy")])
def test_a_line_that_breaks_at_the_first_login_says_nothing_of_the_token(
    wire: MakeWire, endpoint: Endpoint, misbehaviour: Misbehaviour
) -> None:
    server = server_of(wire, misbehaviour)
    assert fault_of(relay_to(server, user=USER, token_from=endpoint.giving(STALE, FRESH))).retry_later
    assert (len(server.connections), endpoint.asked) == (1, 1)


@pytest.mark.parametrize("misbehaviours", [(), (answers_at(Step.AUTH, "535 5.7.3 Authentication unsuccessful"),)])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_fresh_token_that_is_refused_pauses_the_relay(
    wire: MakeWire, endpoint: Endpoint, mechanism: str, misbehaviours: tuple[Misbehaviour, ...]
) -> None:
    """Exchange Online says 535 at once; Gmail sends its challenge before."""
    server = server_of(wire, *misbehaviours, mechanisms=mechanism)
    fault = fault_of(relay_to(server, user=USER, token_from=endpoint.giving("one", "two", FRESH)))
    assert (fault.kind, fault.retry_later, fault.step) == (FaultKind.AUTH, False, Step.AUTH)
    assert fault.reply is not None
    assert fault.reply.code == 535
    assert (len(server.said("AUTH")), endpoint.asked) == (2, 2)


def test_an_expired_token_that_cannot_be_renewed_says_so(wire: MakeWire, endpoint: Endpoint) -> None:
    server = server_of(wire)
    fault = fault_of(relay_to(server, user=USER, token_from=endpoint.giving(STALE)))
    assert (fault.kind, fault.retry_later) == (FaultKind.AUTH, False)
    assert f"it cannot be renewed: {sys.executable} still gives the same one. It said: 535" in str(fault)
    assert (len(server.said("AUTH")), endpoint.asked) == (1, 2)


def test_the_token_of_a_file_that_nobody_renews_is_named_by_its_file(wire: MakeWire, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(STALE)
    fault = fault_of(relay_to(server_of(wire), user=USER, token_from=tmp_path / "token"))
    assert f"{tmp_path / 'token'} still gives the same one" in str(fault)


@pytest.mark.parametrize(
    ("text", "kind", "later"),
    [
        ("454 4.7.0 Temporary", FaultKind.AUTH, True),
        ("432 4.7.12 A transition is needed", FaultKind.AUTH, False),
        ("354 What?", FaultKind.PROTOCOL, True),
    ],
)
def test_what_does_not_blame_the_token_renews_none(
    wire: MakeWire, endpoint: Endpoint, text: str, kind: FaultKind, later: bool
) -> None:
    fault = fault_of(relay_to(server_of(wire, answers_at(Step.AUTH, text)), user=USER, token_from=endpoint.giving("x")))
    assert (fault.kind, fault.retry_later, fault.step) == (kind, later, Step.AUTH)
    assert endpoint.asked == 1


def test_no_token_means_no_connection_and_another_try_later(wire: MakeWire, tmp_path: Path) -> None:
    """Nobody has refused us: whatever renews the token may be away for a minute."""
    server = server_of(wire)
    fault = fault_of(relay_to(server, user=USER, token_from=tmp_path / "token"))
    assert (fault.kind, fault.retry_later, fault.step) == (FaultKind.AUTH, True, Step.AUTH)
    assert "no access token can be read" in str(fault)
    assert server.connections == []


@pytest.mark.parametrize("mechanisms", ["PLAIN LOGIN", "", "XOAUTH"])
def test_a_server_that_takes_no_token_hears_none(wire: MakeWire, endpoint: Endpoint, mechanisms: str) -> None:
    server = server_of(wire, mechanisms=mechanisms)
    fault = fault_of(relay_to(server, user=USER, token_from=endpoint.giving(FRESH)))
    assert (fault.kind, fault.retry_later, fault.step) == (FaultKind.AUTH, False, Step.AUTH)
    assert not server.said("AUTH")


def test_a_password_is_never_said_as_a_token(wire: MakeWire) -> None:
    server = wire(users={USER: "the password"}, mechanisms="OAUTHBEARER XOAUTH2")
    assert fault_of(relay_to(server, user=USER, password="the password")).kind is FaultKind.AUTH
    assert not server.said("AUTH")


def echoes_the_words() -> Misbehaviour:
    """Refuses the login and repeats what it understood, cut off."""

    def act(moment: Moment, proper: Deed) -> Deed:
        if moment.step is not Step.AUTH or not moment.line.startswith("AUTH"):
            return proper
        words = base64.b64decode(moment.line.split(" ")[2]).decode().replace("\1", " ")
        return Deed((reply(f"535 5.7.8 Refused: {words[:-20]}"),))

    return act


def echoes_the_line_cut_off() -> Misbehaviour:
    """Refuses a login that is too long for it and repeats the beginning."""

    def act(moment: Moment, proper: Deed) -> Deed:
        return Deed((reply(f"500 5.5.2 Line too long: {moment.line[:90]}"),)) if moment.step is Step.AUTH else proper

    return act


def echoes_and_hangs_up() -> Misbehaviour:
    """Puts the line into its farewell."""

    def act(moment: Moment, proper: Deed) -> Deed:
        is_auth = moment.step is Step.AUTH
        return Deed((reply(f"421 4.7.0 {moment.line}"),), Then.DROP) if is_auth else proper

    return act


@pytest.mark.parametrize(
    "misbehaviour",
    [echoes_login(), echoes_login_as_gibberish(), echoes_the_words(), echoes_the_line_cut_off(),
     echoes_and_hangs_up(), drops_at(Step.AUTH), hangs_up_on_a_refused_login()],
)  # fmt: skip
@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("tokens", [(STALE,), (STALE, "ya29.other-" + "o" * 40)])
def test_a_token_is_in_no_text_even_if_the_server_repeats_it(
    wire: MakeWire, endpoint: Endpoint, mechanism: str, misbehaviour: Misbehaviour, tokens: tuple[str, ...]
) -> None:
    server = server_of(wire, misbehaviour, mechanisms=mechanism)
    relay = relay_to(server, user=USER, token_from=endpoint.giving(*tokens), patience=0.5)
    fault = fault_of(relay)
    told = "".join(traceback.format_exception(fault)) + repr(fault.reply) + repr(relay)
    secrets = [token[:30] for token in tokens]
    secrets += [line_of(server, mechanism, token).split(" ")[2][:70] for token in tokens]
    assert server.said("AUTH")
    assert not [secret for secret in secrets if secret in told]


REMOTE = ("smtp.example.net", 465, "implicit", "mail.example.com")


@pytest.mark.parametrize(
    ("user", "password", "source", "why"),
    [
        ("", "", Path("token"), "go together"),
        (USER, "", (), "go together"),
        (USER, "secret", ("give",), "one too many"),
        ("a\1b", "", ("give",), "control characters"),
    ],
)
def test_an_unclear_login_cannot_be_described(user: str, password: str, source: Source, why: str) -> None:
    with pytest.raises(RelayRefused, match=why):
        Relay(*REMOTE, user=user, password=password, token_from=source)  # type: ignore[arg-type]
