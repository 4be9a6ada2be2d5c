"""The demo's mail server treats each address as it is told, on loopback only."""

import smtplib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailer.core.bounce import Kind, read
from mailer.demo.server import Behaviour, DemoServer, NotLoopbackError
from mailer.transport.maildir import waiting

NOW = datetime(2026, 11, 3, 9, 14, tzinfo=UTC)
PATH = "b+tok3n@bounce.example.org"
LETTER = b"Subject: News\r\nMessage-ID: <c0ffee@example.org>\r\n\r\n.dots\r\nand r\xc3\xa9sum\xc3\xa9s\r\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DemoServer]:
    behaviours = {f"{behaviour.value.title()}@example.net": behaviour for behaviour in Behaviour}
    with DemoServer(tmp_path / "caught", tmp_path / "bounces", behaviours) as server:
        yield server


@pytest.fixture
def client(server: DemoServer) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP("127.0.0.1", server.port, local_hostname="demo.example.org") as client:
        client.ehlo()
        yield client


def _send(client: smtplib.SMTP, name: str, sender: str = PATH) -> tuple[int, bytes]:
    """The last reply to one letter."""
    client.docmd(f"MAIL FROM:<{sender}>")
    reply = client.docmd(f"RCPT TO:<{name}@example.net>")
    if reply[0] != 250:
        client.docmd("RSET")
        return reply
    return client.data(LETTER)


def _folder(path: Path) -> list[bytes]:
    return [message.read() for message in waiting(path)]


def test_it_offers_what_our_client_may_use(client: smtplib.SMTP) -> None:
    assert {"size", "8bitmime", "smtputf8"} <= set(client.esmtp_features)


def test_an_accepted_letter_is_kept_octet_for_octet_under_its_trace(
    server: DemoServer, client: smtplib.SMTP, tmp_path: Path
) -> None:
    assert _send(client, "anyone")[0] == 250
    trace = f"Return-Path: <{PATH}>\r\nDelivered-To: anyone@example.net\r\n".encode()
    assert _folder(tmp_path / "caught") == [trace + LETTER]
    assert list((tmp_path / "caught" / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "replies"),
    [
        ("accept", [b"2.0.0", b"2.0.0"]),
        ("refuse", [b"5.1.1", b"5.1.1"]),
        ("REFUSE", [b"5.1.1"]),
        ("refuse_full", [b"5.2.2", b"5.2.2"]),
        ("defer", [b"4.7.1", b"2.0.0", b"2.0.0"]),
        ("defer_always", [b"4.7.1", b"4.7.1", b"4.7.1"]),
        ("bounce_later", [b"2.0.0"]),
    ],
)
def test_each_address_answers_as_it_is_told(
    server: DemoServer, client: smtplib.SMTP, name: str, replies: list[bytes]
) -> None:
    assert [_send(client, name)[1].split()[0] for _ in replies] == replies
    assert server.server_counted == replies.count(b"2.0.0")


def test_copies_are_counted_for_each_recipient_and_in_all(server: DemoServer, client: smtplib.SMTP) -> None:
    for name in ("anna", "bea", "anna", "refuse"):
        _send(client, name)
    assert server.counted_by_recipient == {"anna@example.net": 2, "bea@example.net": 1}
    assert server.server_counted == 3


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("bounce_later", Kind.HARD),
        ("delay", Kind.SOFT),
        ("away", Kind.AUTOREPLY),
        ("complain", Kind.COMPLAINT),
    ],
)
def test_what_other_servers_owe_comes_when_it_is_called_for_and_once(
    server: DemoServer, client: smtplib.SMTP, tmp_path: Path, name: str, kind: Kind
) -> None:
    _send(client, name)
    assert _folder(tmp_path / "bounces") == []
    assert (server.deliver_bounces(NOW), server.deliver_bounces(NOW)) == (1, 0)
    (raw,) = _folder(tmp_path / "bounces")
    report = read(raw)
    assert report.kind is kind
    assert PATH in report.delivered_to


def test_nothing_is_answered_that_came_from_nobody(server: DemoServer, client: smtplib.SMTP) -> None:
    assert _send(client, "bounce_later", sender="")[0] == 250
    assert server.deliver_bounces(NOW) == 0


def test_each_report_has_a_name_of_its_own(server: DemoServer, client: smtplib.SMTP, tmp_path: Path) -> None:
    for _ in range(3):
        _send(client, "bounce_later")
    server.deliver_bounces(NOW)
    assert len({read(raw).report_id for raw in _folder(tmp_path / "bounces")}) == 3


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_it_refuses_to_listen_where_others_could_reach_it(tmp_path: Path, host: str) -> None:
    with pytest.raises(NotLoopbackError, match="loopback"):
        DemoServer(tmp_path / "a", tmp_path / "b", {}, host=host)


def test_it_stops_while_a_client_is_still_connected(tmp_path: Path) -> None:
    with DemoServer(tmp_path / "a", tmp_path / "b", {}) as server:
        client = smtplib.SMTP("127.0.0.1", server.port, local_hostname="demo.example.org")
    client.close()
