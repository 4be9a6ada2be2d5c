"""Replies out of octets: standards T4, T8, T13."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.reply import (
    REPLY_LIMIT,
    Answer,
    Capabilities,
    ProtocolError,
    Reply,
    ReplyReader,
    Step,
    parse,
)


def read_all(chunks: list[bytes]) -> tuple[list[Reply], str]:
    """The replies in the order they come, and why reading stopped, if it did."""
    reader, replies = ReplyReader(), []
    for chunk in chunks:
        reader.feed(chunk)
        try:
            while (reply := reader.take()) is not None:
                replies.append(reply)
        except ProtocolError as error:
            return replies, str(error)
    return replies, ""


@pytest.mark.parametrize(
    ("octets", "reply"),
    [
        (b"250 Ok\r\n", Reply(250, None, "Ok")),
        (b"250\r\n", Reply(250, None, "")),
        (b"250 \r\n", Reply(250, None, "")),
        (b"250Ok\r\n", Reply(250, None, "Ok")),
        (b"250 Ok\n", Reply(250, None, "Ok")),
        (b"250-one\r\n250-two\r\n250\r\n", Reply(250, None, "one\ntwo\n")),
        (b"550 5.1.1 No such user\r\n", Reply(550, "5.1.1", "5.1.1 No such user")),
        (b"550-5.7.1 Spam\r\n550 5.7.1 Go away\r\n", Reply(550, "5.7.1", "5.7.1 Spam\n5.7.1 Go away")),
        (b"250 " + b"x" * 4000 + b"\r\n", Reply(250, None, "x" * 4000)),
        (b"550 gr\xfc\xc3\xbc\x00\x1b[2J\r\n", Reply(550, None, "gr\\xfcü\\x00\\x1b[2J")),
    ],
)
def test_a_reply_is_read_in_every_form_that_servers_use(octets: bytes, reply: Reply) -> None:
    assert parse(octets) == reply


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"550 4.1.1 x\r\n", None),
        (b"450 5.2.2 x\r\n", None),
        (b"550 5.99.999 x\r\n", "5.99.999"),
        (b"250 2.1.5\r\n", "2.1.5"),
        (b"550 5.1.1x\r\n", None),
        (b"550 5.01.1 x\r\n", None),
        (b"550 5.1 x\r\n", None),
        (b"550 Error 5.1.1\r\n", None),
        (b"550-4.0.0 x\r\n550 5.2.1 y\r\n", "5.2.1"),
        (b"354 3.0.0 x\r\n", None),
    ],
)
def test_a_status_counts_only_when_its_class_agrees_with_the_code(octets: bytes, status: str | None) -> None:
    assert parse(octets).status == status


@pytest.mark.parametrize(("code", "digit"), [(299, 2), (354, 3), (475, 4), (599, 5)])
def test_an_unknown_code_is_known_by_its_first_digit(code: int, digit: int) -> None:
    assert parse(f"{code} whatever\r\n".encode()).first_digit == digit


@pytest.mark.parametrize(
    "octets",
    [
        b"\r\n",
        b"hello\r\n",
        b"25 Ok\r\n",
        b"2500 Ok\r\n",
        b"150 Ok\r\n",
        b"650 Ok\r\n",
        b" 250 Ok\r\n",
        b"\xb2\xb5\xb0 Ok\r\n",
        b"250-one\r\n550 two\r\n",
        b"250-" + b"x" * REPLY_LIMIT + b"\r\n250 Ok\r\n",
        b"250-x\r\n" * (REPLY_LIMIT // 7 + 1),
        b"2" * (REPLY_LIMIT + 1),
    ],
)
def test_what_is_not_a_reply_is_refused(octets: bytes) -> None:
    replies, why = read_all([octets])
    assert replies == []
    assert why


def test_a_reply_before_the_nonsense_is_not_lost() -> None:
    replies, why = read_all([b"250 2.0.0 Kept\r\nnonsense\r\n"])
    assert [reply.code for reply in replies] == [250]
    assert "nonsense" in why


@pytest.mark.parametrize("octets", [b"", b"250 Ok", b"250-Ok\r\n", b"250 Ok\r\n250 Ok\r\n", b"250 Ok\r\nx"])
def test_only_exactly_one_reply_can_be_parsed(octets: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse(octets)


def test_a_reader_knows_whether_anything_is_left() -> None:
    reader = ReplyReader()
    assert reader.empty
    reader.feed(b"250-a\r\n")
    assert reader.take() is None
    assert not reader.empty
    reader.feed(b"250 b\r\n2")
    assert reader.take() == Reply(250, None, "a\nb")
    assert not reader.empty
    reader.feed(b"")
    assert not reader.empty
    reader.feed(b"50 c\r\n")
    assert reader.take() == Reply(250, None, "c")
    assert reader.empty
    reader.feed(b"250 a\r\n250 b\r\n354 c\r\n")
    assert not reader.empty
    assert reader.skip_opened()
    assert reader.empty


def test_a_reply_is_shown_on_one_line() -> None:
    assert str(parse(b"550-5.1.1 No such\r\n550 user\r\n")) == "550 5.1.1 No such user"
    assert str(parse(b"250\r\n")) == "250"


_LINES = st.sampled_from([b"250 Ok\r\n", b"250-a\r\n", b"550 5.1.1 x\n", b"junk\r\n", b"4", b"21\r\n", b"\xff", b"\r"])
_STREAM = st.one_of(st.binary(max_size=60), st.lists(_LINES, max_size=8).map(b"".join))


@settings(max_examples=150)
@given(stream=_STREAM, cuts=st.lists(st.integers(0, 80), max_size=8))
def test_how_the_octets_are_cut_makes_no_difference(stream: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(edges)]
    assert read_all(chunks) == read_all([stream])


@settings(max_examples=150)
@given(st.integers(200, 599), st.lists(st.binary(max_size=30), min_size=1, max_size=4))
def test_a_reply_never_brings_control_characters_or_more_lines(code: int, texts: list[bytes]) -> None:
    lines = [text.translate(None, b"\r\n") for text in texts]
    octets = b"".join(b"%d-%s\r\n" % (code, line) for line in lines[:-1]) + b"%d %s\r\n" % (code, lines[-1])
    reply = parse(octets)
    assert reply.code == code
    assert reply.text.count("\n") == len(lines) - 1
    assert reply.text.replace("\n", "").isprintable()
    assert reply.status is None or re.fullmatch(rf"{reply.first_digit}\.\d+\.\d+", reply.status)


def ehlo(*lines: str) -> Capabilities:
    said = ["mail.example.net", *lines]
    octets = "".join(f"250{'-' if n < len(said) else ' '}{line}\r\n" for n, line in enumerate(said, 1))
    return Capabilities.of(parse(octets.encode()))


def test_capabilities_are_read_from_the_answer_to_ehlo() -> None:
    assert ehlo() == Capabilities()
    assert ehlo(
        "PIPELINING", "size 1000", "8bitmime", "DSN", "SMTPUTF8", "STARTTLS", "EnhancedStatusCodes",
        "AUTH PLAIN login"
    ) == Capabilities(
        pipelining=True,
        eight_bit_mime=True,
        size=1000,
        dsn=True,
        smtputf8=True,
        starttls=True,
        enhanced_status_codes=True,
        auth=frozenset({"PLAIN", "LOGIN"}),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "size"),
    [
        ("SIZE", 0),
        ("SIZE 0", 0),
        ("SIZE 35882577", 35882577),
        ("SIZE lots", 0),
        ("SIZE -5", 0),
        ("RESIZE 5", None),
    ],
)
def test_a_size_without_a_number_is_no_fixed_limit(line: str, size: int | None) -> None:
    assert ehlo(line).size == size


def test_the_old_form_of_auth_is_understood_and_the_greeting_line_is_no_offer() -> None:
    assert ehlo("AUTH=PLAIN LOGIN", "AUTH CRAM-MD5").auth == {"PLAIN", "LOGIN", "CRAM-MD5"}
    assert not Capabilities.of(parse(b"250 PIPELINING\r\n")).pipelining


def test_success_is_an_answer_only_after_the_final_dot() -> None:
    ok, go_on = parse(b"250 Ok\r\n"), parse(b"354 Go on\r\n")
    assert Answer(Step.FINAL_DOT, ok, final_dot_written=True).reply is ok
    for step, reply, written in (
        (Step.FINAL_DOT, ok, False),
        (Step.RCPT, ok, False),
        (Step.DATA, ok, True),
        (Step.FINAL_DOT, go_on, True),
    ):
        with pytest.raises(ValueError, match="cannot end"):
            Answer(step, reply, written)


_LEGIBLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
_STATUS = st.from_regex(r"\A[1-6]\.[0-9]{1,4}\.[0-9]{1,4}( |x|)\Z")


@given(st.integers(200, 599), st.one_of(_LEGIBLE, st.builds(str.__add__, _STATUS, _LEGIBLE)))
def test_the_usual_reply_is_read_as_any_other(code: int, text: str) -> None:
    """One legible line is taken at once; with a bare LF it goes the long way."""
    assert parse(b"%d %b\r\n" % (code, text.encode())) == parse(b"%d %b\n" % (code, text.encode()))
