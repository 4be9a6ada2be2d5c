"""The ledger says what happened, in one order; subscriptions follow from it alone, and tampering shows (P7, P22)."""

import threading
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from mailer.core.consent import Channel, ConsentError, Entry, Kind
from mailer.house import House
from mailer.models import ConsentEntry, Member, Seal, Subscription, guards, ledger
from mailer.models.base import writing
from mailer.models.ledger import as_entry, broken_seal, lines, rebuild, seal_ledger
from mailer.models.site import Counter, current
from tests.threads import together
from tests.world import NOW, consent, join, stream, withdraw

pytestmark = pytest.mark.django_db


def ann(house: House) -> Member:
    return join(house, "Ann Smith", consents=[stream(house)])


def tamper(sql: str, *values: object) -> None:
    guards.remove()
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
    finally:
        guards.install()


def sealed(house: House) -> Member:
    """Three batches, the second of two lines."""
    member = ann(house)
    list(seal_ledger(NOW))
    withdraw(house, member, stream(house), NOW)
    consent(house, member, stream(house, "local-notices", "norfolk"), NOW)
    list(seal_ledger(NOW))
    withdraw(house, member, stream(house, "local-notices", "norfolk"), NOW + timedelta(hours=1))
    list(seal_ledger(NOW))
    assert Seal.unscoped.count() == 3
    assert broken_seal() is None
    return member


def test_an_untouched_ledger_holds_and_is_sealed_once(house: House) -> None:
    sealed(house)
    assert list(seal_ledger(NOW)) == []
    assert Seal.unscoped.count() == 3


@pytest.mark.parametrize(
    "change",
    [
        "kind = 'given'",
        "at = '2001-01-01 00:00:00+00:00'",
        "recorded_at = '2001-01-01 00:00:00+00:00'",
        "channel = 'page'",
        "actor = 'somebody'",
        "article9 = '9(2)(d)'",
        "subject = 'another'",
        "token_hash = 'x'",
        "mailing_number = 7",
        "stream_id = 10000 + stream_id - stream_id",
        "wording_id = NULL",
        "commitment = 'x'",
    ],
)
def test_a_changed_line_breaks_its_batch(house: House, change: str) -> None:
    sealed(house)
    batch = Seal.unscoped.order_by("pk")[1]
    last = ConsentEntry.unscoped.get(pk=batch.last_row)
    kind = "withdrawn" if change.startswith(("kind", "wording", "commitment")) else last.kind
    row = ConsentEntry.unscoped.filter(pk__gte=batch.first_row, pk__lte=batch.last_row, kind=kind).first()
    assert row is not None
    before = as_entry(row)
    if change.startswith(("wording", "commitment")):
        change = change.replace("NULL", "(SELECT min(id) FROM mailer_wording)")
    if change.startswith("kind"):
        change = "kind = 'given', wording_id = (SELECT min(id) FROM mailer_wording), commitment = 'x'"
    tamper(f"UPDATE mailer_consententry SET {change} WHERE id = %s", row.pk)  # noqa: S608
    assert as_entry(ConsentEntry.unscoped.get(pk=row.pk)) != before
    assert broken_seal() == batch


def test_a_line_taken_out_breaks_its_batch(house: House) -> None:
    sealed(house)
    batch = Seal.unscoped.order_by("pk")[1]
    Subscription.unscoped.all().delete()
    tamper("DELETE FROM mailer_consentevidence WHERE entry_id = %s", batch.last_row)
    tamper("DELETE FROM mailer_consententry WHERE id = %s", batch.last_row)
    assert broken_seal() == batch


def test_a_line_slipped_in_between_two_batches_is_seen(house: House) -> None:
    """Numbers are lost when a transaction is rolled back; nobody may fill the gap later."""
    member = ann(house)
    list(seal_ledger(NOW))
    with transaction.atomic():
        withdraw(house, member, stream(house), NOW)
        transaction.set_rollback(True)
    first = Seal.unscoped.get()
    (row,) = ConsentEntry.unscoped.values()
    ConsentEntry.unscoped.create(**row | {"id": first.last_row + 5})
    list(seal_ledger(NOW))
    assert broken_seal() is None
    ConsentEntry.unscoped.create(**row | {"id": first.last_row + 3})
    assert broken_seal() == Seal.unscoped.latest("pk")


