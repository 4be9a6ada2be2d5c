"""The scripted server itself: a test that leans on it must be able to."""

import inspect
import socket

import pytest

from mailer.core.reply import ReplyReader, Step
from tests.transport import misbehaviours
from tests.transport.helpers import ANNE, BEA, MakeWire
from tests.transport.misbehaviours import answers_at, answers_slowly_in_pieces, refuses_recipient
from tests.transport.wire import Wire


def converse(server: Wire, *said: bytes, replies: int) -> list[int]:
    """Write all of it at once, as a pipelining client does, and read that many replies."""
    reader = ReplyReader()
    codes: list[int] = []
    with socket.create_connection((server.host, server.port), timeout=5) as client:
        client.sendall(b"".join(said))
        while len(codes) < replies:
            octets = client.recv(4096)
            assert octets, f"the server hung up after {codes}"
            reader.feed(octets)
            while (reply := reader.take()) is not None:
                codes.append(reply.code)
    return codes


def letter(recipient: str, body: bytes = b"a: b\r\n\r\nx\r\n") -> bytes:
    return b"MAIL FROM:<s@example.com>\r\nRCPT TO:<%s>\r\nDATA\r\n%s.\r\n" % (recipient.encode(), body)


@pytest.mark.parametrize("slowly", [[], [answers_slowly_in_pieces()]])
def test_a_client_may_pipeline_whole_letters(wire: MakeWire, slowly: list[object]) -> None:
    server = wire(refuses_recipient(BEA), *slowly)
    refused = b"MAIL FROM:<s@example.com>\r\nRCPT TO:<bea@example.org>\r\nDATA\r\nRSET\r\n"
    said = (b"EHLO x\r\n", letter(ANNE), refused, letter(ANNE, b"..\r\n"), b"QUIT\r\n")
    codes = converse(server, *said, replies=15)
    assert codes == [220, 250, 250, 250, 354, 250, 250, 550, 554, 250, 250, 250, 354, 250, 221]
    assert server.copies == {ANNE: 2}
    assert [caught.content for caught in server.messages] == [b"a: b\r\n\r\nx\r\n", b".\r\n"]
    assert bytes(server.connections[0].octets) == b"".join(said)


def test_a_lone_dot_after_354_for_nobody_is_no_letter(wire: MakeWire) -> None:
    """RFC 2920 section 3.1: every RCPT refused, yet DATA got 354 (T9)."""
    server = wire(refuses_recipient(BEA), answers_at(Step.DATA, "354 Go on"))
    said = b"EHLO x\r\nMAIL FROM:<s@example.com>\r\nRCPT TO:<bea@example.org>\r\nDATA\r\n.\r\nQUIT\r\n"
    assert converse(server, said, replies=7) == [220, 250, 250, 550, 354, 554, 221]
    assert not server.messages


def test_a_bare_line_end_does_not_end_a_letter_unless_the_server_is_gullible(wire: MakeWire) -> None:
    body = b"x\n.\nMAIL FROM:<s@example.com>\r\n"
    strict, gullible = wire(), wire(gullible=True)
    assert converse(strict, b"EHLO x\r\n", letter(ANNE, body), replies=6)[-1] == 250
    assert strict.messages[0].content == body
    converse(gullible, b"EHLO x\r\n", letter(ANNE, body), replies=7)
    assert gullible.messages[0].content != body
    assert len(gullible.said("MAIL")) == 2


def test_commands_out_of_order_are_refused(wire: MakeWire) -> None:
    server = wire(users={"a": "b"})
    lines = (
        "EHLO x", "MAIL FROM:<s@example.com>", "RCPT TO:<a@example.org>", "DATA", "HELP", "NOOP", "STARTTLS",
        "AUTH PLAIN AGEAYw==", "AUTH PLAIN AGEAYg==", "MAIL FROM:<s@example.com>", "MAIL FROM:<>",
    )  # fmt: skip
    said = "".join(f"{line}\r\n" for line in lines).encode()
    assert converse(server, said, replies=12) == [220, 250, 530, 503, 554, 500, 250, 503, 535, 235, 250, 503]
    assert server.logins == ["a"]


def test_misbehaviours_are_applied_in_order(wire: MakeWire) -> None:
    server = wire(answers_at(Step.EHLO, "550 No"), answers_slowly_in_pieces(), answers_at(Step.EHLO, "451 Later"))
    assert converse(server, b"EHLO x\r\n", replies=2) == [220, 451]


def test_closing_the_server_frees_a_client_that_waits() -> None:
    with Wire(misbehaviours.stalls_at(Step.EHLO)) as server:
        client = socket.create_connection((server.host, server.port), timeout=5)
        assert client.recv(100).startswith(b"220 ")
        client.sendall(b"EHLO x\r\n")
    with client:
        assert client.recv(10) == b""


def test_every_misbehaviour_says_in_one_sentence_what_it_does() -> None:
    named = [function for name, function in inspect.getmembers(misbehaviours, inspect.isfunction)
             if function.__module__ == misbehaviours.__name__ and not name.startswith("_")]  # fmt: skip
    assert len(named) > 20
    for function in named:
        text = inspect.getdoc(function) or ""
        assert text.endswith("."), function
        assert "\n" not in text, function
