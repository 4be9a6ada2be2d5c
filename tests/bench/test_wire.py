"""The sink tells the truth: whoever measures against it relies on its counts and hashes."""

import smtplib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mailer.bench import wire
from mailer.bench.site import make_certificate
from mailer.bench.wire import BenchRefused, Sink, Tools
from tests.needs import needs

pytestmark = [
    needs("gcc", "/usr/bin/cc"),
    needs("libc6-dev", "/usr/include/stdio.h"),
    needs("libssl-dev", "/usr/include/openssl/ssl.h"),
]
LETTER = (
    b"From: a@example.org\r\nDate: Tue, 01 Dec 2026 09:00:00 +0000\r\nSubject: x\r\n y\r\n\r\nHello.\r\n"
    + b"x" * 70 * 600
)
ENDS = b"\r\n"


@pytest.fixture(scope="module")
def tools() -> Iterator[Tools]:
    with wire.compiled() as found:
        yield found


def hashes(tools: Tools, *letters: bytes) -> list[tuple[str, ...]]:
    asked = b"".join(b"%d\n%b" % (len(letter), letter) for letter in letters)
    said = subprocess.run([tools.sink, "--hash"], input=asked, capture_output=True, check=True).stdout.decode()
    return [tuple(line.split()) for line in said.splitlines()]


def talk(sink: Sink, octets: bytes, *, pieces: int = 1) -> bytes:
    """Say all of it, in so many pieces and not waiting for a reply, then QUIT; everything that was answered."""
    size = len(octets) // pieces + 1
    with closing(socket.create_connection(("127.0.0.1", sink.port), timeout=10)) as client:
        for start in range(0, len(octets), size):
            client.sendall(octets[start : start + size])
        client.sendall(b"QUIT\r\n")
        return b"".join(iter(lambda: client.recv(4096), b""))


def transaction(letter: bytes, to: bytes = b"ann@example.net", sender: bytes = b"b@example.org") -> bytes:
    return b"MAIL FROM:<%b>\r\nRCPT TO:<%b>\r\nDATA\r\n%b.\r\n" % (sender, to, letter)


def codes(said: bytes) -> list[bytes]:
    return [line[:3] for line in said.splitlines()]


@pytest.mark.parametrize("pieces", [1, 2, 7, 400])
def test_everyone_is_counted_by_what_they_got_however_it_is_cut(tools: Tools, pieces: int) -> None:
    letters = {b"ann@example.net": LETTER + ENDS, b"bob@example.net": b"Subject: y\r\n\r\n\r\n", b"cy@example.net": b""}
    with wire.sink(tools) as sink:
        said = talk(
            sink, b"EHLO x\r\n" + b"".join(transaction(body, to) for to, body in letters.items()), pieces=pieces
        )
        received, taken = sink.received(), sink.taken()
    assert codes(said)[-13:] == [*[b"250", b"250", b"354", b"250"] * 3, b"221"]
    assert b"250-PIPELINING" in said
    expected = dict(zip(letters, hashes(tools, *letters.values()), strict=True))
    assert {to.encode(): each.hashes for to, each in received.items()} == expected
    assert {(each.count, each.sender) for each in received.values()} == {(1, "b@example.org")}
    assert (taken.letters, taken.connections) == (3, 1)


@pytest.mark.parametrize("pieces", [1, 3, 50])
@pytest.mark.parametrize("body", [b".\r\n", b"a\r\n.\r\nb\r\n", b"..\r\n.x\r\n", b"x\n.y\r\n"])
def test_dots_are_unstuffed(tools: Tools, body: bytes, pieces: int) -> None:
    letter = b"Subject: x\r\n\r\n" + body
    stuffed = letter.replace(b"\n.", b"\n..")
    with wire.sink(tools) as sink:
        talk(sink, b"EHLO x\r\n" + transaction(stuffed), pieces=pieces)
        assert sink.received()["ann@example.net"].hashes == hashes(tools, letter)[0]


