"""What people write is put before a person with the sentence that matters; what machines write asks for nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.matter import Wish
from mailer.core.peopleletter import MOST_SENTENCE, PHRASES, asked, own_words, read_letter

OURS = (
    "\n\nOn Fri, 20 Nov 2026 at 10:00, The Friends <news@example.org> wrote:\n> Dear Gwen,\n> To unsubscribe, click.\n"
)


def letter(body: str, subject: str = "Re: News", **headers: str) -> bytes:
    more = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in headers.items())
    return f"From: Gwen Gone <gwen@example.org>\nSubject: {subject}\n{more}\n{body}".encode()


@pytest.mark.parametrize(
    ("body", "wish", "sentence"),
    [
        ("Please take me off this list. Thank you, Gwen", Wish.LEAVE, "Please take me off this list."),
        ("STOP", Wish.LEAVE, "STOP"),
        (
            "Hello. I don\u2019t want to receive these any more!",
            Wish.LEAVE,
            "I don\u2019t want to receive these any more!",
        ),
        ("How can I unsubscribe?", Wish.LEAVE, "How can I unsubscribe?"),
        ("I think you have the wrong person, please remove me.", Wish.WRONG_PERSON, None),
        ("We've moved house in May, to Leeds.", Wish.MOVED, "We've moved house in May, to Leeds."),
        ("My new address is gwen@example.com", Wish.MOVED, None),
        ("Lovely walk on Saturday, thank you all.", Wish.REPLY, "Lovely walk on Saturday, thank you all."),
        ("I do not want to unsubscribe, I love it.", Wish.REPLY, None),
        ("Please never take me off your list", Wish.REPLY, None),
        ("Don't stop the good work", Wish.REPLY, None),
        ("We stopped at the stop by the church.", Wish.REPLY, None),
        ("", Wish.REPLY, ""),
    ],
)
def test_a_wish_is_read_with_its_sentence(body: str, wish: Wish, sentence: str | None) -> None:
    found = read_letter(letter(body + OURS))
    assert found.wish is wish
    assert not found.automatic
    assert found.sender == "gwen@example.org"
    if sentence is not None:
        assert found.sentence == sentence


@pytest.mark.parametrize(
    "body",
    [
        f"Thank you!{OURS}",
        "Thank you!\n\n-----Original Message-----\nFrom: The Friends\nTo unsubscribe, click.",
        "Thank you!\n\nFrom: The Friends <news@example.org>\nSent: Friday\n\nTo unsubscribe, click.",
        "Thank you!\n-- \nTo unsubscribe from my own letters, write to me.",
        f"{OURS}\nThank you!",
    ],
)
def test_what_a_letter_quotes_is_not_what_its_writer_says(body: str) -> None:
    assert read_letter(letter(body)).wish is Wish.REPLY


def test_a_reply_below_what_it_quotes_is_read() -> None:
    assert read_letter(letter(f"{OURS}\nPlease remove me.")).wish is Wish.LEAVE


def test_a_subject_of_its_own_is_read_and_ours_sent_back_is_not() -> None:
    assert read_letter(letter("", subject="unsubscribe")).wish is Wish.LEAVE
    assert read_letter(letter("", subject="RE: How to unsubscribe from spam")).wish is Wish.REPLY


def test_html_alone_is_read_without_its_quotation() -> None:
    page = "<style>p{}</style><p>Please&nbsp;stop sending.</p><blockquote>I have moved</blockquote>"
    found = read_letter(letter(page.replace("&nbsp;", " "), Content_Type="text/html"))
    assert (found.wish, found.sentence) == (Wish.LEAVE, "Please stop sending.")


@pytest.mark.parametrize(
    "header",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Return_Path": "<>"},
        {"Precedence": "bulk"},
        {"X_Autoreply": "yes"},
        {"List_Id": "<friends.example.net>"},
    ],
)
def test_a_machine_asks_for_nothing(header: dict[str, str]) -> None:
    found = read_letter(letter("Please unsubscribe", **header))
    assert found.automatic
    assert (found.wish, found.sentence) == (Wish.REPLY, "")


def test_a_person_who_says_that_nothing_was_automatic_is_believed() -> None:
    assert not read_letter(letter("stop", Auto_Submitted="no")).automatic


def test_the_letters_that_it_answers_are_named() -> None:
    found = read_letter(letter("x", In_Reply_To="<b@example.org>", References="<a@example.org> <b@example.org>"))
    assert found.answers == ("<b@example.org>", "<a@example.org>", "<b@example.org>")


@pytest.mark.parametrize(("wish", "phrase"), [(wish, phrase) for wish, phrases in PHRASES for phrase in phrases])
def test_every_phrase_is_found_in_a_sentence_of_its_own(wish: Wish, phrase: str) -> None:
    before = "" if phrase.startswith("i ") else "so "
    assert asked("", f"Dear all. {before}{phrase} please. Gwen")[0] is wish


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_nothing_makes_it_raise_or_talk_long(raw: bytes) -> None:
    assert len(read_letter(b"Subject: a\n\n" + raw).sentence) <= MOST_SENTENCE
    read_letter(raw)


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("> \nOn wrote:From-_<a"), max_size=400))
def test_own_words_hold_no_quoted_line(text: str) -> None:
    assert not any(line.lstrip().startswith(">") for line in own_words(text).split("\n"))
