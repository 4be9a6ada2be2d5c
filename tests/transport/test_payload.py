"""What reaches the wire between DATA and the final dot: F3-F6, F17, S6, S7, M3, M10."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.errors import MailerError
from mailer.core.reply import Answer
from mailer.transport.memory import MemoryRelay
from mailer.transport.payload import PayloadRefused, check_envelope, check_payload, dot_stuffed
from mailer.transport.smtp import connect
from tests.transport.helpers import ANNE, LETTER, MakeWire, envelope, relay_to
from tests.transport.misbehaviours import answers_slowly_in_pieces
from tests.transport.wire import Wire

HEAD = b"Subject: Spring\r\n\r\n"
SECOND_LETTER = "MAIL FROM:<eve@example.net>\r\nRCPT TO:<mal@example.net>\r\nDATA\r\nyours\r\n.\r\n"
#: What some server once took for the end of a letter (standards F5), and who was harmed by it.
SMUGGLING = ("\n.\n", "\n.\r\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r\n.\n", "\r\n\0.\r\n", "\r\n.\r\n")


def quoted_printable(text: str) -> bytes:
    """A stand-in for the letter's own encoder: whatever is not plain is written as =XX."""
    plain = "".join(c if c.isalnum() or c in " :<>@." else "".join(f"={o:02X}" for o in c.encode()) for c in text)
    return b"\r\n".join(plain[n : n + 60].encode() + b"=" for n in range(0, len(plain), 60)) + b"\r\n\r\n"


def send(server: Wire, payload: bytes, *, smtputf8: bool = False, recipient: str = ANNE) -> Answer:
    with connect(relay_to(server)) as session:
        return session.hand_over(envelope(recipient, payload, smtputf8=smtputf8))


@pytest.mark.parametrize("gullible", [False, True])
@pytest.mark.parametrize("sequence", SMUGGLING)
def test_an_encoded_smuggling_sequence_stays_one_letter(wire: MakeWire, sequence: str, gullible: bool) -> None:
    server = wire(gullible=gullible)
    payload = HEAD + quoted_printable(f"Hello{sequence}{SECOND_LETTER}")
    send(server, payload)
    assert [caught.content for caught in server.messages] == [payload]
    assert server.commands.count("DATA") == 1
    assert server.copies == {ANNE: 1}


@pytest.mark.parametrize("sequence", [s for s in SMUGGLING if s != "\r\n.\r\n"])
def test_a_raw_smuggling_sequence_is_refused_before_anything_is_said(wire: MakeWire, sequence: str) -> None:
    server = wire()
    payload = HEAD + f"Hello{sequence}{SECOND_LETTER}".encode()
    with connect(relay_to(server)) as session:
        with pytest.raises(PayloadRefused, match=r"CR or LF|NUL"):
            session.hand_over(envelope(payload=payload))
        assert session.usable
    assert server.commands == ["EHLO mail.example.com", "QUIT"]


def test_the_end_of_data_inside_a_letter_is_stuffed(wire: MakeWire) -> None:
    server = wire()
    payload = HEAD + f"Hello\r\n.\r\n{SECOND_LETTER}".encode()
    send(server, payload)
    assert [caught.content for caught in server.messages] == [payload]
    assert server.commands.count("DATA") == 1
    assert b"\r\n..\r\n" in server.messages[0].raw


@pytest.mark.parametrize(
    "body",
    [b".\r\n", b"..\r\n", b".x\r\n", b"a=\r\n.b\r\n", b".\r\n.\r\n.\r\n", b"x\r\n.\r\n", b"\r\n.\r\n..\r\n"],
)
def test_a_line_that_begins_with_a_dot_arrives_as_it_was(wire: MakeWire, body: bytes) -> None:
    server = wire(answers_slowly_in_pieces())
    for payload in (HEAD + body, body):
        send(server, payload)
        assert server.messages[-1].content == payload
        assert server.messages[-1].raw == re.sub(rb"(?m)^\.", b"..", payload)
    assert server.commands.count("DATA") == 2


def test_a_letter_without_leading_dots_is_written_as_it_is() -> None:
    assert dot_stuffed(LETTER) is LETTER


_PIECES = st.lists(st.sampled_from([b".", b"\r\n", b"a", b" ", b"..", b"=\r\n"]), max_size=20).map(b"".join)


@settings(max_examples=150)
@given(_PIECES)
def test_stuffing_is_undone_by_the_receiver_and_never_ends_a_letter(body: bytes) -> None:
    payload = body + b"\r\n"
    stuffed = dot_stuffed(payload)
    assert b"\r\n.\r\n" not in b"\r\n" + stuffed
    assert re.sub(rb"(?m)^\.", b"", stuffed) == payload


@settings(max_examples=150)
@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"\r\n", b"a", b"\0", b"\xc3"]), max_size=12).map(b"".join))
def test_what_passes_holds_cr_and_lf_only_as_a_pair(body: bytes) -> None:
    bad = re.search(rb"(?<!\r)\n|\r(?!\n)|[\0\x80-\xff]", body) or not body.endswith(b"\r\n")
    if bad:
        with pytest.raises(PayloadRefused):
            check_payload(body)
    else:
        check_payload(body)


