"""The gate: who reaches what; what is foreign looks as what is not there (S9)."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailer import access, reports
from mailer.access import Actor, NotAllowed, NotFound
from mailer.actions.import_members import import_members
from mailer.actions.schedule_mailing import schedule
from mailer.actions.steer_mailing import cancel, resume, send_again_to_uncertain, stop
from mailer.actions.write_issue import new_issue
from mailer.core.audience import Reason
from mailer.core.listfile import Office as Role
from mailer.house import House
from mailer.models import Delivery, Event, Issue, Mailing, Member, User
from mailer.models import Office as OfficeRow
from mailer.transport.journal import Journal
from mailer.transport.memory import refuses
from tests.actions.office import LETTER, Office
from tests.world import NOW, TODAY, Draw, anne, bart, join, office, sima, stream

pytestmark = pytest.mark.django_db


def editor() -> Actor:
    return office(Role.EDITOR, "edith@example.org", "Edith Editor")


def former() -> Actor:
    actor = office(Role.CHAIR, "old@example.org", "Olga Old")
    OfficeRow.unscoped.filter(user=actor.user).update(ends=TODAY)
    return access.actor_by_email("old@example.org", TODAY)


def revoked() -> Actor:
    actor = office(Role.CHAIR, "out@example.org", "Ophelia Out")
    OfficeRow.unscoped.filter(user=actor.user).update(revoked_at=NOW)
    return access.actor_by_email("out@example.org", TODAY)


def coming() -> Actor:
    actor = office(Role.CHAIR, "new@example.org", "Nora New")
    OfficeRow.unscoped.filter(user=actor.user).update(starts=TODAY + timedelta(days=1))
    return access.actor_by_email("new@example.org", TODAY)


ACTORS: dict[str, Callable[[], Actor]] = {
    "chair": anne,
    "secretary": sima,
    "editor": editor,
    "norfolk": bart,
    "former chair": former,
    "revoked chair": revoked,
    "coming chair": coming,
    "operator": lambda: access.the_operator("root"),
    "clock": lambda: access.THE_CLOCK,
    "reader": lambda: access.THE_READER,
}


class Scene:
    """A newsletter, a notice for Norfolk and one for Suffolk, all scheduled by the chair; a member of each region."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house = house
        self.office = Office(house, Journal(folder, "w"))
        chair = office(Role.CHAIR, "first@example.org", "First Chair")
        self.issues = {
            "news": self.office.scheduled(chair),
            "norfolk": self.office.scheduled(chair, "local-notices", "norfolk"),
            "suffolk": self.office.scheduled(chair, "local-notices", "suffolk"),
        }
        for slug in ("norfolk", "suffolk"):
            number = stream(house, "local-notices", slug)
            join(house, f"{slug.title()} Person", f"{slug}@example.org", regions=[slug], consents=[number])


@pytest.fixture
def scene(house: House, tmp_path: Path) -> Scene:
    return Scene(house, tmp_path)


def write(slug: str, region: str | None) -> Callable[[Actor, Scene], object]:
    return lambda a, s: new_issue(a, s.house, slug, LETTER, region=region, now=NOW, draw_word=Draw(1).word)


def on(which: str, act: Callable[..., object], *arguments: Any) -> Callable[[Actor, Scene], object]:
    return lambda a, s: act(a, s.house, s.issues[which], *arguments, now=NOW)


def _import(actor: Actor, scene: Scene) -> object:
    draw = Draw(2)
    return import_members(actor, scene.house, b"number,name\n", now=NOW, draw=draw.handle, draw_subject=draw.subject)


def _who_got_none(which: str) -> Callable[[Actor, Scene], object]:
    return lambda actor, scene: reports.without_letter(actor, scene.house, scene.issues[which], NOW)