@pytest.mark.django_db(transaction=True)
def test_several_who_seal_at_one_moment_make_one_chain(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """All have reckoned the same seal before anybody writes it."""
    people = [join(house, f"Member {n}", f"m{n}@example.org", consents=[stream(house)]) for n in range(8)]
    reckon, gate = ledger._reckoned, threading.Barrier(4)

    def together_first(last: Seal | None, until: int, now: datetime) -> Seal | None:
        found = reckon(last, until, now)
        with suppress(threading.BrokenBarrierError):
            gate.wait()
        gate.abort()
        return found

    monkeypatch.setattr(ledger, "_reckoned", together_first)
    heads: list[str] = []
    for person in people:
        withdraw(house, person, stream(house), NOW)
        gate = threading.Barrier(4)
        assert together(4, lambda _: heads.extend(seal_ledger(NOW))) == []
    assert broken_seal() is None
    assert len(heads) == len(set(heads)) == len(people)


def test_erasing_evidence_breaks_nothing(house: House) -> None:
    sealed(house)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM mailer_consentevidence")
    assert broken_seal() is None


def test_each_line_is_heard_by_the_sender(house: House) -> None:
    member = ann(house)
    before = current(Counter.CHANGES)
    withdraw(house, member, stream(house), NOW)
    assert current(Counter.CHANGES) > before


def test_core_refuses_a_consent_that_proves_nothing(house: House) -> None:
    good = as_entry(lines(ann(house).subject)[0])
    for missing in ({"wording": None}, {"commitment": ""}):
        with pytest.raises(ConsentError):
            Entry(**{name: getattr(good, name) for name in Entry.__slots__} | missing)


_ACTS = st.lists(
    st.tuples(st.sampled_from(Kind), st.integers(0, 3), st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=8
)


@pytest.mark.usefixtures("house_of_the_class")
class TestHistories(TestCase):
    """hypothesis.extra.django rolls back after each example."""

    house: House

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(acts=_ACTS, damage=st.sampled_from(["none", "all gone", "all active", "invented"]))
    def test_subscriptions_follow_from_the_ledger_alone(self, acts: list[Any], damage: str) -> None:
        people = [join(self.house, name) for name in ("Ann Smith", "Bob Brown")]
        streams = [stream(self.house), stream(self.house, "local-notices", "norfolk")]
        said: dict[tuple[int, int], list[tuple[int, bool]]] = {}
        for kind, hour, who, which in acts:
            act = withdraw if kind is Kind.WITHDRAWN else consent
            act(self.house, people[who], streams[which], NOW + timedelta(hours=hour))
            said.setdefault((people[who].pk, streams[which]), []).append((hour, kind is Kind.WITHDRAWN))
        expected = {key: "left" if max(history)[1] else "active" for key, history in said.items()}
        rows = Subscription.unscoped.order_by("member", "stream").values_list("member", "stream", "state", "entry")
        kept = list(rows)
        assert {(member, where): state for member, where, state, _ in kept} == expected
        with writing():
            assert rebuild() == 0
        match damage:
            case "all gone":
                Subscription.unscoped.all().delete()
            case "all active":
                Subscription.unscoped.all().update(state="active")
            case "invented":
                line = ConsentEntry.unscoped.first()
                where = stream(self.house, "local-notices", "suffolk")
                Subscription.unscoped.create(member=people[0], stream_id=where, state="active", entry=line, since=NOW)
        with writing():
            rebuild()
        assert list(rows.all()) == kept


def test_a_departure_names_how_and_through_which_letter(house: House) -> None:
    member = ann(house)
    withdraw(house, member, stream(house), NOW)
    entry = as_entry(lines(member.subject).last() or pytest.fail("no line"))
    assert (entry.kind, entry.channel) == (Kind.WITHDRAWN, Channel.PAPER_FORM)
