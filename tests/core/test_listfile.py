"""List files: what is read, what is refused, and that everything wrong is said at once."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.audience import Standing
from mailer.core.complaint import Flaw
from mailer.core.consent import Article9, PecrBasis
from mailer.core.errors import MailerError
from mailer.core.listfile import (
    ListFileError,
    Office,
    Stream,
    parse_list,
    parse_regions,
    stream_number,
    streams_of,
)

LIST = """
id = 7
label = "branch-news"
title = "Branch news"
regional = true
writers = ["coordinator", "chair"]
template = "newsletter"
reason = "You asked {organisation} for it."
sender_name = "The branches"
reply_to = "branches@example.org"
approval = true

[audience]
standings = ["member"]

[wording]
version = 3
text = '''
Yes, {organisation}
may write to me.'''
controller = "{organisation}"
condition = "9(2)(d)"
basis = "consent"
"""
REGIONS = """
[[region]]
number = 2
slug = "east"
name = "The East"
[[region]]
number = 3
slug = "norfolk"
name = "Norfolk"
parent = "east"
"""


def flaws_of(text: str, slug: str = "branch-news") -> list[tuple[Flaw, str]]:
    with pytest.raises(ListFileError) as refusal:
        parse_list(slug, text)
    assert isinstance(refusal.value, MailerError)
    assert all(str(complaint) in str(refusal.value) for complaint in refusal.value.complaints)
    return [(complaint.id, complaint.key) for complaint in refusal.value.complaints]


def flaws_of_regions(text: str) -> list[tuple[Flaw, str]]:
    with pytest.raises(ListFileError) as refusal:
        parse_regions(text)
    return [(complaint.id, complaint.key) for complaint in refusal.value.complaints]


def without(key: str, text: str = LIST) -> str:
    return re.sub(rf"(?m)^{key} = (?:'''.*?'''|.*?$)", "", text, flags=re.DOTALL)


def with_value(key: str, value: str) -> str:
    return re.sub(rf"(?m)^{key} = .*$", lambda _: f"{key} = {value}", LIST)


def test_a_list_file_is_read_whole() -> None:
    listfile = parse_list("branch-news", LIST)
    assert (listfile.slug, listfile.id, listfile.label) == ("branch-news", 7, "branch-news")
    assert listfile.standings == {Standing.MEMBER}
    assert listfile.writers == {Office.COORDINATOR, Office.CHAIR}
    assert (listfile.sender_name, listfile.reply_to) == ("The branches", "branches@example.org")
    assert listfile.approval
    assert listfile.wording.condition is Article9.NOT_FOR_PROFIT_BODY
    assert listfile.wording.basis is PecrBasis.CONSENT


def test_what_may_be_left_out_has_a_default() -> None:
    text = without("approval", without("reply_to", without("sender_name")))
    listfile = parse_list("branch-news", text)
    assert (listfile.approval, listfile.reply_to, listfile.sender_name) == (False, None, None)


@pytest.mark.parametrize(
    "key",
    ["id", "label", "title", "regional", "writers", "template", "reason", "standings", "version", "text"],
)
def test_a_missing_key_is_named(key: str) -> None:
    dotted = {"standings": "audience.standings", "version": "wording.version", "text": "wording.text"}
    assert flaws_of(without(key)) == [(Flaw.MISSING_KEY, dotted.get(key, key))]


@pytest.mark.parametrize("key", ["controller", "condition", "basis"])
def test_a_wording_says_who_and_on_what_ground(key: str) -> None:
    assert flaws_of(without(key)) == [(Flaw.MISSING_KEY, f"wording.{key}")]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", "0"),
        ("id", "10000"),
        ("id", "true"),
        ("id", '"7"'),
        ("label", '"Branch News"'),
        ("label", f'"{"x" * 64}"'),
        ("label", '"a.b"'),
        ("title", '""'),
        ("title", '"two\\nlines"'),
        ("title", '"a\\u2028b"'),
        ("regional", '"yes"'),
        ("writers", "[]"),
        ("writers", '["chair", "chair"]'),
        ("writers", '["chairman"]'),
        ("writers", '"chair"'),
        ("template", '"../newsletter"'),
        ("reason", '"You asked {name}."'),
        ("reason", '"You asked {organisation"'),
        ("sender_name", '"Chair\\r\\nBcc: x@example.org"'),
        ("reply_to", '"not an address"'),
        ("reply_to", '"a@b@example.org"'),
        ("approval", "1"),
    ],
)
def test_a_wrong_value_is_refused_and_shown(key: str, value: str) -> None:
    assert flaws_of(with_value(key, value)) == [(Flaw.WRONG_VALUE, key)]


def test_one_who_is_not_confirmed_belongs_to_no_list() -> None:
    text = with_value("standings", '["member", "claimed"]')
    assert flaws_of(text) == [(Flaw.WRONG_VALUE, "audience.standings")]


def test_supporters_may_only_be_on_a_list_by_explicit_consent() -> None:
    both = with_value("standings", '["member", "supporter"]')
    assert flaws_of(both) == [(Flaw.WRONG_CONDITION, "wording.condition")]
    assert parse_list("branch-news", both.replace("9(2)(d)", "9(2)(a)")).standings == set(Standing) - {Standing.CLAIMED}


def test_an_unknown_key_comes_with_the_nearest_known_one() -> None:
    with pytest.raises(ListFileError, match=r"titel: nobody knows this key \(did you mean 'title'\?\)"):
        parse_list("branch-news", 'titel = "Branch news"\n' + LIST)
    assert flaws_of(LIST + "shade = 3\n") == [(Flaw.UNKNOWN_KEY, "wording.shade")]


def test_everything_wrong_is_said_at_once() -> None:
    text = without("title", with_value("id", "0")) + "colour = 'red'\n"
    assert flaws_of(text) == [
        (Flaw.WRONG_VALUE, "id"),
        (Flaw.MISSING_KEY, "title"),
        (Flaw.UNKNOWN_KEY, "wording.colour"),
    ]


def test_a_missing_table_is_one_complaint_and_a_value_in_its_place_another() -> None:
    head, _ = LIST.split("[audience]")
    assert flaws_of(head + LIST[LIST.index("[wording]") :]) == [(Flaw.MISSING_KEY, "audience")]
    assert (Flaw.WRONG_VALUE, "audience") in flaws_of("audience = 3\n" + head + LIST[LIST.index("[wording]") :])


def test_what_is_not_toml_is_said_in_plain_words() -> None:
    assert flaws_of("title = Branch news") == [(Flaw.NOT_TOML, "")]


@pytest.mark.parametrize("slug", ["Branch", "a_b", "-a", "a-", "a--b", "", "x" * 64, "a\n"])
def test_the_name_of_the_file_is_a_slug(slug: str) -> None:
    assert flaws_of(LIST, slug) == [(Flaw.WRONG_VALUE, "")]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_order(text: str) -> None:
    with pytest.raises(ListFileError):
        parse_list("branch-news", text)


@given(st.text(min_size=1, max_size=40))
def test_the_organisations_name_stands_in_the_words_as_it_is(name: str) -> None:
    filled = parse_list("branch-news", LIST).filled(name)
    assert filled.wording.text == f"Yes, {name} may write to me."
    assert filled.wording.controller == name
    assert filled.reason == f"You asked {name} for it."


def test_how_a_text_is_wrapped_does_not_change_the_words() -> None:
    wrapped = LIST.replace("Yes, {organisation}\nmay write to me.", "Yes, {organisation}   may\nwrite\nto me.\n")
    assert wrapped != LIST
    assert parse_list("branch-news", wrapped) == parse_list("branch-news", LIST)


def test_a_regional_list_has_a_stream_for_every_region_of_the_tree() -> None:
    streams = streams_of(parse_list("branch-news", LIST), parse_regions(REGIONS))
    assert streams == (
        Stream(70_002, "branch-news", 7, 2, "Branch news: The East", "east.branch-news"),
        Stream(70_003, "branch-news", 7, 3, "Branch news: Norfolk", "norfolk.branch-news"),
    )


def test_a_list_of_the_whole_organisation_has_one_stream() -> None:
    listfile = parse_list("branch-news", with_value("regional", "false"))
    assert streams_of(listfile, parse_regions(REGIONS)) == (
        Stream(70_000, "branch-news", 7, None, "Branch news", "branch-news"),
    )


@given(*[st.integers(1, 9999), st.none() | st.integers(1, 9999)] * 2)
def test_no_two_streams_share_a_number(list_a: int, in_a: int | None, list_b: int, in_b: int | None) -> None:
    same = (list_a, in_a) == (list_b, in_b)
    assert (stream_number(list_a, in_a) == stream_number(list_b, in_b)) == same


def test_a_new_title_changes_neither_number_nor_label() -> None:
    regions = parse_regions(REGIONS)
    old = streams_of(parse_list("branch-news", LIST), regions)
    new = streams_of(parse_list("branch-news", with_value("title", '"News from the branches"')), regions)
    assert [(s.number, s.label) for s in old] == [(s.number, s.label) for s in new]
    assert old != new


def test_regions_nest_by_slug_whatever_their_order() -> None:
    regions = parse_regions(REGIONS)
    assert regions.subtree("east") == {2, 3}
    first, second = REGIONS.strip().split("[[region]]")[1:]
    assert parse_regions(f"[[region]]{second}\n[[region]]{first}").subtree("east") == {2, 3}


@pytest.mark.parametrize(
    ("text", "flaws"),
    [
        ("", [(Flaw.MISSING_KEY, "region")]),
        ("region = []", [(Flaw.WRONG_VALUE, "region")]),
        ("region = [3]", [(Flaw.WRONG_VALUE, "region[1]")]),
        ("region = ", [(Flaw.NOT_TOML, "")]),
        (REGIONS.replace("number = 3", "number = 0"), [(Flaw.WRONG_VALUE, "region[2].number")]),
        (REGIONS.replace("number = 3", "number = 2"), [(Flaw.USED_TWICE, "region[2].number")]),
        (REGIONS.replace('"norfolk"', '"east"'), [(Flaw.USED_TWICE, "region[2].slug")]),
        (REGIONS.replace('parent = "east"', 'parent = "esat"'), [(Flaw.NO_TREE, "region[2].parent")]),
        (REGIONS.replace('parent = "east"', 'parent = "norfolk"'), [(Flaw.NO_TREE, "region")]),
        (REGIONS + 'town = "Norwich"', [(Flaw.UNKNOWN_KEY, "region[2].town")]),
        (REGIONS + "[county]", [(Flaw.UNKNOWN_KEY, "county")]),
    ],
)
def test_regions_that_cannot_be_a_tree_are_refused(text: str, flaws: list[tuple[Flaw, str]]) -> None:
    found = flaws_of_regions(text)
    assert [flaw for flaw in found if flaw[0] is not Flaw.MISSING_KEY or flaw in flaws] == flaws
