"""The rule in core and its twin in SQL never disagree, whatever the facts; run on both databases."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from mailer.core.audience import (
    AllowList,
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
from mailer.core.delivery import GOT, CopyState, Outcome
from mailer.house import House
from mailer.models import Delivery, Mailing, Member, MemberRegion, SuppressionReason, departure, returns
from mailer.models.audience import decided
from tests.models.rows import copy_row, mailing_row
from tests.world import NOW, TODAY, join, region_number, stream

_SLUGS = ("london", "east-of-england", "norfolk", "suffolk")
_PEOPLE = st.lists(
    st.fixed_dictionaries(
        {
            "standing": st.sampled_from(Standing),
            "regions": st.sets(st.sampled_from(_SLUGS), max_size=2),
            "past": st.sets(st.sampled_from(_SLUGS), max_size=1),
            "future": st.sets(st.sampled_from(_SLUGS), max_size=1),
            "mailbox": st.sampled_from(["a@example.org", "b@example.net", "c@forbidden.example.com", None]),
            "streams": st.dictionaries(
                st.sampled_from([None, *_SLUGS]), st.sampled_from(SubscriptionState), max_size=4
            ),
            "suppressed": st.booleans(),
            "mailbox_suppressed": st.booleans(),
            "undeliverable": st.booleans(),
            "had": st.none() | st.sampled_from(GOT) | st.sampled_from([*Outcome, *CopyState]),
        }
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.usefixtures("house_of_the_class")
class TestTwins(TestCase):
    """hypothesis.extra.django rolls back after each example."""

    house: House

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        people=_PEOPLE,
        where=st.sampled_from(["everywhere", "regional", "scoped"]),
        standings=st.sets(st.sampled_from([Standing.MEMBER, Standing.SUPPORTER]), min_size=1),
        limited=st.booleans(),
        correcting=st.booleans(),
    )
    def test_sql_decides_as_core_does(
        self, people: list[dict[str, Any]], where: str, standings: set[Standing], *, limited: bool, correcting: bool
    ) -> None:
        first = mailing_row(self.house)
        rule = replace(self._rule(where, frozenset(standings)), got=first.pk if correcting else None)
        allow = AllowList(frozenset({"example.org"}), frozenset({"b@example.net"})) if limited else None
        made = [self._make(index, person, first) for index, person in enumerate(people)]
        # Suppressing a mailbox or calling it dead reaches everyone who shares it, so facts are gathered afterwards.
        expected = {member.pk: decide(rule, _facts(people, person), allow) for member, person in made}
        found = {
            says.member_id: (says.outcome, says.reason, says.stream_id) for says in decided(rule, TODAY, allow).rows()
        }
        assert found == {pk: _as_row(d) for pk, d in expected.items() if not isinstance(d, NotACandidate)}

    def _rule(self, where: str, standings: frozenset[Standing]) -> Rule:
        if where == "everywhere":
            return Rule({stream(self.house): None}, None, standings)
        slugs = ["east-of-england", "norfolk", "suffolk"]
        numbers = {stream(self.house, "local-notices", slug): region_number(slug) for slug in slugs}
        rule = Rule(numbers, frozenset(numbers.values()), standings)
        return rule.narrowed(frozenset({region_number("norfolk")})) if where == "scoped" else rule

    def _make(self, index: int, person: dict[str, Any], first: Mailing) -> tuple[Member, dict[str, Any]]:
        numbers = {slug: stream(self.house, "local-notices", slug) for slug in _SLUGS}
        numbers[None] = stream(self.house)
        streams = {numbers[slug]: state for slug, state in person["streams"].items()}
        person["by_number"] = streams
        member = join(
            self.house,
            f"Person {index}",
            person["mailbox"],
            regions=person["regions"],
            consents=[n for n, state in streams.items() if state is SubscriptionState.ACTIVE],
            left=[n for n, state in streams.items() if state is SubscriptionState.LEFT],
            standing=person["standing"],
        )
        day = timedelta(days=1)
        for slug in person["past"]:
            _live(member, slug, TODAY - 9 * day, TODAY)
        for slug in person["future"]:
            _live(member, slug, TODAY + day, TODAY + 9 * day)
        person["got"] = frozenset({first.pk}) if person["had"] in GOT else frozenset()
        _give(first, member, person["had"])
        if person["suppressed"]:
            departure.suppress_person(member, SuppressionReason.LEFT_ALL, NOW)
        if member.mailbox and person["mailbox_suppressed"]:
            departure.suppress_mailbox(member.mailbox.pk, SuppressionReason.COMPLAINT, NOW)
        if member.mailbox and person["undeliverable"]:
            returns.make_undeliverable(member.mailbox.pk, "gone", NOW)
        return member, person


def _live(member: Member, slug: str, starts: date, ends: date) -> None:
    MemberRegion.unscoped.create(member=member, region_id=region_number(slug), starts=starts, ends=ends)


def _give(mailing: Mailing, member: Member, had: Outcome | CopyState | None) -> None:
    """A delivery of an earlier mailing, if they had one: by itself, or carried by a copy in this state."""
    if had is None:
        return
    copy, outcome = None, had
    if isinstance(had, CopyState):
        copy, outcome = copy_row(mailing, had), Outcome.CARRIED
    reason = Reason.LEFT if outcome in (Outcome.EXCLUDED, Outcome.WITHDRAWN) else ""
    Delivery.unscoped.create(mailing=mailing, member=member, copy=copy, outcome=outcome, reason=reason)


def _facts(people: list[dict[str, Any]], person: dict[str, Any]) -> Facts:
    box = person["mailbox"]
    sharing = [other for other in people if box is not None and other["mailbox"] == box]
    return Facts(
        standing=person["standing"],
        regions=frozenset(region_number(slug) for slug in person["regions"]),
        subscriptions=person["by_number"],
        suppressed=person["suppressed"] and box is not None,
        mailbox=box,
        mailbox_suppressed=any(other["mailbox_suppressed"] for other in sharing),
        undeliverable=any(other["undeliverable"] for other in sharing),
        got=person["got"],
    )


def _as_row(decision: object) -> tuple[str, str, int | None]:
    match decision:
        case In(number):
            return Outcome.CARRIED, "", number
        case Out(reason):
            return Outcome.EXCLUDED, reason, None
        case Unmailable():
            return Outcome.UNMAILABLE, "", None
    raise AssertionError(decision)
