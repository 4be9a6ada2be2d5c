import difflib
import re
from dataclasses import replace
from html import unescape
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from lxml import html as lxml_html
from lxml.html import HtmlElement

from mailer.core.blocks import Link, Paragraph, Text
from mailer.core.compile import CompileError, Notice, compile_notice, inline_css
from mailer.core.html_lint import complaints_about_html, complaints_about_residue
from mailer.core.markup import parse
from mailer.core.mjml_lint import complaints_about_mjml
from mailer.core.plain_text import plain_text
from mailer.core.written import MarkupError, Written
from tests.core.lettering import (
    FACTS,
    FAREWELL,
    LETTERS,
    SENDER,
    VALUES,
    WORD,
    built,
    compiled,
    hostile_text,
    letter_of,
    parts,
    sample_letter,
    sources,
    written,
)

NAMES = ["meeting", "newsletter", "article"]


def html_of(name: str) -> str:
    return parts(built(letter_of(name), replace(VALUES, segments=frozenset({"first"}))))[1]


def document(html: str) -> HtmlElement:
    return lxml_html.document_fromstring(html)


def notice(data: dict[str, Any]) -> Notice:
    return compile_notice("farewell", sources(), data, sender=SENDER, language="en-GB")


def refusal(**changes: Any) -> str:
    with pytest.raises(CompileError) as refused:
        compiled(written("Hello."), **changes)
    return str(refused.value)


def with_source(path: str, old: str, new: str) -> dict[str, str]:
    assert old in sources()[path]
    return sources() | {path: sources()[path].replace(old, new)}


@pytest.fixture(params=[*NAMES, "farewell"])
def finished(request: pytest.FixtureRequest) -> str:
    return notice(FAREWELL).html if request.param == "farewell" else html_of(request.param)


def test_it_begins_with_a_doctype_that_keeps_browsers_out_of_quirks_mode(finished: str) -> None:
    assert finished.startswith("<!DOCTYPE html>")


def test_language_and_direction_stand_on_the_page_and_on_what_wraps_everything(finished: str) -> None:
    """A1: the preheader is within the wrapper too."""
    page = document(finished)
    (wrapper,) = [child for child in page.find("body") if isinstance(child.tag, str)]
    for element in (page, wrapper):
        assert (element.get("lang"), element.get("dir")) == ("en-GB", "ltr")


def test_layout_tables_are_marked_as_such(finished: str) -> None:
    tables = list(document(finished).iter("table"))
    assert tables
    assert {table.get("role") for table in tables} == {"presentation"}