@pytest.mark.parametrize("payload", [b"", b"x", b"x\n", b"x\r", b"x\n\ry\r\n", b"\rx\ny\r\n", HEAD + "é\r\n".encode()])
def test_a_malformed_letter_is_refused(payload: bytes) -> None:
    with pytest.raises(PayloadRefused):
        check_envelope(envelope(payload=payload))


def test_an_octet_over_127_never_reaches_the_wire_unannounced(wire: MakeWire) -> None:
    for offers in ((), ("8BITMIME", "SMTPUTF8")):
        server = wire(offers=offers)
        with pytest.raises(PayloadRefused, match="quoted-printable"):
            send(server, HEAD + "Grüße\r\n".encode())
        server.close()
        assert bytes(server.connections[0].octets).isascii()
        assert not server.said("MAIL")


HOSTILE = (
    '"b\r\nRCPT TO:<evil@example.org>"@example.org',
    "b@example.org\nRSET",
    "b@example.org\r\nRSET",
    "b@example.org>\r\nDATA",
    "b\0@example.org",
    "b@exam\0ple.org",
    "<b@example.org>",
    "b@example.org> SIZE=1",
    "b @example.org",
    "b@example.org ",
    '"b c"@example.org',
    "b(comment)@example.org",
    "b@c@example.org",
    "@example.org",
    "b@",
    "b",
    "Bea <b@example.org>",
    "b@[127.0.0.1]",
    "b@example.org,c@example.org",
    "@relay.example.net:b@example.org",
    "b\u2028@example.org",
    "b@exämple.org",
)


@pytest.mark.parametrize("address", HOSTILE)
@pytest.mark.parametrize("where", ["sender", "recipient"])
def test_a_hostile_address_is_refused_before_anything_is_said(wire: MakeWire, address: str, where: str) -> None:
    server = wire()
    with connect(relay_to(server)) as session:
        for smtputf8 in (False, True):
            bad = replace(envelope(), smtputf8=smtputf8, **{where: address})
            with pytest.raises(MailerError):
                session.hand_over(bad)
    assert server.commands == ["EHLO mail.example.com", "QUIT"]


def test_an_empty_recipient_is_refused_but_an_empty_sender_is_the_null_path(wire: MakeWire) -> None:
    server = wire()
    with connect(relay_to(server)) as session:
        with pytest.raises(MailerError):
            session.hand_over(envelope(""))
        session.hand_over(replace(envelope(), sender=""))
    assert server.messages[0].mail.startswith("MAIL FROM:<> ")


_ATOM = st.text("abcxyzABC019!#$%&'*+-/=?^_`{|}~", min_size=1, max_size=12)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(_ATOM, min_size=1, max_size=3).map(".".join), min_size=1, max_size=5))
def test_the_path_in_rcpt_is_the_stored_address_octet_for_octet(locals_: list[str]) -> None:
    recipients = [f"{local}@example.org" for local in locals_]
    with Wire() as server:
        with connect(relay_to(server)) as session:
            for recipient in recipients:
                session.hand_over(envelope(recipient))
        assert server.said("RCPT") == [f"RCPT TO:<{recipient}>" for recipient in recipients]


UTF8_ADDRESS = "zoë@xn--exmple-cua.org"


def test_a_local_part_beyond_ascii_goes_where_smtputf8_is_offered(wire: MakeWire) -> None:
    server = wire()
    payload = "Subject: Grüße\r\n\r\nHello\r\n".encode()
    answer = send(server, payload, smtputf8=True, recipient=UTF8_ADDRESS)
    assert answer.reply is not None
    assert answer.reply.code == 250
    assert server.messages[0].mail.endswith(" BODY=8BITMIME SMTPUTF8")
    assert server.messages[0].recipients == (UTF8_ADDRESS,)
    assert server.messages[0].content == payload


@pytest.mark.parametrize(
    ("offers", "payload", "status"),
    [
        (("8BITMIME",), LETTER, "5.6.7"),
        ((), "Subject: Grüße\r\n\r\n".encode(), "5.6.7"),
        (("SMTPUTF8",), "Subject: Grüße\r\n\r\n".encode(), "5.6.3"),
    ],
)
def test_without_the_offer_that_recipient_fails_here_and_the_rest_goes_on(
    wire: MakeWire, offers: tuple[str, ...], payload: bytes, status: str
) -> None:
    server = wire(offers=offers)
    with connect(relay_to(server)) as session:
        answer = session.hand_over(envelope(UTF8_ADDRESS, payload, smtputf8=True))
        assert answer.reply is not None
        assert (answer.reply.status, answer.final_dot_written) == (status, False)
        session.hand_over(envelope())
    assert server.copies == {ANNE: 1}
    assert bytes(server.connections[0].octets).isascii()


def test_an_address_beyond_ascii_needs_the_envelope_to_say_so() -> None:
    with pytest.raises(PayloadRefused, match="SMTPUTF8"):
        check_envelope(envelope(UTF8_ADDRESS))


def test_the_twin_in_memory_refuses_the_same() -> None:
    session = MemoryRelay().connect()
    with pytest.raises(PayloadRefused):
        session.hand_over(envelope(payload=b"x"))
    with pytest.raises(MailerError):
        session.hand_over(envelope(HOSTILE[0]))
