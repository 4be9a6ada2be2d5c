"""The secretary's file: twice changes nothing, half did nothing, and nobody is revived (P7, P12, P13)."""

import zlib
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from mailer import access
from mailer.access import Actor, NotAllowed
from mailer.actions import import_members as story
from mailer.actions.import_members import Imported, import_members
from mailer.core.aim import aim
from mailer.core.changeset import Changeset, plan
from mailer.core.region import Scope
from mailer.house import House
from mailer.models import (
    ConsentEntry,
    ConsentEvidence,
    Event,
    Mailbox,
    Member,
    MemberRegion,
    Subscription,
    Suppression,
    SuppressionReason,
    departure,
)
from mailer.models.audience import decided
from tests.spreadsheet import sheet
from tests.world import NOW, TODAY, Draw, anne, bart, sima, stream, withdraw

pytestmark = pytest.mark.django_db

_NEWS = {
    "chairs-newsletter consent date": "2026-03-04",
    "chairs-newsletter consent channel": "paper form",
    "chairs-newsletter consent wording": "1",
    "chairs-newsletter consent evidence": "form 17, folder B",
}


def person(number: int, name: str = "Ann Smith", **cells: str) -> dict[str, str]:
    start = {"number": str(number), "name": name, "e-mail": f"p{number}@example.org", "standing": "member"}
    return start | {"regions": "norfolk"} | cells


def load(house: House, raw: bytes, actor: Actor | None = None, now: datetime = NOW, **options: Any) -> Imported:
    draw = Draw(zlib.crc32(raw) + now.toordinal())
    return import_members(actor or sima(), house, raw, now=now, draw=draw.handle, draw_subject=draw.subject, **options)


def dump() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but the counters, which only say that somebody looked."""
    return {
        model._meta.db_table: sorted(model._base_manager.values_list(), key=repr)
        for model in apps.get_app_config("mailer").get_models()
        if model._meta.model_name != "counter"
    }


def active(member: Member) -> set[int]:
    return set(Subscription.unscoped.filter(member=member, state="active").values_list("stream", flat=True))


def test_the_same_file_twice_changes_nothing(house: House) -> None:
    people = [
        person(1) | _NEWS,
        person(2, "Bob Brown", **{"e-mail": "home@example.org", "telephone": "01603 000000"}) | _NEWS,
        person(3, "Bea Brown", **{"e-mail": "home@example.org"}),
        person(4, "No Mailbox", **{"e-mail": ""}),
        person(5, "Zoë Ångström", **{"e-mail": "Zoe@Bücher.example.net", "regions": "norfolk; suffolk"}) | _NEWS,
        person(6, "Gone Away", **{"chairs-newsletter left date": "2026-05-01"}) | _NEWS,
    ]
    secretary = sima()
    first = load(house, sheet(*people), secretary)
    assert len(first.changes.new) == 6
    before = dump()
    again = load(house, sheet(*people), secretary, NOW + timedelta(days=3))
    assert again.changes.changes_nothing
    assert dump() == before


def test_a_dry_run_writes_nothing(house: House) -> None:
    secretary = sima()
    before = dump()
    found = load(house, sheet(person(1) | _NEWS), secretary, dry_run=True)
    assert len(found.changes.new) == 1
    assert dump() == before


def test_what_writes_nothing_keeps_nobody_from_writing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long file is worked out for many seconds, in which people leave and letters are sent."""
    file = sheet(person(1) | _NEWS)
    load(house, file)

    def never(*_: object) -> None:
        raise AssertionError("it took the lock")

    monkeypatch.setattr(story, "writing", never)
    assert load(house, sheet(person(2)), dry_run=True).changes.new
    assert load(house, file).changes.changes_nothing