def test_there_is_one_title_and_no_level_is_skipped(finished: str) -> None:
    """A4."""
    page = document(finished)
    levels = [int(heading.tag[1]) for heading in page.iter("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.findtext("head/title") == page.find(".//h1").text_content()


def test_the_hidden_preheader_comes_first_and_is_not_white_on_white(finished: str) -> None:
    """H3."""
    (wrapper,) = [child for child in document(finished).find("body") if isinstance(child.tag, str)]
    first = next(child for child in wrapper if isinstance(child.tag, str))
    assert re.search(r"display:\s*none", first.get("style"))
    assert re.search(r"mso-hide:\s*all", first.get("style"))
    assert len(first.text_content()) >= 40


def test_nothing_is_fetched_from_anywhere(finished: str) -> None:
    """P19, H7, M11."""
    page = document(finished)
    assert not list(page.iter("img", "link", "script", "iframe", "form", "object", "video", "svg"))
    assert not re.search(r"\bsrc\s*=|url\(|@import|@font-face|googleapis", finished)
    schemes = {str(link.get("href")).split(":")[0] for link in page.iter("a")}
    assert schemes <= {"https", "mailto"}


def test_it_uses_no_css_that_mail_clients_lack(finished: str) -> None:
    """H1, the deny-list."""
    assert not re.search(r"display:\s*(?:flex|grid)|(?<![-\w])position:|var\(--", finished)


def test_only_conditions_for_outlook_stay_as_comments(finished: str) -> None:
    comments = re.findall(r"<!--(.*?)-->", finished, re.DOTALL)
    assert comments
    assert all(re.match(r"\[if |<!\[endif\]", comment.strip()) for comment in comments)
    assert WORD not in finished


def test_dark_mode_is_declared_and_survives_inlining(finished: str) -> None:
    """H8."""
    assert '<meta name="color-scheme" content="light dark">' in finished
    assert "@media (prefers-color-scheme: dark)" in finished


def test_text_is_large_left_and_airy(finished: str) -> None:
    """A6: computed contrast is measured in the browser test."""
    assert "font-size:18px;line-height:1.6;text-align:left" in finished
    sizes = {int(size) for size in re.findall(r"font-size:\s*(\d+)px", finished)} - {0}
    assert min(sizes) >= 15


@pytest.mark.parametrize("name", NAMES)
def test_the_footer_says_who_and_why_and_lets_one_leave_in_both_parts(name: str) -> None:
    """L9, L18."""
    text, html = parts(built(letter_of(name)))
    for part in (" ".join(text.split()), " ".join(document(html).text_content().split())):
        for line in (SENDER.organisation, *SENDER.postal_address, SENDER.contact, SENDER.imprint, FACTS.reason):
            assert line in part
    assert SENDER.privacy_notice_url in text
    links = {link.text_content(): link.get("href") for link in document(html).iter("a")}
    assert links["Privacy notice"] == SENDER.privacy_notice_url
    assert links["Unsubscribe"] == VALUES.leave_url
    assert f"Unsubscribe: {VALUES.leave_url}" in text


@pytest.mark.parametrize("name", NAMES)
def test_the_plain_text_says_the_same_as_the_html(name: str) -> None:
    """H4: same words in the same order, every link, no entities, no marks of templates."""
    text, html = parts(built(letter_of(name)))
    page = document(html)
    for hidden in page.xpath("//*[contains(@style, 'display:none')] | //head"):
        hidden.drop_tree()
    shown = re.sub(r"https?://\S+|\s<\S+>", " ", text)
    words_of_text = re.findall(r"\w+", shown.replace("_", " "))
    words_of_html = re.findall(r"\w+", " ".join(page.itertext()).replace("_", " "))
    assert difflib.SequenceMatcher(None, words_of_text, words_of_html, autojunk=False).ratio() >= 0.9
    for link in page.iter("a"):
        assert link.get("href").removeprefix("mailto:") in text
    for heading in page.iter("h1", "h2", "h3", "h4"):
        assert " ".join(heading.text_content().split()) in " ".join(text.split())
    assert unescape(text) == text
    assert all(len(line) <= 72 or "://" in line for line in text.split("\n"))


@pytest.mark.parametrize("name", NAMES)
def test_lists_are_real_and_nest_as_they_were_written(name: str) -> None:
    """A4: the number of entries of the letter is the number of list items."""
    file = next(file for file in LETTERS if file.stem == name)
    entries = re.findall(r"(?m)^ *(?:\d+\.|-) ", file.read_text(encoding="utf-8"))
    items = list(document(html_of(name)).iter("li"))
    assert len(items) == len(entries)
    assert all(item.getparent().tag in ("ul", "ol") for item in items)
    for inner in document(html_of(name)).xpath("//ul/ul | //ul/ol | //ol/ul | //ol/ol"):
        pytest.fail(f"a list outside an entry: {inner.text_content()[:40]}")


def test_blocks_become_the_html_they_are_named_after() -> None:
    body = (
        "## Two\n\n### Three\n\nA *b* **c** [d e](https://www.example.org/d).\\\nF\n\n"
        "> Q\n\n3. x\n4. y\n   - z\n\n---\n\nEnd"
    )
    html = parts(built(compiled(written(body))))[1]
    bare = re.sub(r"\s*\n\s*", "", re.sub(r' (?:style|class|width|height)="[^"]*"| style=\'[^\']*\'', "", html))
    assert (
        "<h2>Two</h2><h3>Three</h3>"
        '<p>A <em>b</em> <strong>c</strong> <a href="https://www.example.org/d">d e</a>.<br>F</p>'
        '<blockquote><p>Q</p></blockquote><ol start="3"><li>x</li><li>y<ul><li>z</li></ul></li></ol><hr><p>End</p>'
    ) in bare


def test_plain_text_shows_structure_without_markup() -> None:
    body = (
        "## Two\n\nA *b* **c** [d e](https://www.example.org/d), <mailto:a@example.org>.\n\n> Q\n>\n> R\n\n"
        "9. x\n10. y\n    - z\n\n---\n\nEnd"
    )
    assert plain_text(written(body).blocks) == (
        "Two\n---\n\nA _b_ *c* d e <https://www.example.org/d>, <a@example.org>.\n\n> Q\n>\n> R\n\n"
        " 9. x\n10. y\n    - z\n\n* * *\n\nEnd"
    )


S1_PAYLOADS = [
    "7*7", "config", "''.__class__.__mro__", "lipsum.__globals__['os'].popen('id').read()", "cycler.__init__",
    "self.__init__.__globals__", "request", "namespace.__init__", "[].__class__", "x()", "slots.names", "sender",
]  # fmt: skip


@pytest.mark.parametrize("payload", S1_PAYLOADS)
@pytest.mark.parametrize("marks", ["{{%s}}", "{%% if %s %%}x{%% endif %%}", "{{ %s", "{# %s #}"])
def test_template_marks_of_an_author_are_refused_and_never_run(payload: str, marks: str) -> None:
    """S1: by Markdown, and if they come by another door by the letter itself."""
    with pytest.raises(MarkupError, match="template mark"):
        written(marks % payload)
    raw = Written("Subject", "A preheader", (Paragraph((Text(marks % payload),)),))
    with pytest.raises(CompileError, match="left over"):
        compiled(raw)


@pytest.mark.parametrize("payload", S1_PAYLOADS)
def test_template_marks_in_a_name_of_a_notice_are_plain_text(payload: str) -> None:
    person = {"name": f"{{{{{payload}}}}}", "undo_url": "https://letters.example.org/back/x"}
    made = notice({"left": "The Letter", "people": [person]})
    assert person["name"] in made.text
    assert person["name"] in unescape(made.html)


@pytest.mark.parametrize(
    "payload",
    [
        "{{ subject.__class__ }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ lipsum.__globals__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ blocks.append(1) }}",
        "{{ sender.clear() }}",
        "{{ range(10**9)|list }}",
        "{{ nobody }}",
        "{% include '/etc/passwd' %}",
        "{{ 1/0 }}",
    ],
)
def test_a_template_cannot_reach_out_of_its_sandbox_or_leave_a_gap(payload: str) -> None:
    """S2, H5."""
    assert "template" in refusal(sources=with_source("newsletter/body.mjml", "{{ blocks_of.all(blocks) }}", payload))


@pytest.mark.parametrize(
    ("new", "complaint"),
    [
        ("<mj-include path='x'/>", "<mj-include> is not a tag"),
        ("<mj-tekst>x</mj-tekst>", "<mj-tekst> is not a tag"),
        ("<MJ-TEXT>x</MJ-TEXT>", "<MJ-TEXT> is not a tag"),
        ("<mj-section></mj-section>", "<mj-section> must not stand in <mj-text>"),
        ("<mj-social></mj-social>", "<mj-social> is not a tag"),
        ("<img src='https://evil.example.net/x.png'/>", "<img> is not a tag"),
        ("<script>x</script>", "<script> is not a tag"),
        ("<p onclick='x()'>x</p>", "event handler onclick"),
        ("<p>unclosed", "not well-formed"),
        ("<p>&nbsp;</p>", "not well-formed"),
        ("<a href='javascript:alert(1)'>the agenda</a>", "cannot be linked to"),
        ("<a href='#'>the agenda</a>", "cannot be linked to"),
        ("<a href=''>the agenda</a>", "cannot be linked to"),
        ("<a href='http://localhost/'>the agenda</a>", "does not name a public host"),
        ("<a href='https://www.example.org/'>click here</a>", "does not say where it leads"),
        ("<a href='https://www.example.org/'></a>", "a link without words"),
        ("<p style='background:url(https://evil.example.net/x)'>x</p>", "has the style “url(”"),
        ("<p style='position:absolute'>x</p>", "has the style “position:”"),
        ("<h1>Another</h1>", "exactly one h1"),
        ("<h3>Skipped</h3>", "no level may be skipped"),
        ("<h2> </h2>", "an empty <h2>"),
        ("<!-- note to self --><p>x</p>", "the comment “note to self” is left over"),
        ("<p>Lorem ipsum dolor</p>", "“Lorem ipsum” is left over"),
        ("<p>Dear ,</p>", "“Dear ,” is left over"),
        ("<p>{{ '{{' }} name }}</p>", "“{{” is left over"),
    ],
)  # fmt: skip
def test_a_fault_in_a_template_stops_the_compile_and_is_named(new: str, complaint: str) -> None:
    """H2, H5, H6, D16, A4, A5."""
    changed = with_source("newsletter/body.mjml", "{{ blocks_of.all(blocks) }}", new)
    assert complaint in refusal(sources=changed)


@pytest.mark.parametrize(
    ("path", "old", "new", "complaint"),
    [
        ("_base/letter.css", "h1 {", "@import url(https://fonts.example.net/x.css);\nh1 {", "“@import”"),
        ("_base/letter.css", "h1 {", "h1 { display: flex;", "“display: flex”"),
        ("_base/letter.mjml", ' lang="{{ language }}"', "", "lacks lang"),
        ("_base/letter.mjml", "{{ subject }}</mj-title>", "Newsletter</mj-title>", "<title> is not the subject"),
        ("_base/outlook.mjml", "<style", "<link rel='x' href='https://evil.example.net/'/><style", "fetched"),
        ("_base/colophon.mjml", "{{ slots.leave }}", "https://www.example.org/leave", "HTML has no unsubscribe link"),
        ("newsletter/body.txt", "Unsubscribe: {{ slots.leave }}", "", "text has no unsubscribe link"),
    ],
)
def test_a_fault_in_the_shared_base_stops_the_compile_and_is_named(
    path: str, old: str, new: str, complaint: str
) -> None:
    assert complaint in refusal(sources=with_source(path, old, new))


def test_all_complaints_about_a_letter_come_at_once() -> None:
    changed = with_source("newsletter/body.mjml", "{{ blocks_of.all(blocks) }}", "<mj-a/><mj-b/><p onload='x'>x</p>")
    assert len(refusal(sources=changed).split("\n")) == 3


SIGNS = "a < b & c > d &amp; \"e\" 'f' ]]> --> <b>g</b> <script>alert(1)</script> é 😀"


def test_every_sign_of_an_author_or_a_list_is_shown_as_it_was_written() -> None:
    """S3: escaping is the template engine's work, in every place a text can stand."""
    letter = compiled(
        Written(SIGNS, SIGNS, (Paragraph((Text(SIGNS), Link("https://www.example.org/?a=1&b='c'", (Text(SIGNS),)))),)),
        list_facts=replace(FACTS, title=SIGNS, reason=SIGNS),
        sender=replace(SENDER, organisation=SIGNS, postal_address=(SIGNS,), imprint=SIGNS),
    )
    text, html = parts(built(letter))
    page = document(html)
    assert page.findtext("head/title") == page.find(".//h1").text_content() == letter.subject == SIGNS
    assert page.text_content().count(SIGNS) == 11
    assert " ".join(text.split()).count(SIGNS) == 9
    assert "https://www.example.org/?a=1&b='c'" in [link.get("href") for link in page.iter("a")]


def test_no_font_is_fetched_even_if_a_template_names_none() -> None:
    """M11: MJML's own default would tell a foreign host who reads this."""
    (default,) = re.findall("<mj-all .*?/>", sources()["_base/letter.mjml"])
    letter = compiled(written("Hello."), sources=with_source("_base/letter.mjml", default, ""))
    assert "fonts.g" not in parts(built(letter))[1]


def test_a_missing_template_is_named() -> None:
    assert "template missing/subject.txt" in refusal(template="missing")


def test_a_letter_that_gmail_would_clip_is_refused_and_a_large_one_warned_about() -> None:
    """F20, standards 4.3: measured decoded and encoded."""
    line = "Word " * 200 + "\n\n"
    assert sample_letter().warnings == ()
    (warning,) = compiled(written(line * 66)).warnings
    assert "from 100000 on it is refused" in warning
    with pytest.raises(CompileError, match="clip"):
        compiled(written(line * 90))
    with pytest.raises(CompileError, match="clip"):
        compiled(written("é" * 30_000))


@pytest.mark.parametrize("word", ["short", "1" * 12, "with space 123", "a" * 33, "dash-dash-dash"])
def test_a_word_that_is_no_word_is_refused(word: str) -> None:
    assert "letters and digits" in refusal(word=word)


def test_a_text_that_holds_the_word_for_slots_is_refused() -> None:
    with pytest.raises(CompileError, match="compile it again"):
        compiled(written(f"Hello {WORD}slotnames{WORD}"))
    with pytest.raises(CompileError, match="compile it again"):
        compiled(written("Hello"), list_facts=replace(FACTS, reason=f"Because {WORD}."))


def test_right_to_left_languages_turn_the_page() -> None:
    html = parts(built(compiled(written("Hello."), language="ar")))[1]
    assert document(html).get("dir") == "rtl"


@settings(max_examples=25, deadline=None)
@given(hostile_text, hostile_text)
def test_hostile_text_is_refused_or_shown_as_it_is(subject: str, body: str) -> None:
    try:
        raw = built(compiled(Written(f"S{subject}", "A preheader", (Paragraph((Text(f"B{body}."),)),))))
    except (MarkupError, CompileError, ValueError):
        return
    text, html = parts(raw)
    page = document(html)
    assert " ".join(f"B{body}.".split()) in " ".join(text.split())
    assert " ".join(page.findtext("head/title").split()) == " ".join(f"S{subject}".split())
    assert not list(page.iter("script"))
    assert " ".join(f"B{body}.".split()) in " ".join(page.text_content().split())


def test_a_farewell_names_each_with_an_undo_of_their_own() -> None:
    made = notice(FAREWELL)
    assert made.subject == "You have been taken off The Chair\u2019s Letter"
    links = {link.text_content(): link.get("href") for link in document(made.html).iter("a")}
    for person in FAREWELL["people"]:
        assert links[f"Put {person['name']} back on the list"] == person["undo_url"]
        assert f"Put {person['name']} back on the list: {person['undo_url']}" in made.text
    assert "You share this mailbox" in made.text
    alone = notice(FAREWELL | {"people": FAREWELL["people"][:1]})
    assert "You share this mailbox" not in alone.text + alone.html


@pytest.mark.parametrize("name", ["", "www.evil.example", "a@evil.example", "<b>", "{{7*7}}", "W" * 300, "=?x?q?a?="])
@pytest.mark.parametrize("back", ["https://letters.example.org/back/x", "http://127.0.0.1:8000/back/x"])
def test_no_name_keeps_anybody_from_leaving(name: str, back: str) -> None:
    """A farewell that is refused would be an error page for somebody who only wants to go."""
    data = {"left": "The Letter", "people": [{"name": name, "undo_url": back}]}
    made = compile_notice("farewell", sources(), data, sender=SENDER, language="en-GB", own_links=[back])
    assert f"Put {name} back on the list" in made.text
    assert f"Put {name} back on the list" in unescape(made.html)


@pytest.mark.parametrize(
    "data",
    [
        {"left": "x", "people": [object()]},
        {"left": "x\x00", "people": []},
        {"left": None, "people": []},
        {"left": "x", "people": [{"name": print, "undo_url": "x"}]},
    ],
)
def test_a_template_is_given_nothing_that_can_be_called(data: dict[str, Any]) -> None:
    with pytest.raises(CompileError, match="data"):
        notice(data)


def test_the_inliner_keeps_what_mail_clients_need() -> None:
    """The golden file for the day premailer is replaced (stack.md 4.3, 8 and 10)."""
    given = (
        "<!DOCTYPE html>\n<html><head><style>p { color: #123456 !important; mso-line-height-rule: exactly; }\n"
        "@media (max-width: 400px) { p { color: red !important; } }\na:hover { color: blue; }</style></head>"
        "<body><!--[if mso]><b>x</b><![endif]--><p>a &amp; b</p><!--k3y--></body></html>"
    )
    inlined = inline_css(given)
    assert inlined.startswith("<!DOCTYPE html>")
    assert '<p style="mso-line-height-rule:exactly; color:#123456 !important">a &amp; b</p>' in inlined
    for kept in ("@media (max-width: 400px)", "a:hover", "<!--[if mso]><b>x</b><![endif]-->", "<!--k3y-->"):
        assert kept in inlined


def test_the_lints_have_no_complaint_about_what_is_shipped() -> None:
    assert list(complaints_about_residue(html_of("article"))) == []
    page = html_of("article")
    title = str(document(page).findtext("head/title"))
    assert list(complaints_about_html(page, title=title, placeholder=lambda _: False)) == []


def test_deep_mjml_is_refused_before_it_can_end_the_process() -> None:
    deep = "<mjml lang='en' dir='ltr'><mj-body><mj-raw>" + "<div>" * 200 + "</div>" * 200
    assert any("inside one another" in one for one in complaints_about_mjml(deep + "</mj-raw></mj-body></mjml>"))


@pytest.mark.parametrize("file", LETTERS, ids=lambda file: file.stem)
def test_a_letter_compiles_to_the_same_octets_each_time(file: Any) -> None:
    once = parse(file.read_text(encoding="utf-8"))
    assert compiled(once).digest == letter_of(file.stem).digest
