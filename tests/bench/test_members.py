"""The people of a benchmark are as many, as mixed and as well founded as those of a real site."""

from datetime import UTC, datetime

import pytest
from django.db import transaction

from mailer.bench.members import REGIONS, fill
from mailer.core.address import fold_name
from mailer.models import ConsentEntry, Mailbox, Member, MemberRegion, Subscription, audience, ledger

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def test_everyone_is_there_with_what_an_import_would_have_made() -> None:
    filled = fill(1000, at=NOW)
    assert (filled.members, Member.unscoped.count()) == (1000, 1000)
    assert filled.mailboxes == Mailbox.unscoped.count() == 950
    assert MemberRegion.unscoped.values("region").distinct().count() == REGIONS
    assert filled.subscriptions == ConsentEntry.unscoped.count()
    names = list(Member.unscoped.values_list("name", "folded_name"))
    assert sum(not name.isascii() for name, _ in names) == 100
    assert all(fold_name(name) == folded for name, folded in names)


def test_the_ledger_says_what_the_subscriptions_say() -> None:
    fill(300, at=NOW)
    assert Subscription.unscoped.exists()
    assert ledger.rebuild() == 0


def test_the_rule_of_the_filled_carries_most_and_not_all() -> None:
    filled = fill(1000, at=NOW)
    found = {
        (outcome, reason): number for outcome, reason, number in audience.decided(filled.rule, NOW.date(), None).count()
    }
    assert sum(found.values()) == 1000
    assert set(found) == {("carried", ""), ("excluded", "left"), ("excluded", "no_consent"), ("unmailable", "")}
    assert found["carried", ""] > 800


def test_the_same_seed_makes_the_same_people() -> None:
    def people(seed: int) -> list[tuple[object, ...]]:
        with transaction.atomic():
            fill(50, at=NOW, seed=seed)
            found = list(Member.unscoped.order_by("pk").values_list("name", "handle", "mailbox__domain"))
            transaction.set_rollback(True)
        return found

    assert people(1) == people(1) != people(2)
