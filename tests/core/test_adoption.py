"""What may not change once people have agreed to it, and when two hosts hold the same lists."""

from dataclasses import replace

import pytest

from mailer.core.adoption import (
    Adopted,
    AdoptedList,
    AdoptedRegion,
    complain_about_changes,
    complain_together,
    digest,
)
from mailer.core.audience import Standing
from mailer.core.complaint import Flaw
from mailer.core.consent import Article9, PecrBasis
from mailer.core.listfile import ListFile, Office, Wording
from mailer.core.region import Region, Regions

REGIONS = Regions((Region(1, "london", "London"), Region(2, "leeds", "Leeds")))
NEWS = ListFile(
    slug="news",
    id=1,
    label="news",
    title="News",
    regional=False,
    standings=frozenset({Standing.MEMBER, Standing.SUPPORTER}),
    writers=frozenset({Office.CHAIR, Office.EDITOR}),
    template="newsletter",
    reason="You asked for it.",
    wording=Wording(2, "Yes, please.", "The Friends", Article9.EXPLICIT_CONSENT, PecrBasis.CONSENT),
)
NOTICES = replace(NEWS, slug="notices", id=2, label="notices", title="Notices", regional=True)
BEFORE = Adopted(
    lists=(
        AdoptedList("news", 1, "news", {1: "Yes.", 2: "Yes, please."}, {10_000: 5}),
        AdoptedList("notices", 2, "notices", {2: "Yes, please."}, {20_001: 3, 20_002: 0}),
    ),
    regions=(AdoptedRegion("london", 1, members=4), AdoptedRegion("leeds", 2)),
)


def changes(*lists: ListFile, before: Adopted = BEFORE, regions: Regions = REGIONS) -> list[tuple[Flaw, str, str]]:
    found = complain_about_changes(before, lists, regions)
    assert all(complaint.hint for complaint in found)
    return [(complaint.id, complaint.file, complaint.key) for complaint in found]


def reworded(version: int, text: str) -> ListFile:
    return replace(NEWS, wording=replace(NEWS.wording, version=version, text=text))


def test_the_same_files_bring_no_complaint() -> None:
    assert changes(NEWS, NOTICES) == []
    assert complain_about_changes(Adopted(), [NEWS, NOTICES], REGIONS) == []


def test_titles_names_and_new_lists_may_come_and_go() -> None:
    third = replace(NEWS, slug="third", id=3, label="third")
    renamed = Regions((Region(1, "london", "Greater London"), Region(2, "leeds", "Leeds", parent=1)))
    assert changes(replace(NEWS, title="The news"), NOTICES, third, regions=renamed) == []


def test_other_words_under_the_same_version_are_refused() -> None:
    wrong = [(Flaw.SAME_VERSION, "lists/news.toml", "wording.text")]
    assert changes(reworded(2, "Yes, go on."), NOTICES) == wrong
    assert changes(reworded(1, "Yes, go on."), NOTICES) == wrong
    assert changes(reworded(3, "Yes, go on."), NOTICES) == []


def test_an_older_version_does_not_come_back() -> None:
    assert changes(reworded(1, "Yes."), NOTICES) == [(Flaw.SAME_VERSION, "lists/news.toml", "wording.version")]


def test_a_list_with_subscriptions_cannot_vanish() -> None:
    assert changes(NOTICES) == [(Flaw.STILL_SUBSCRIBED, "lists/news.toml", "")]
    assert changes(NEWS) == [(Flaw.STILL_SUBSCRIBED, "lists/notices.toml", "")]
    quiet = Adopted(lists=(AdoptedList("news", 1, "news"),))
    assert changes(NOTICES, before=quiet) == []


def test_a_list_with_subscriptions_cannot_change_its_kind() -> None:
    assert changes(replace(NEWS, regional=True), NOTICES) == [(Flaw.STILL_SUBSCRIBED, "lists/news.toml", "")]


def test_a_number_is_never_reused_even_by_a_list_whose_file_is_long_gone() -> None:
    gone = Adopted(lists=(AdoptedList("old-news", 1, "old-news"),))
    assert changes(NEWS, before=gone) == [(Flaw.NUMBER_CHANGED, "lists/news.toml", "id")]
    labelled = Adopted(lists=(AdoptedList("old-news", 9, "news"),))
    assert changes(NEWS, before=labelled) == [(Flaw.LABEL_CHANGED, "lists/news.toml", "label")]


def test_number_and_label_of_a_list_are_permanent() -> None:
    quiet = Adopted(lists=(AdoptedList("news", 1, "news"),))
    assert changes(replace(NEWS, id=5), before=quiet) == [(Flaw.NUMBER_CHANGED, "lists/news.toml", "id")]
    assert changes(replace(NEWS, label="letter"), before=quiet) == [(Flaw.LABEL_CHANGED, "lists/news.toml", "label")]


def test_a_region_that_still_has_members_cannot_vanish() -> None:
    before = replace(BEFORE, lists=())
    assert changes(before=before, regions=Regions(REGIONS.all[1:])) == [
        (Flaw.STILL_MEMBERS, "lists/regions.toml", "london")
    ]
    assert changes(before=before, regions=Regions(REGIONS.all[:1])) == []


def test_a_region_whose_stream_has_subscriptions_cannot_vanish() -> None:
    empty = replace(BEFORE, regions=())
    assert changes(NEWS, NOTICES, before=empty, regions=Regions(REGIONS.all[1:])) == [
        (Flaw.STILL_SUBSCRIBED, "lists/notices.toml", "")
    ]


@pytest.mark.parametrize(
    ("regions", "key"),
    [
        ((Region(7, "london", "London"), Region(2, "leeds", "Leeds")), "london"),
        ((Region(1, "london", "London"), Region(2, "york", "York")), "york"),
    ],
)
def test_number_and_slug_of_a_region_belong_together_for_ever(regions: tuple[Region, ...], key: str) -> None:
    before = replace(BEFORE, lists=())
    assert changes(before=before, regions=Regions(regions)) == [(Flaw.NUMBER_CHANGED, "lists/regions.toml", key)]


def test_two_lists_cannot_share_a_number_or_a_label() -> None:
    assert complain_together([NEWS, NOTICES]) == []
    twice = complain_together([NOTICES, NEWS, replace(NEWS, slug="zoo")])
    assert [(c.id, c.file, c.key) for c in twice] == [
        (Flaw.USED_TWICE, "lists/zoo.toml", "id"),
        (Flaw.USED_TWICE, "lists/zoo.toml", "label"),
    ]


def test_the_digest_is_of_the_content_and_not_of_its_order() -> None:
    assert digest([NEWS, NOTICES], REGIONS) == digest([NOTICES, NEWS], Regions(REGIONS.all[::-1]))
    assert len(digest([], Regions(()))) == 64


@pytest.mark.parametrize(
    "other",
    [
        replace(NEWS, title="Other"),
        replace(NEWS, approval=True),
        replace(NEWS, standings=frozenset({Standing.MEMBER})),
        reworded(2, "Yes, please!"),
    ],
)
def test_any_change_of_content_changes_the_digest(other: ListFile) -> None:
    assert digest([other], REGIONS) != digest([NEWS], REGIONS)
    assert digest([NEWS], Regions(REGIONS.all[:1])) != digest([NEWS], REGIONS)
