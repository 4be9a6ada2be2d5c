"""An answer that is passed on is a letter of ours: the words travel, and nothing that could forge, leave or circle."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.address import Address, parse
from mailer.core.characters import unsafe_in_line
from mailer.core.message import AUTO_GENERATED, OneOff, one_off
from mailer.core.passing_on import MOST_SUBJECT, MOST_TEXT, Ours, PassedOn, author_of, own_id, passed_on
from mailer.core.token import KEY_OCTETS, Keyring, Purpose
from tests.core.lettering import HOSTILE, header_names, hostile_text, parts, read

OURS = Ours(frozenset({"letters@example.org", "chair@example.org"}), "bounces.example.org")
GWEN = Address("gwen", "example.net")
TOKEN = Keyring({1: b"k" * KEY_OCTETS}).sign(Purpose.LEAVE, 7)
FIELDS = ["From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]


def answer(body: str, subject: str = "Re: News", sender: str = "Gwen <gwen@example.net>", **headers: str) -> bytes:
    head = {"From": sender, "Subject": subject, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return ("".join(f"{name}: {value}\r\n" for name, value in head.items()) + f"\r\n{body}").encode("utf-8", "replace")


def made(raw: bytes) -> PassedOn:
    return passed_on(raw, GWEN, subject="News in May", title="The Chair\u2019s Letter")


def on_the_wire(letter: PassedOn) -> bytes:
    return one_off(
        OneOff(
            from_name="Riverside",
            from_address="letters@example.org",
            reply_to=letter.reply_to,
            to_name="",
            to_address="chair@example.org",
            subject=letter.subject,
            text=letter.text,
            html=letter.html,
            message_id="q7.k2m@example.org",
            date="Tue, 01 Dec 2026 09:00:00 +0000",
            boundary="=_0",
            automatic=AUTO_GENERATED,
        )
    )


def test_the_words_travel_with_who_wrote_them_and_to_what() -> None:
    letter = made(answer("Lovely walk!\r\nSee you.\r\n", "RE: Aw: News"))
    assert (letter.subject, letter.reply_to) == ("Re: News", "gwen@example.net")
    assert "gwen@example.net answered \u201cNews in May\u201d (The Chair\u2019s Letter)" in letter.text
    assert letter.text.endswith("\n\nLovely walk!\nSee you.\n")
    assert "<p>Lovely walk!<br>\nSee you.</p>" in letter.html


def test_without_a_subject_or_words_it_says_so() -> None:
    letter = made(answer("", "Re:"))
    assert letter.subject == "Re: News in May"
    assert "(They wrote no words.)" in letter.text


def test_links_to_leave_are_taken_out_of_what_they_quote() -> None:
    letter = made(answer(f"Thanks\r\n> leave: https://news.example.org/u/{TOKEN}\r\n", f"Re: {TOKEN}"))
    assert TOKEN not in letter.text + letter.html + letter.subject
    assert "> leave: https://news.example.org/u/[token]" in letter.text


@pytest.mark.parametrize("before", range(-40, 2))
def test_no_part_of_a_token_is_left_where_a_long_answer_is_cut(before: int) -> None:
    body = "a " * (MOST_TEXT // 2)
    letter = made(answer(body[: MOST_TEXT + before] + TOKEN + " the end"))
    assert TOKEN[:8] not in letter.text
    assert "the end" not in letter.text
    assert f"first {MOST_TEXT:,} characters" in letter.text


def test_an_answer_at_its_longest_is_whole() -> None:
    letter = made(answer("a" * MOST_TEXT))
    assert "a" * MOST_TEXT in letter.text
    assert "first 10,000" not in letter.text


def test_attachments_stay_behind_and_are_counted() -> None:
    body = (
        "--b\r\nContent-Type: text/plain\r\n\r\nHere it is.\r\n"
        "--b\r\nContent-Type: image/png\r\n\r\nPNGOCTETS\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\nTo: secret@example.org\r\n\r\nours\r\n--b--\r\n"
    )
    letter = made(answer(body, Content_Type='multipart/mixed; boundary="b"'))
    assert "Here it is.\n\n--\nNot passed on, attachments or pictures: 2." in letter.text
    assert "PNGOCTETS" not in letter.text
    assert "secret@example.org" not in letter.text


def test_markup_of_theirs_is_shown_and_not_obeyed() -> None:
    letter = made(answer("<script>alert(1)</script>", "<b>"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in letter.html
    assert "<title>&lt;b&gt;</title>" in letter.html


@settings(max_examples=150)
@given(hostile_text, hostile_text, hostile_text)
def test_whatever_they_write_the_letter_has_our_fields_and_two_parts(subject: str, body: str, name: str) -> None:
    raw = answer(body, subject, f"{name} <gwen@example.net>")
    wire = on_the_wire(made(raw))
    assert header_names(wire) == FIELDS
    message = read(wire)
    assert message.keys() == FIELDS
    assert [each.addr_spec for each in message["Reply-To"].addresses] == ["gwen@example.net"]
    assert [each.addr_spec for each in message["To"].addresses] == ["chair@example.org"]
    assert len(list(message.iter_parts())) == 2
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\r\n\.", wire)


@settings(max_examples=150)
@given(
    st.binary(max_size=300)
    | st.lists(st.sampled_from(HOSTILE), max_size=6).map(lambda bits: "".join(bits).encode("utf-8", "replace"))
)
def test_any_octets_at_all_make_a_letter_or_have_no_author(raw: bytes) -> None:
    author = author_of(raw, OURS)
    assert author is None or parse(author.text) == author
    plain, page = parts(on_the_wire(made(raw)))
    assert plain.startswith("gwen@example.net answered")
    assert page.startswith("<!DOCTYPE html>")


def test_a_subject_that_is_an_encoded_word_once_decoded_is_broken() -> None:
    letter = made(answer("", "=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3D0D=3D0ABcc:_x=3F=3D?="))
    assert "= ?utf-8?" in letter.subject
    assert header_names(on_the_wire(letter)) == FIELDS


def test_control_characters_are_spaces_in_what_is_passed_on() -> None:
    letter = made(answer("a\x00b\x0bc\td"))
    assert letter.text.endswith("a b c\td\n")
    assert "a b c\td</p>" in letter.html


@given(st.text(max_size=600))
def test_a_subject_is_one_line_of_bounded_length_and_holds_no_encoded_word(subject: str) -> None:
    made_of_it = made(answer("", subject)).subject
    assert len(made_of_it) <= len("Re: ") + MOST_SUBJECT
    assert "=?" not in made_of_it
    assert unsafe_in_line(made_of_it) is None


@pytest.mark.parametrize(
    ("sender", "author"),
    [
        ("gwen@example.net", "gwen@example.net"),
        ('"chair@example.org" <gwen@example.net>', "gwen@example.net"),
        ("Gwen <gwen@Example.NET>", "gwen@example.net"),
        ("Gwen <gwen@example.net>, Hal <hal@example.net>", None),
        ("Gwen <gwen>", None),
        ("", None),
        ("<>", None),
        ("Gwen <gwen@example.net> (x) <hal@example.net>", None),
        ("The Friends <letters@example.org>", None),
        ("Chair <CHAIR@example.org>", None),
        ("x <b+abc@bounces.example.org>", None),
        ("Mail Delivery <mailer-daemon@example.net>", None),
    ],
)
def test_only_one_who_can_be_answered_and_is_none_of_us_is_passed_on(sender: str, author: str | None) -> None:
    found = author_of(answer("Hello", sender=sender), OURS)
    assert (found.text if found else None) == author


@pytest.mark.parametrize(
    "header",
    [
        {"Auto_Submitted": "auto-generated"},
        {"Precedence": "bulk"},
        {"Precedence": "list"},
        {"List_Id": "<friends.example.net>"},
        {"Return_Path": "<>"},
        {"X_Autoreply": "yes"},
        {"X_Loop": "gwen@example.net"},
    ],
)
def test_no_machine_is_passed_on(header: dict[str, str]) -> None:
    assert author_of(answer("Hello", **header), OURS) is None


def test_two_authors_are_none() -> None:
    assert author_of(b"From: hal@example.net\r\n" + answer("Hello"), OURS) is None


def test_a_letter_of_ours_is_a_machine_s_and_names_itself() -> None:
    wire = on_the_wire(made(answer("Hello")))
    assert author_of(wire.replace(b"letters@example.org", b"gwen@example.net"), OURS) is None
    assert own_id(wire) == "<q7.k2m@example.org>"
