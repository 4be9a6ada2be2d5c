import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.blocks import (
    DEEPEST,
    Block,
    BlockError,
    BulletedList,
    Emphasis,
    Heading,
    Inline,
    LineBreak,
    Link,
    NumberedList,
    Paragraph,
    Quote,
    Rule,
    Strong,
    Text,
    from_json,
    to_json,
    words,
)
from mailer.core.characters import unsafe_in_line
from tests.core.lettering import hostile_text

safe_text = st.text(min_size=1, max_size=20).filter(lambda text: unsafe_in_line(text) is None)
inline: st.SearchStrategy[Inline] = st.recursive(
    safe_text.map(Text) | st.just(LineBreak()) | st.just(Link("https://www.example.org/a")),
    lambda within: (
        st.builds(Strong, st.lists(within, max_size=2).map(tuple))
        | st.builds(Emphasis, st.lists(within, max_size=2).map(tuple))
    ),
    max_leaves=4,
)
inlines = st.lists(inline, max_size=4).map(tuple)
heading = st.builds(Heading, st.integers(2, 4), st.just((Text("A heading"),)))
block: st.SearchStrategy[Block] = st.recursive(
    heading | st.builds(Paragraph, inlines) | st.just(Rule()),
    lambda within: (
        st.builds(Quote, st.lists(within, max_size=2).map(tuple))
        | st.builds(BulletedList, st.lists(st.lists(within, max_size=2).map(tuple), max_size=2).map(tuple))
        | st.builds(
            NumberedList, st.lists(st.lists(within, max_size=2).map(tuple), max_size=2).map(tuple), st.integers(0, 99)
        )
    ),
    max_leaves=5,
)
blocks = st.lists(block, max_size=4).map(tuple)

PARAGRAPH = {"kind": "paragraph", "inlines": [{"kind": "text", "text": "Hello"}]}


@given(blocks)
def test_blocks_come_back_from_json_as_they_were(given_blocks: tuple[Block, ...]) -> None:
    stored = json.dumps(to_json(given_blocks))
    assert from_json(json.loads(stored)) == given_blocks


@pytest.mark.parametrize(
    "data",
    [
        None,
        "paragraph",
        {"kind": "paragraph"},
        [None],
        [{"kind": "html", "html": "<b>"}],
        [PARAGRAPH | {"style": "red"}],
        [{"kind": "paragraph"}],
        [{"kind": "heading", "level": "2", "inlines": [{"kind": "text", "text": "A"}]}],
        [{"kind": "heading", "level": True, "inlines": [{"kind": "text", "text": "A"}]}],
        [{"kind": "heading", "level": 1, "inlines": [{"kind": "text", "text": "A"}]}],
        [{"kind": "heading", "level": 2, "inlines": []}],
        [{"kind": "numbered", "start": -1, "entries": []}],
        [{"kind": "bulleted", "entries": [PARAGRAPH]}],
        [{"kind": "paragraph", "inlines": [{"kind": "text", "text": 7}]}],
        [{"kind": "paragraph", "inlines": [{"kind": "image", "src": "x"}]}],
        [{"kind": "paragraph", "inlines": [{"kind": "link", "href": "javascript:alert(1)", "inlines": []}]}],
        [{"kind": "paragraph", "inlines": [{"kind": "text", "text": "a\x00b"}]}],
    ],
)
def test_json_of_another_shape_is_refused(data: object) -> None:
    with pytest.raises(BlockError):
        from_json(data)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda d: st.lists(d) | st.dictionaries(
    st.sampled_from(["kind", "inlines", "entries", "blocks", "text", "href", "level", "start"]), d
)))  # fmt: skip
def test_no_json_at_all_can_do_more_than_be_refused(data: object) -> None:
    with contextlib.suppress(BlockError):
        assert to_json(from_json(data)) == data


@pytest.mark.parametrize(("kind", "key"), [("quote", "blocks"), ("bulleted", "entries")])
def test_blocks_that_nest_without_end_are_refused_before_they_can_end_the_process(kind: str, key: str) -> None:
    data: dict[str, object] = PARAGRAPH
    for _ in range(DEEPEST):
        data = {"kind": kind, key: [data] if key == "blocks" else [[data]]}
    assert from_json([data])
    with pytest.raises(BlockError, match="inside one another"):
        from_json([{"kind": kind, key: [data] if key == "blocks" else [[data]]}])


def test_more_blocks_than_a_letter_can_hold_are_refused() -> None:
    with pytest.raises(BlockError, match="two letters"):
        from_json([{"kind": "rule"}] * 9_000)


@given(hostile_text)
def test_text_is_kept_as_it_is_or_refused(text: str) -> None:
    if unsafe_in_line(text):
        with pytest.raises(BlockError, match=r"U\+"):
            Text(text)
    else:
        assert words([Text(text)]) == text


@pytest.mark.parametrize(
    "href",
    [
        "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "/page",
        "page", "#top", "", "//example.org/", "https://", "https://user:word@www.example.org/", "https://127.0.0.1/",
        "https://[::1]/", "https://localhost/", "https://www.example.org:8443/", "https://bit.ly/x",
        "https://www.example.org/a b", "https://www.example.org/\r\nBcc:x", "mailto:", "mailto:a@example.org?bcc=b",
        "mailto:a@example.org%0D%0ABcc:b@example.org", "tel:javascript", "ftp://www.example.org/",
    ],
)  # fmt: skip
def test_a_link_that_leads_where_letters_must_not_is_refused(href: str) -> None:
    with pytest.raises(BlockError):
        Link(href, (Text("the agenda"),))


@pytest.mark.parametrize(
    ("href", "shown"),
    [
        ("https://www.example.org/", "www.example.net"),
        ("https://www.example.org/", "https://www.example.net/page"),
        ("https://www.example.org/", "see www.example.net for it"),
        ("mailto:a@example.org", "b@example.org"),
        ("https://www.example.org/", "a@example.org"),
        ("mailto:a@example.org", "www.example.org"),
    ],
)
def test_a_link_that_shows_another_host_than_it_leads_to_is_refused(href: str, shown: str) -> None:
    with pytest.raises(BlockError, match="but leads to"):
        Link(href, (Text(shown),))


@pytest.mark.parametrize("shown", ["click here", "Read more…", "HERE", " this link "])
def test_a_link_that_says_nothing_is_refused(shown: str) -> None:
    with pytest.raises(BlockError, match="does not say where it leads"):
        Link("https://www.example.org/", (Text(shown),))


@pytest.mark.parametrize(
    ("href", "shown"),
    [
        ("https://www.example.org/", "www.example.org"),
        ("https://www.example.org/systemchange/?x=1#y", "www.example.org/systemchange"),
        (
            "https://www.example.org/about/news/reply-to-the-announcement-of-a-multi-year-plan-for-paths",
            "www.example.org/…/reply-to-the-announcement-of-a-multi…",
        ),
        ("mailto:a@example.org", "a@example.org"),
        ("tel:+441603000000", "+441603000000"),
    ],
)
def test_a_link_without_words_shows_host_and_path(href: str, shown: str) -> None:
    assert words([Link(href)]) == shown