FUNCTIONS: dict[str, tuple[Callable[[Actor, Scene], object], set[str]]] = {
    "write newsletter": (write("chairs-newsletter", None), {"chair", "editor"}),
    "write norfolk": (write("local-notices", "norfolk"), {"chair", "norfolk"}),
    "write suffolk": (write("local-notices", "suffolk"), {"chair"}),
    "write east": (write("local-notices", "east-of-england"), {"chair"}),
    **{
        f"{name} {which}": (on(which, act), allowed)
        for name, act in (("stop", stop), ("cancel", cancel), ("send again", send_again_to_uncertain))
        for which, allowed in (("news", {"chair", "editor"}), ("norfolk", {"chair", "norfolk"}), ("suffolk", {"chair"}))
    },
    "report news": (
        lambda a, s: reports.issue_report(a, s.house, s.issues["news"]),
        {"chair", "editor", "secretary", "clock"},
    ),
    "report norfolk": (
        lambda a, s: reports.issue_report(a, s.house, s.issues["norfolk"]),
        {"chair", "editor", "secretary", "norfolk", "clock"},
    ),
    "report suffolk": (
        lambda a, s: reports.issue_report(a, s.house, s.issues["suffolk"]),
        {"chair", "editor", "secretary", "clock"},
    ),
    "who got none of the news": (_who_got_none("news"), {"chair", "secretary"}),
    "who got none in norfolk": (_who_got_none("norfolk"), {"chair", "secretary", "norfolk"}),
    "who got none in suffolk": (_who_got_none("suffolk"), {"chair", "secretary"}),
    "import": (_import, {"chair", "secretary"}),
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_is_for_its_offices_only(scene: Scene, function: str) -> None:
    from django.db import transaction

    act, allowed = FUNCTIONS[function]
    for name, make in ACTORS.items():
        actor = make()
        counts = (Issue.unscoped.count(), Member.unscoped.count(), Event.unscoped.count())
        with transaction.atomic():
            try:
                act(actor, scene)
                could = True
            except (NotAllowed, NotFound):
                could = False
                assert counts == (Issue.unscoped.count(), Member.unscoped.count(), Event.unscoped.count()), name
            transaction.set_rollback(True)
        assert could == (name in allowed), name


def test_the_foreign_looks_as_the_missing(scene: Scene) -> None:
    actor, house = bart(), scene.house
    for what in (
        lambda n: access.issue(actor, n),
        lambda n: reports.issue_report(actor, house, n),
        lambda n: reports.without_letter(actor, house, n, NOW),
        lambda n: schedule(actor, house, n, "2026-11-20 12:00", now=NOW),
        lambda n: resume(actor, house, n, NOW),
    ):
        said = set()
        for number in (scene.issues["suffolk"], scene.issues["news"], 987_654):
            with pytest.raises(NotFound) as refused:
                what(number)
            said.add((type(refused.value), str(refused.value).replace(str(number), "N")))
        assert len(said) == 1


@pytest.mark.parametrize("name", ["suffolk@example.org", "SUFFOLK@example.org", "number"])
def test_a_foreign_member_looks_as_a_missing_one(scene: Scene, name: str) -> None:
    actor = bart()
    number = Member.unscoped.get(name="Suffolk Person").number or ""
    name = number if name == "number" else name
    said = set()
    for asked in (name, "nobody-at-all"):
        for ask in (
            lambda asked=asked: access.member(actor, asked, TODAY),
            lambda asked=asked: reports.explain(actor, scene.house, "local-notices", "norfolk", asked, NOW),
        ):
            with pytest.raises(NotFound) as refused:
                ask()
            said.add(str(refused.value).replace(asked, "N"))
    assert len(said) == 1
    assert access.member(anne(), name, TODAY).name == "Suffolk Person"
    assert access.member(actor, "norfolk@example.org", TODAY).name == "Norfolk Person"


def test_of_a_household_only_the_own_are_named(house: House) -> None:
    """The refusal that lists who shares an address must not list another region's."""
    join(house, "Nora Norfolk", "home@example.org", regions=["norfolk"])
    join(house, "Sue Suffolk", "home@example.org", regions=["suffolk"])
    assert access.member(bart(), "home@example.org", TODAY).name == "Nora Norfolk"
    with pytest.raises(NotFound, match="several"):
        access.member(anne(), "home@example.org", TODAY)


def test_who_moved_away_is_not_seen_any_more(house: House) -> None:
    from mailer.models import roll
    from tests.world import region_number

    member = join(house, "Ann Smith", "ann@example.org", regions=["norfolk"])
    actor = bart()
    assert list(access.members(actor, TODAY)) == [member]
    roll.set_regions(member, [region_number("suffolk")], TODAY)
    assert list(access.members(actor, TODAY)) == []
    assert list(access.members(actor, TODAY - timedelta(days=1))) == [member]


def test_of_those_without_a_letter_who_moved_away_is_not_named(scene: Scene) -> None:
    from mailer.models import roll
    from tests.world import region_number

    refused = Member.unscoped.get(name="Norfolk Person")
    mailing = Mailing.unscoped.get(issue=scene.issues["norfolk"])
    Delivery.unscoped.create(mailing=mailing, member=refused, outcome="excluded", reason=Reason.NO_CONSENT)
    names = lambda actor: [p.member for p in reports.without_letter(actor, scene.house, mailing.issue_id, NOW)]  # noqa: E731
    assert names(bart()) == names(anne()) == ["Norfolk Person"]
    roll.set_regions(refused, [region_number("suffolk")], TODAY)
    assert (names(bart()), names(anne())) == ([], ["Norfolk Person"])


def test_of_who_was_erased_a_report_says_no_more_than_what_became_of_the_letter(scene: Scene) -> None:
    scene.office.relay.script("norfolk@example.org", refuses("550 5.1.1 <norfolk@example.org>: No such mailbox"))
    scene.office.now += timedelta(hours=1, minutes=1)
    scene.office.ring()
    scene.office.send_all()
    issue = scene.issues["norfolk"]
    told = lambda actor: reports.without_letter(actor, scene.house, issue, NOW)  # noqa: E731
    for actor in (anne(), bart()):
        (known,) = told(actor)
        assert (known.member, "<norfolk@example.org>" in known.because) == ("Norfolk Person", True)
    Delivery.unscoped.filter(mailing__issue=issue).update(member=None)
    for actor in (anne(), bart()):
        (erased,) = told(actor)
        assert (erased.number, erased.member) == ("", "somebody erased since")
        assert erased.because == "their mail server refused it"


def test_a_parent_regions_coordinator_reaches_down_and_not_up(house: House) -> None:
    east = office(Role.COORDINATOR, "edna@example.org", "Edna East", ["east-of-england"])
    for slug in ("east-of-england", "norfolk", "london"):
        join(house, f"{slug} Person", regions=[slug])
    join(house, "Nowhere Person")
    assert {m.name for m in access.members(east, TODAY)} == {"east-of-england Person", "norfolk Person"}
    assert {m.name for m in access.members(bart(), TODAY)} == {"norfolk Person"}


def test_counts_stay_within_the_scope(scene: Scene) -> None:
    house, actor = scene.house, bart()
    assert reports.audience_figures(actor, house, "local-notices", "suffolk", NOW) == {}
    whole = reports.audience_figures(anne(), house, "local-notices", "east-of-england", NOW)
    mine = reports.audience_figures(actor, house, "local-notices", "east-of-england", NOW)
    assert sum(n for by in whole.values() for n in by.values()) == 2
    assert sum(n for by in mine.values() for n in by.values()) == 1


def test_of_two_offices_each_reaches_its_own_way(house: House) -> None:
    """Who keeps the member list and coordinates Norfolk does not write to Suffolk for it."""
    bart()
    both = office(Role.SECRETARY, "bart@example.org", "Bart Norfolk")
    assert both.roles == {Role.SECRETARY, Role.COORDINATOR}
    assert both.scope.is_everything
    with pytest.raises(NotAllowed):
        new_issue(both, house, "local-notices", LETTER, region="suffolk", now=NOW, draw_word=Draw().word)
    issue = new_issue(both, house, "local-notices", LETTER, region="norfolk", now=NOW, draw_word=Draw().word).number
    schedule(both, house, issue, "2026-11-20 12:00", now=NOW)
    assert Mailing.unscoped.get().scope == [access.regions().region("norfolk").number]


@pytest.mark.parametrize("act", [stop, cancel, send_again_to_uncertain])
def test_nor_does_one_office_steer_with_the_reach_of_another(scene: Scene, act: Callable[..., object]) -> None:
    bart()
    both = office(Role.SECRETARY, "bart@example.org", "Bart Norfolk")
    with pytest.raises(NotAllowed):
        act(both, scene.house, scene.issues["suffolk"], NOW)


def test_who_is_no_longer_active_is_nobody(house: House) -> None:
    anne()
    User.objects.update(is_active=False)
    with pytest.raises(NotFound):
        access.actor_by_email("anne@example.org", TODAY)


@pytest.mark.parametrize("day", [date(2025, 12, 31), date(2027, 1, 1)])
def test_an_office_holds_for_its_term(day: date) -> None:
    anne()
    OfficeRow.unscoped.update(ends=date(2027, 1, 1))
    assert access.actor_by_email("anne@example.org", day).roles == frozenset()
    assert access.actor_by_email("anne@example.org", date(2026, 12, 31)).roles == {Role.CHAIR}


def test_a_deputy_holds_the_office_too(house: House) -> None:
    deputy = User.objects.create(email="deputy@example.org", name="Dora Deputy")
    bart()
    OfficeRow.unscoped.update(deputy=deputy)
    actor = access.actor_by_email("DEPUTY@example.org", TODAY)
    assert actor.roles == {Role.COORDINATOR}
    assert actor.scope == bart().scope


def test_of_a_member_in_two_regions_nothing_said_about_the_other_one_is_seen(house: House) -> None:
    """Living in both, they agreed to the notices of Suffolk only: Norfolk's coordinator sees no consent."""
    both = join(
        house, "Two Places", regions=["norfolk", "suffolk"], consents=[stream(house, "local-notices", "suffolk")]
    )
    norfolk = bart()
    said = reports.explain(norfolk, house, "local-notices", "east-of-england", both.number, NOW)
    assert not said.gets_it
    assert "Suffolk" not in said.because
    found = reports.audience_figures(norfolk, house, "local-notices", "east-of-england", NOW)
    assert found == {"excluded": {"no_consent": 1}}