def test_who_leaves_while_the_file_is_worked_out_is_not_revived(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    later = _NEWS | {"chairs-newsletter consent date": TODAY.isoformat()}
    load(house, sheet(person(1) | _NEWS))
    ann, news, plans = Member.unscoped.get(), stream(house), []

    def meanwhile(*asked: Any) -> Changeset:
        plans.append(plan(*asked))
        if len(plans) == 1:
            withdraw(house, ann, news, NOW)
        return plans[-1]

    monkeypatch.setattr(story, "plan", meanwhile)
    load(house, sheet(person(1) | later, person(2)))
    assert len(plans) == 2
    assert active(ann) == set()
    assert Member.unscoped.count() == 2


def test_an_error_midway_leaves_nothing(house: House) -> None:
    secretary = sima()
    before = dump()
    raw = sheet(*(person(n, f"Person Number{n}") | _NEWS for n in range(1, 8)))

    def fails(done: int, total: int) -> None:
        if done >= 5:
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        load(house, raw, secretary, progress=fails)
    assert dump() == before


@pytest.mark.parametrize("kind", ["coordinator", "reader", "clock", "operator"])
def test_only_secretary_and_chair_may_import(house: House, kind: str) -> None:
    actors = {
        "coordinator": bart,
        "reader": lambda: access.THE_READER,
        "clock": lambda: access.THE_CLOCK,
        "operator": lambda: access.the_operator("root"),
    }
    actor = actors[kind]()
    before = dump()
    with pytest.raises(NotAllowed):
        load(house, sheet(person(1)), actor)
    assert dump() == before
    load(house, sheet(person(1)), anne())
    assert Member.unscoped.count() == 1


def test_events_say_who_did_it_without_addresses(house: House) -> None:
    secretary = sima()
    load(house, sheet(person(1) | _NEWS), secretary)
    load(house, sheet(person(1, telephone="01603 111111")), secretary)
    events = list(Event.unscoped.filter(verb__startswith="member").order_by("pk"))
    assert [(e.actor, e.verb) for e in events] == [
        (secretary.reference, "members imported"),
        (secretary.reference, "member changed"),
        (secretary.reference, "members imported"),
    ]
    assert events[1].details == {"fields": ["telephone"]}
    told = repr([(e.details, e.subject_id) for e in events])
    assert "example.org" not in told
    assert "Smith" not in told
    assert "01603" not in told


def test_the_ledger_proves_what_the_file_said(house: House) -> None:
    from mailer.core.consent import proves
    from mailer.models.ledger import as_entry

    secretary = sima()
    load(house, sheet(person(1) | _NEWS), secretary)
    row = ConsentEntry.unscoped.get()
    kept = ConsentEvidence.unscoped.get(entry=row)
    assert proves(as_entry(row), bytes(kept.salt), "form 17, folder B")
    assert not proves(as_entry(row), bytes(kept.salt), "form 18, folder B")
    assert (row.channel, row.actor, row.wording.version, row.at.date()) == (
        "paper_form", secretary.reference, 1, date(2026, 3, 4)
    )  # fmt: skip


@pytest.mark.parametrize("missing", sorted(_NEWS))
def test_a_consent_without_all_its_parts_subscribes_nobody(house: House, missing: str) -> None:
    found = load(house, sheet(person(1) | {key: value for key, value in _NEWS.items() if key != missing}))
    assert found.file.complaints
    assert not Subscription.unscoped.exists()
    assert decided(_newsletter(house), TODAY, None).rows()[0].reason == "no_consent"


def test_who_left_is_not_revived_by_the_old_file(house: House) -> None:
    secretary, raw = sima(), sheet(person(1) | _NEWS)
    load(house, raw, secretary)
    member = Member.unscoped.get()
    withdraw(house, member, stream(house), NOW + timedelta(hours=1))
    again = load(house, raw, secretary, NOW + timedelta(days=1))
    assert active(member) == set()
    assert [each.reason for each in again.changes.withheld] == ["left"]


def test_who_left_this_morning_is_not_revived_by_a_form_of_today(house: House) -> None:
    secretary = sima()
    load(house, sheet(person(1) | _NEWS), secretary)
    member = Member.unscoped.get()
    withdraw(house, member, stream(house), NOW - timedelta(hours=1))
    load(house, sheet(person(1) | _NEWS | {"chairs-newsletter consent date": TODAY.isoformat()}), secretary)
    assert active(member) == set()


def test_a_later_form_waits_for_a_person(house: House) -> None:
    secretary = sima()
    load(house, sheet(person(1) | _NEWS), secretary)
    member = Member.unscoped.get()
    withdraw(house, member, stream(house), NOW - timedelta(days=10))
    later = load(house, sheet(person(1) | _NEWS | {"chairs-newsletter consent date": "2026-11-15"}), secretary)
    assert [each.doubt for each in later.changes.undecided] == ["rejoining"]
    assert active(member) == set()


@pytest.mark.parametrize("spelling", ["p1@example.org", "P1@EXAMPLE.ORG", "p1@Example.Org"])
def test_the_suppressed_stay_so_however_they_are_spelt(house: House, spelling: str) -> None:
    secretary = sima()
    load(house, sheet(person(1)), secretary)
    member = Member.unscoped.select_related("mailbox").get()
    departure.suppress_person(member, SuppressionReason.LEFT_ALL, NOW)
    again = load(house, sheet(person(1, **{"e-mail": spelling}) | _NEWS), secretary, NOW + timedelta(days=1))
    assert [each.reason for each in again.changes.withheld] == ["suppressed"]
    assert active(member) == set()
    assert Mailbox.unscoped.count() == 1


def test_the_forgotten_are_not_taken_on_again(house: House) -> None:
    secretary = sima()
    box = "gone@example.org"
    Suppression.unscoped.create(
        kind="person", hash=house.person_hash(box, "gone away"), reason=SuppressionReason.ERASED, at=NOW
    )
    found = load(house, sheet(person(9, "Gone  AWAY", **{"e-mail": "Gone@example.org"}) | _NEWS), secretary)
    assert [each.doubt for each in found.changes.undecided] == ["forgotten"]
    assert not Member.unscoped.exists()


@pytest.mark.parametrize(
    "changed",
    [{"name": "Anne Smith"}, {"e-mail": "new@example.org"}, {"name": "Anne Smith", "e-mail": "new@example.org"}],
)
def test_a_new_name_or_address_does_not_lift_a_suppression(house: House, changed: dict[str, str]) -> None:
    """First the correction, then a file with a consent: the objection follows the person (B13)."""
    secretary = sima()
    load(house, sheet(person(1)), secretary)
    member = Member.unscoped.select_related("mailbox").get()
    departure.suppress_person(member, SuppressionReason.LEFT_ALL, NOW)
    load(house, sheet(person(1) | changed), secretary, NOW + timedelta(days=1))
    found = load(house, sheet(person(1) | changed | _NEWS), secretary, NOW + timedelta(days=2))
    assert [each.reason for each in found.changes.withheld] == ["suppressed"]
    assert active(member) == set()
    assert decided(_newsletter(house), TODAY, None).rows()[0].reason == "suppressed"


@pytest.mark.parametrize("left_too", [False, True])
def test_a_new_address_does_not_escape_a_complaint(house: House, left_too: bool) -> None:
    """The mailbox complained and the person moves on: the complaint goes with them (B8, B13, P13)."""
    secretary, complained = sima(), NOW - timedelta(hours=2)
    load(house, sheet(person(1) | _NEWS), secretary)
    member = Member.unscoped.select_related("mailbox").get()
    departure.suppress_mailbox(Mailbox.unscoped.get().pk, SuppressionReason.COMPLAINT, complained)
    if left_too:
        departure.suppress_person(member, SuppressionReason.LEFT_ALL, NOW)
    moved = {"name": "Anne Smith", "e-mail": "new@example.org"}
    load(house, sheet(person(1) | moved), secretary, NOW + timedelta(days=1))
    carried = Suppression.unscoped.get(kind="person", hash=house.person_hash("new@example.org", "anne smith"))
    assert (carried.reason, carried.at) == (SuppressionReason.COMPLAINT, complained)
    assert decided(_newsletter(house), TODAY, None).rows()[0].reason == "suppressed"
    later = _NEWS | {"chairs-newsletter consent date": "2026-11-15"}
    found = load(house, sheet(person(1) | moved | later), secretary, NOW + timedelta(days=2))
    assert [each.reason for each in found.changes.withheld] == ["suppressed"]


def test_a_new_name_at_a_mailbox_that_complained_suppresses_nobody_by_name(house: House) -> None:
    secretary = sima()
    load(house, sheet(person(1)), secretary)
    departure.suppress_mailbox(Mailbox.unscoped.get().pk, SuppressionReason.COMPLAINT, NOW)
    load(house, sheet(person(1, "Anne Smith", **{"e-mail": "P1@example.org"})), secretary, NOW + timedelta(days=1))
    assert [row.kind for row in Suppression.unscoped.all()] == ["mailbox"]


def test_one_of_a_household_leaves_and_the_other_stays(house: House) -> None:
    secretary = sima()
    home = {"e-mail": "home@example.org"}
    load(house, sheet(person(1, "Bob Brown", **home), person(2, "Bea Brown", **home)), secretary)
    bob = Member.unscoped.select_related("mailbox").get(name="Bob Brown")
    departure.suppress_person(bob, SuppressionReason.LEFT_ALL, NOW)
    people = [person(1, "Bob Brown", **home) | _NEWS, person(2, "Bea Brown", **home) | _NEWS]
    load(house, sheet(*people), secretary, NOW + timedelta(days=1))
    assert active(bob) == set()
    assert active(Member.unscoped.get(name="Bea Brown")) == {stream(house)}
    assert Mailbox.unscoped.count() == 1


def test_regions_end_and_begin_on_the_day_of_the_change(house: House) -> None:
    secretary = sima()
    load(house, sheet(person(1, regions="norfolk; suffolk")), secretary, NOW - timedelta(days=30))
    load(house, sheet(person(1, regions="suffolk; essex")), secretary)
    rows = {row.region.slug: (row.starts, row.ends) for row in MemberRegion.unscoped.select_related("region")}
    start = TODAY - timedelta(days=30)
    assert rows == {"norfolk": (start, TODAY), "suffolk": (start, None), "essex": (TODAY, None)}


def test_a_change_taken_back_on_the_same_day_leaves_one_open_row(house: House) -> None:
    secretary = sima()
    for regions in ("norfolk", "suffolk", "norfolk", "suffolk"):
        load(house, sheet(person(1, regions=regions)), secretary)
    open_rows = MemberRegion.unscoped.filter(ends=None)
    assert [row.region.slug for row in open_rows] == ["suffolk"]


def test_an_empty_cell_takes_nothing_away(house: House) -> None:
    secretary = sima()
    load(house, sheet(person(1, telephone="01603 000000") | _NEWS), secretary)
    load(house, sheet({"number": "1", "name": "Ann Smith", "e-mail": "", "regions": "", "telephone": ""}), secretary)
    member = Member.unscoped.select_related("mailbox").get()
    assert member.mailbox is not None
    assert member.telephone == "01603 000000"
    assert active(member) == {stream(house)}


def test_a_new_address_clears_the_dead_end_and_nothing_else(house: House) -> None:
    from mailer.models import returns

    secretary = sima()
    load(house, sheet(person(1) | _NEWS), secretary)
    returns.make_undeliverable(Mailbox.unscoped.get().pk, "gone", NOW)
    load(house, sheet(person(1, **{"e-mail": "new@example.org"})), secretary)
    assert decided(_newsletter(house), TODAY, None).rows()[0].outcome == "carried"


def _newsletter(house: House) -> Any:
    return aim(house.library.lists["chairs-newsletter"], access.regions(), None, Scope.everything())


_DAYS = st.dates(date(2026, 3, 1), date(2026, 3, 6))
_PEOPLE = st.lists(
    st.fixed_dictionaries(
        {
            "number": st.sampled_from(["", "1", "2", "3"]),
            "name": st.sampled_from(["Ann Smith", "Anne Smith", "Bob Brown", "Bea Brown", "Zoë"]),
            "e-mail": st.sampled_from(["", "home@example.org", "HOME@example.org", "ann@example.net"]),
            "standing": st.sampled_from(["", "member", "supporter"]),
            "regions": st.sampled_from(["", "norfolk", "suffolk; london"]),
            "chairs-newsletter consent date": st.one_of(st.just(""), _DAYS.map(date.isoformat)),
            "chairs-newsletter consent channel": st.sampled_from(["paper form", "event", ""]),
            "chairs-newsletter consent wording": st.sampled_from(["1", "1", "2"]),
            "chairs-newsletter consent evidence": st.sampled_from(["form 17", "form 17", ""]),
            "chairs-newsletter left date": st.one_of(st.just(""), st.just(""), _DAYS.map(date.isoformat)),
        }
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.usefixtures("house_of_the_class")
class TestWhateverTheFilesSay(TestCase):
    """hypothesis.extra.django rolls back after each example."""

    house: House

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(first=_PEOPLE, second=_PEOPLE, goes=st.integers(0, 3), everything=st.booleans())
    def test_nobody_who_left_is_active_again(
        self, first: list[dict[str, str]], second: list[dict[str, str]], goes: int, *, everything: bool
    ) -> None:
        secretary = sima()
        load(self.house, sheet(*first), secretary)
        members = list(Member.unscoped.select_related("mailbox").order_by("pk"))
        gone: set[int] = set()
        if members:
            leaver = members[goes % len(members)]
            if active(leaver) or everything:
                gone.add(leaver.pk)
            for number in active(leaver):
                withdraw(self.house, leaver, number, NOW)
            if everything and not departure.suppress_person(leaver, SuppressionReason.LEFT_ALL, NOW):
                gone.discard(leaver.pk)  # nobody at a mailbox to suppress
        load(self.house, sheet(*second), secretary, NOW + timedelta(days=1))
        for row in Subscription.unscoped.filter(state="active").select_related("member", "entry"):
            assert row.member_id not in gone
            assert row.entry.wording_id
            assert row.entry.commitment
        verdicts = decided(_newsletter(self.house), TODAY, None).rows()
        carried = [says.member_id for says in verdicts if says.outcome == "carried"]
        assert gone.isdisjoint(carried)
        # Rows that keep to one person never become two people with one name at one mailbox.
        unnumbered = Member.unscoped.filter(number=None).values_list("mailbox", "folded_name")
        assert len(unnumbered) == len(set(unnumbered))
        before = dump()
        load(self.house, sheet(*second), secretary, NOW + timedelta(days=1))
        assert dump() == before
