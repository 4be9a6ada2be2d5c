from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.blocks import (
    BulletedList,
    Emphasis,
    Heading,
    LineBreak,
    Link,
    NumberedList,
    Paragraph,
    Quote,
    Rule,
    Strong,
    Text,
    words,
)
from mailer.core.markup import parse
from mailer.core.written import LineComplaint, MarkupError, Written
from tests.core.lettering import LETTERS, hostile_text

FRONT = "---\nsubject: The hall\npreheader: The keys came on Friday, and what is planned for spring.\n---\n"


def blocks(body: str) -> tuple[object, ...]:
    return parse(FRONT + body).blocks


def complaints(text: str) -> list[str]:
    with pytest.raises(MarkupError) as refusal:
        parse(text)
    assert str(refusal.value) == "\n".join(map(str, refusal.value.complaints))
    return [str(complaint) for complaint in refusal.value.complaints]


def attempt(text: str) -> tuple[Written | None, Sequence[LineComplaint]]:
    try:
        return parse(text), ()
    except MarkupError as refusal:
        return None, refusal.complaints


def test_markdown_becomes_blocks() -> None:
    assert blocks("Hello *there*, **you**.\\\nA line.\n\n> Quoted\n\n***\n\n3. c\n4. d\n   - e\n") == (
        Paragraph(
            (
                Text("Hello "),
                Emphasis((Text("there"),)),
                Text(", "),
                Strong((Text("you"),)),
                Text("."),
                LineBreak(),
                Text("A line."),
            )
        ),
        Quote((Paragraph((Text("Quoted"),)),)),
        Rule(),
        NumberedList(
            (
                (Paragraph((Text("c"),)),),
                (Paragraph((Text("d"),)), BulletedList(((Paragraph((Text("e"),)),),))),
            ),
            3,
        ),
    )


def test_the_front_matter_gives_subject_and_preheader() -> None:
    written = parse("\ufeff---\r\nSubject: A: b\r\npreheader:  One line. \r\n---\r\nText\r\n")
    assert (written.subject, written.preheader) == ("A: b", "One line.")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Hello", "line 1: the file must begin with ---"),
        ("---\nsubject: A\n\nHello", "line 1: the file must begin with ---"),
        ("---\nsubject: A\n---\nHello", "line 1: preheader: is missing"),
        ("---\nsubject:\npreheader: B\n---\nHello", "line 2: subject: it is empty"),
        ("---\nsubject: A\nsubject: B\npreheader: C\n---\nHello", "line 3: subject: it is there twice"),
        ("---\nsubject: A\npreheader: B\nauthor: C\n---\nHello", "line 4: “author: C”: only subject:"),
        (f"---\nsubject: {'A' * 201}\npreheader: B\n---\nHello", "line 2: subject: it has 201"),
        ("---\nsubject: {{ name }}\npreheader: B\n---\nHello", "line 2: subject: it holds the template mark"),
        (FRONT, "line 5: the letter is empty"),
        (FRONT + "a\x0bb", "line 5: it holds U+000B (vertical tab)"),
        (FRONT + "a\rb", "line 5: it holds U+000D (carriage return)"),
        (FRONT + "a\u2028b", "line 5: it holds U+2028 (line separator)"),
        (FRONT + "\n<b>x</b>", "line 6: HTML"),
        (FRONT + "<div>x</div>", "line 5: HTML"),
        (FRONT + "<!-- note -->", "line 5: HTML"),
        (FRONT + "one\ntwo ![a](b.png)", "line 6: a picture"),
        (FRONT + "|a|b|\n|-|-|\n|1|2|\n\nText", "line 5: a table"),
        (FRONT + "```\nx\n```", "line 5: a code block"),
        (FRONT + "a `b` c", "line 5: text between backticks"),
        (FRONT + "[the agenda](javascript:alert(1))", "line 5: “javascript:alert(1)” cannot be linked to"),
        (FRONT + "[the agenda](data:text/html,x)", "line 5: “data:text/html,x” cannot be linked to"),
        (FRONT + "[the agenda](agenda.html)", "line 5: “agenda.html” cannot be linked to"),
        (FRONT + "[](https://www.example.org/)", "line 5: a link without words"),
        (FRONT + "a\nb\n[click here](https://www.example.org/)", "line 7: the link “click here” does not say"),
        (FRONT + "[www.example.net](https://www.example.org/)", "line 5: the link shows “www.example.net”"),
        (FRONT + "Dear {{ name }}", "line 5: the template mark “{{”"),
        (FRONT + "Dear *|FNAME|*", "line 5: the template mark “*|FNAME|*”"),
        (FRONT + "- # Heading", "line 5: a heading inside a list"),
        (FRONT + "# A\n## B\n### C\n#### D", "line 8: a heading four levels deep"),
        (FRONT + "#\n", "line 5: a heading without words"),
        (FRONT + "> " * 20 + "a", "line 5: more than 6 levels"),
        (FRONT + "x" * 200_001, "line 1: more than 200000 characters"),
    ],
)  # fmt: skip
def test_what_a_letter_cannot_hold_is_refused_with_its_line(text: str, complaint: str) -> None:
    found = complaints(text)
    assert len({one.partition(":")[2] for one in found}) == 1
    assert found[0].startswith(complaint)