def test_a_second_copy_and_another_letter_are_seen(tools: Tools) -> None:
    with wire.sink(tools) as sink:
        talk(
            sink,
            b"EHLO x\r\n" + transaction(LETTER + ENDS) + transaction(LETTER[:-1] + b"y\r\n", sender=b"c@example.org"),
        )
        (got,) = sink.received().values()
        assert (got.count, got.sender) == (2, "c@example.org")
        assert got.hashes == hashes(tools, LETTER[:-1] + b"y\r\n")[0]
        sink.forget()
        assert sink.received() == {}
        assert sink.taken().letters == 0


def test_the_hash_of_the_head_is_blind_to_what_says_when_it_was_built_and_to_nothing_else(tools: Tools) -> None:
    later = LETTER.replace(b"09:00:00", b"09:00:01")
    signed = b"DKIM-Signature: v=1;\r\n b=abc\r\n" + LETTER
    folded = LETTER.replace(b"\r\n y", b"\r\n z")
    unfolded = LETTER.replace(b"\r\n y", b"\r\ny: z")
    body = LETTER.replace(b"Hello", b"Hullo")
    ((head, tail), *others) = hashes(tools, LETTER, later, signed, folded, unfolded, body)
    assert others[:2] == [(head, tail)] * 2
    assert all(other[0] != head and other[1] == tail for other in others[2:4])
    assert others[4] == (head, others[4][1])
    assert others[4][1] != tail


def test_it_refuses_as_it_is_told(tools: Tools) -> None:
    with wire.sink(tools, reject_every=2) as sink:
        said = talk(
            sink, b"EHLO x\r\n" + transaction(b"a\r\n", b"a@example.net") + b"MAIL FROM:<>\r\nRCPT TO:<b@x>\r\nDATA\r\n"
        )
        assert b"550 5.1.1" in said
        assert b"554 5.5.1" in said
        assert list(sink.received()) == ["a@example.net"]
    with wire.sink(tools, quota=1) as sink:
        said = talk(sink, b"EHLO x\r\n" + transaction(b"a\r\n") + b"MAIL FROM:<>\r\nRCPT TO:<b@x>\r\n")
        assert b"550 5.4.5" in said


def test_it_waits_before_each_answer_without_holding_up_another(tools: Tools) -> None:
    with wire.sink(tools, delay_ms=1) as sink:
        talk(sink, b"EHLO x\r\n" + transaction(LETTER + ENDS))
        assert sink.taken().letters == 1


def test_it_speaks_tls(tools: Tools, tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    with wire.sink(tools, certificate=(made.certificate, made.key)) as sink:
        rate = wire.push_by_tls(sink, LETTER + ENDS, made.certificate, connections=2, letters=10)
        assert rate > 0
        assert sum(each.count for each in sink.received().values()) == 10
        assert {each.hashes for each in sink.received().values()} == {hashes(tools, LETTER + ENDS)[0]}


def test_the_limit_hands_over_what_it_was_given(tools: Tools, tmp_path: Path) -> None:
    file = tmp_path / "letter"
    file.write_bytes(LETTER + ENDS)
    with wire.sink(tools) as sink:
        assert wire.push(tools, sink, file, connections=3, letters=20) > 0
        received = sink.received()
    assert len(received) == 20
    assert {(each.count, each.hashes) for each in received.values()} == {(1, hashes(tools, LETTER + ENDS)[0])}


def test_pythons_own_client_gets_on_with_it(tools: Tools) -> None:
    with wire.sink(tools) as sink, smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client:
        assert client.sendmail("a@example.org", ["b@example.net"], LETTER) == {}
        assert client.noop()[0] == 250
        assert client.docmd("XYZZY")[0] == 500


def test_it_ends_when_whoever_started_it_does(tools: Tools) -> None:
    with wire.sink(tools) as sink:
        pid = sink.pid
    assert not Path("/proc", str(pid)).exists()


def test_without_a_compiler_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BenchRefused, match="gcc"), wire.compiled():
        pass
