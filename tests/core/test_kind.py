"""Kinds of value: what gets through is safe to print in a header, and everything else is refused in words."""

import unicodedata
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.kind import (
    ADDRESS,
    DOMAIN,
    FLAG,
    LINE,
    PARAGRAPHS,
    SLUG,
    Kind,
    KindError,
    many,
    nearest,
    one_of,
    refined,
    whole,
)

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.text()),
    st.dictionaries(st.text(), st.text()),
)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


def taken(kind: Kind[object], value: object) -> bool:
    try:
        kind.read(value)
    except KindError:
        return False
    return True


@given(anything)
@pytest.mark.parametrize("kind", [LINE, PARAGRAPHS, SLUG, DOMAIN, ADDRESS], ids=lambda kind: kind.expected)
def test_a_text_that_is_taken_is_text_without_control_characters(kind: Kind[str], value: object) -> None:
    if taken(kind, value):
        assert isinstance(value, str)
        assert value.strip()
        allowed = "\n" if kind is PARAGRAPHS else ""
        assert not [c for c in value if unicodedata.category(c) in {"Cc", "Zl", "Zp"} and c not in allowed]


@given(st.text(), st.sampled_from("\r\n\0\x0b\x85\u2028\u2029\x7f"), st.text())
def test_no_line_holds_what_could_end_a_header(before: str, hostile: str, after: str) -> None:
    assert not taken(LINE, f"{before}{hostile}{after}")


@given(anything)
def test_flag_and_number_take_nothing_that_only_looks_like_one(value: object) -> None:
    assert taken(FLAG, value) == isinstance(value, bool)
    number = isinstance(value, int) and not isinstance(value, bool) and 3 <= value <= 9
    assert taken(whole(3, 9), value) == number


def test_the_bounds_of_a_number_belong_to_it() -> None:
    assert [n for n in range(12) if taken(whole(3, 9), n)] == list(range(3, 10))


def test_a_list_says_which_entry_is_wrong() -> None:
    kind = many(SLUG, "a list of names", least=1)
    assert kind.read(["a", "b"]) == ("a", "b")
    for value, why in [
        (["a", "B"], "'B' is not a short name"),
        (["a", "a"], "an entry stands twice"),
        ([], "^$"),
    ]:
        with pytest.raises(KindError, match=why):
            kind.read(value)


def test_a_word_is_one_of_the_vocabulary() -> None:
    assert one_of(Colour).read("red") is Colour.RED
    assert not taken(one_of(Colour, leave_out=[Colour.RED]), "red")
    assert one_of(Colour).expected == 'one of "red", "blue"'


def test_a_refinement_may_refuse_in_its_own_words_or_by_a_builtin_error() -> None:
    with pytest.raises(KindError, match="invalid literal"):
        refined(LINE, "a number", int).read("three")
    with pytest.raises(KindError, match=r"^$"):
        refined(LINE, "a number", int).read(3)


def test_a_complaint_says_what_was_expected_and_hides_a_secret() -> None:
    assert LINE.complaint(3, KindError("too bare")) == "expected a line of text, found 3 (too bare)"
    assert LINE.complaint("\r", KindError(), secret=True) == "expected a line of text"


def test_a_hint_is_the_nearest_word_or_all_of_them() -> None:
    assert nearest("titel", ["title", "slug"]) == "did you mean 'title'?"
    assert nearest("zzz", ["title", "slug"]) == "known are: title, slug"
