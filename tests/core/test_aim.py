"""A letter is aimed within its author's scope, at consents for where people live; each answer has its order."""

from pathlib import Path

import pytest

from mailer.core.aim import aim
from mailer.core.audience import (
    Facts,
    In,
    NotACandidate,
    Out,
    Reason,
    Rule,
    Standing,
    SubscriptionState,
    Unmailable,
    decide,
)
from mailer.core.listfile import stream_number
from mailer.core.region import Region, RegionError, Regions, Scope
from mailer.library import load, root

LISTS = load(root(Path.cwd()), "The Friends").lists
NEWS, NOTICES = LISTS["chairs-newsletter"], LISTS["local-notices"]
TREE = Regions((Region(1, "east", "East"), Region(2, "norfolk", "Norfolk", 1), Region(3, "london", "London")))
ACTIVE, LEFT = SubscriptionState.ACTIVE, SubscriptionState.LEFT


def notice(region: int) -> int:
    return stream_number(NOTICES.id, region)


def test_a_newsletter_is_for_everyone_its_author_reaches() -> None:
    assert aim(NEWS, TREE, None, Scope.everything()).regions is None
    assert aim(NEWS, TREE, None, Scope(frozenset({2}))).regions == {2}
    assert aim(NEWS, TREE, None, Scope.nothing()).regions == frozenset()


def test_a_notice_reaches_down_and_never_beyond_the_scope() -> None:
    whole = aim(NOTICES, TREE, "east", Scope.everything())
    assert whole.regions == {1, 2}
    assert whole.streams == {notice(1): 1, notice(2): 2}
    assert aim(NOTICES, TREE, "east", Scope(frozenset({2, 3}))).regions == {2}
    assert aim(NOTICES, TREE, "london", Scope(frozenset({2}))).regions == frozenset()
    with pytest.raises(RegionError):
        aim(NOTICES, TREE, "atlantis", Scope.everything())


def test_a_consent_counts_only_where_one_lives() -> None:
    rule = aim(NOTICES, TREE, "east", Scope.everything())
    facts = Facts(Standing.MEMBER, frozenset({1}), {notice(2): ACTIVE}, mailbox="a@example.org")
    assert decide(rule, facts) == Out(Reason.NO_CONSENT)
    assert decide(rule, Facts(Standing.MEMBER, frozenset({2}), {notice(2): ACTIVE}, mailbox="a@example.org")) == In(
        notice(2)
    )
    assert decide(rule, Facts(Standing.MEMBER, frozenset({3}), {notice(3): ACTIVE})) == NotACandidate()


def test_the_first_reason_is_the_one_that_is_said() -> None:
    """Each fact spoilt in the order of `Reason`, from the last to the first."""
    number = stream_number(NEWS.id, None)
    rule = aim(NEWS, TREE, None, Scope.everything())
    good = {"standing": Standing.MEMBER, "subscriptions": {number: ACTIVE}, "mailbox": "a@example.org"}
    assert decide(rule, Facts(**good)) == In(number)  # type: ignore[arg-type]
    spoilt: list[tuple[dict[str, object], object]] = [
        ({"undeliverable": True}, Out(Reason.UNDELIVERABLE)),
        ({"mailbox_suppressed": True}, Out(Reason.MAILBOX_SUPPRESSED)),
        ({"subscriptions": {}}, Out(Reason.NO_CONSENT)),
        ({"mailbox": None}, Unmailable()),
        ({"subscriptions": {number: LEFT}}, Out(Reason.LEFT)),
        ({"suppressed": True}, Out(Reason.SUPPRESSED)),
        ({"standing": Standing.CLAIMED}, Out(Reason.NOT_CONFIRMED)),
    ]
    facts = dict(good)
    for change, expected in spoilt:
        facts |= change
        assert decide(rule, Facts(**facts)) == expected  # type: ignore[arg-type]


def test_a_rule_is_the_same_after_being_stored() -> None:
    for rule in (
        aim(NEWS, TREE, None, Scope.everything()),
        aim(NOTICES, TREE, "east", Scope(frozenset({2}))),
        aim(NOTICES, TREE, "london", Scope.nothing()),
    ):
        assert Rule.from_json(rule.to_json()) == rule
