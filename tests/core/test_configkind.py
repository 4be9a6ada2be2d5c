"""What the environment's texts stand for, and which machines are this one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.configkind import BASE_URL, EHLO_NAME, HOST, LINES, PROXY, TIME_ZONE, from_text, is_loopback
from mailer.core.kind import KindError, Shape


@pytest.mark.parametrize(
    ("text", "shape", "value"),
    [
        ("true", Shape.FLAG, True),
        ("False", Shape.FLAG, False),
        ("1", Shape.FLAG, "1"),
        ("42", Shape.NUMBER, 42),
        ("-1", Shape.NUMBER, "-1"),
        ("\u0664", Shape.NUMBER, "\u0664"),
        ("9" * 5000, Shape.NUMBER, "9" * 5000),
        ("a, b ,,c", Shape.LIST, ["a", "b", "c"]),
        ("a, b\nc\n", Shape.LIST, ["a, b", "c"]),
        (' ["a, b"]', Shape.LIST, ["a, b"]),
        ("[", Shape.LIST, "["),
        ("", Shape.LIST, []),
        ("[a]", Shape.TEXT, "[a]"),
    ],
)
def test_a_text_from_the_environment_becomes_the_value_it_stands_for(text: str, shape: Shape, value: object) -> None:
    found = from_text(text, shape)
    assert (found, type(found)) == (value, type(value))


@given(st.text(), st.sampled_from(Shape))
def test_any_text_from_the_environment_is_survived(text: str, shape: Shape) -> None:
    from_text(text, shape)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_loopback_is_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example.org", "127.0.0.1.example.org", "10.0.0.1", "", "0.0.0.0"])
def test_a_name_that_resembles_loopback_is_elsewhere(host: str) -> None:
    assert not is_loopback(host)


@given(st.text())
@pytest.mark.parametrize("kind", [BASE_URL, EHLO_NAME, HOST, PROXY, TIME_ZONE], ids=lambda kind: kind.expected)
def test_hostile_text_is_refused_and_nothing_else_happens(kind: object, text: str) -> None:
    for hostile in (text, f"https://{text}", f"[{text}]"):
        try:
            value = kind.read(hostile)  # type: ignore[attr-defined]
        except KindError:
            continue
        assert value.isascii()
        assert not set(value) & set("\r\n\0 ")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://News.Example.org/", "https://news.example.org"),
        ("https://news.example.org:8443", "https://news.example.org:8443"),
        ("http://localhost:8000", "http://localhost:8000"),
    ],
)
def test_a_base_url_is_kept_without_its_last_slash(text: str, kept: str) -> None:
    assert BASE_URL.read(text) == kept


@pytest.mark.parametrize("text", ["http://example.org", "https://a@b.example.org", "ftp://example.org", "https:///x"])
def test_a_base_url_that_nobody_should_open_is_refused(text: str) -> None:
    with pytest.raises(KindError):
        BASE_URL.read(text)


def test_lines_are_a_list_or_one_text() -> None:
    assert LINES.read(["a", "b"]) == LINES.read("a\nb\n") == ("a", "b")
    assert LINES.read("") == ()