def test_all_complaints_come_at_once_in_the_order_of_the_file() -> None:
    found = complaints("---\nsubject: A\n---\n<b>x</b>\n\n![a](b.png)\n\n[here](https://www.example.org/)")
    assert [one.partition(":")[0] for one in found] == ["line 1", "line 4", "line 4", "line 6", "line 8"]


@pytest.mark.parametrize(
    ("body", "levels"),
    [
        ("# A\n## B\n### C", [2, 3, 4]),
        ("## A\n#### B\n## C", [2, 3, 2]),
        ("#### A\n# B\n### C", [2, 2, 3]),
        ("### A\n##### B\n###### C\n### D", [2, 3, 4, 2]),
    ],
)
def test_headings_are_set_below_the_title_and_skip_no_level(body: str, levels: list[int]) -> None:
    assert [block.level for block in blocks(body) if isinstance(block, Heading)] == levels


def test_a_first_heading_that_repeats_the_subject_is_left_out_and_says_so() -> None:
    written = parse(FRONT + "# The Hall\n\nText\n\n# Next")
    assert [type(block) for block in written.blocks] == [Paragraph, Heading]
    assert "line 5: the heading repeats the subject" in written.warnings[0]


def test_a_line_of_dashes_under_text_is_a_rule_and_indented_text_is_text() -> None:
    assert blocks("Text\n---\n    indented") == (
        Paragraph((Text("Text"),)),
        Rule(),
        Paragraph((Text("indented"),)),
    )


@pytest.mark.parametrize(
    ("text", "href", "rest"),
    [
        ("See https://www.example.org/a_b_c.", "https://www.example.org/a_b_c", "."),
        ("See (https://www.example.org/a_(b)).", "https://www.example.org/a_(b)", ")."),
        ("See <https://www.example.org/a>!", "https://www.example.org/a", "!"),
        ("See [https://www.example.org/a](https://www.example.org/a).", "https://www.example.org/a", "."),
        ("See a.b@example.org, please", "mailto:a.b@example.org", ", please"),
        ("See https://www.example.org/?a=1&copy=2", "https://www.example.org/?a=1&copy=2", ""),
    ],
)
def test_an_address_in_the_text_becomes_a_link_without_words_of_its_own(text: str, href: str, rest: str) -> None:
    (paragraph,) = blocks(text)
    assert isinstance(paragraph, Paragraph)
    assert Link(href) in paragraph.inlines
    assert words(paragraph.inlines[paragraph.inlines.index(Link(href)) + 1 :]) == rest


def test_neighbouring_links_to_one_place_become_one() -> None:
    (paragraph,) = blocks("[the](https://www.example.org/)[ agenda](https://www.example.org/)")
    assert paragraph == Paragraph((Link("https://www.example.org/", (Text("the"), Text(" agenda"))),))


@pytest.mark.parametrize(
    ("subject", "preheader", "warning"),
    [
        ("A" * 71, "B" * 40, "subject: it has 71"),
        ("THE HALL IS OURS", "B" * 40, "capitals"),
        ("A", "B" * 39, "preheader: it has 39"),
        ("A", "B" * 131, "preheader: it has 131"),
        ("A" * 40, "a" * 40, "preheader: it repeats"),
        ('"A"', "B" * 40, "quotation marks"),
    ],
)
def test_what_reads_badly_is_a_warning(subject: str, preheader: str, warning: str) -> None:
    written = parse(f"---\nsubject: {subject}\npreheader: {preheader}\n---\nText")
    assert warning in "\n".join(written.warnings)


def test_an_unencrypted_link_is_a_warning() -> None:
    assert "not encrypted" in parse(FRONT + "[the agenda](http://www.example.org/)").warnings[0]


@pytest.mark.parametrize("file", LETTERS, ids=lambda file: file.stem)
def test_the_letters_of_a_chair_are_read_without_complaint(file: object) -> None:
    written = parse(file.read_text(encoding="utf-8"))  # type: ignore[attr-defined]
    assert len(written.blocks) > 15


@pytest.mark.parametrize("subject", ["a\r\nBcc: b@example.org", "a\x00", "", " ", "a\u2029b"])
def test_a_subject_is_guarded_whatever_door_it_comes_through(subject: str) -> None:
    with pytest.raises(MarkupError):
        Written(subject, "A preheader", ())


@settings(max_examples=150, deadline=None)
@given(st.lists(hostile_text | st.sampled_from(["# ", "- ", "1. ", "> ", "\n", "    ", "[a](", ")", "*", "_", "|"])))
def test_hostile_text_is_read_or_refused_with_its_line(pieces: list[str]) -> None:
    written, refused = attempt(FRONT + "".join(pieces))
    assert bool(written) != bool(refused)
    assert all(complaint.line >= 1 and complaint.text for complaint in refused)


@pytest.mark.parametrize("body", ["[" * 5_000, "> " * 5_000 + "x", "*a **b " * 3_000, "- " * 3_000 + "x"])
def test_pathological_nesting_is_refused_or_read_but_never_ends_the_process(body: str) -> None:
    _, refused = attempt(FRONT + body)
    assert all("inside one another" in complaint.text or "pieces" in complaint.text for complaint in refused)
