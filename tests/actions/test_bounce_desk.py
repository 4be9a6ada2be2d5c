"""The desk: who sees what waits about an address, how it is closed, and what no judgement can do."""

from datetime import timedelta

import pytest

from mailer.access import Actor, NotAllowed, NotFound
from mailer.actions.bounce_desk import JudgementRefused, OpenMatter, judge_matter, on_desk
from mailer.actions.forget_reports import forget_old_reports
from mailer.actions.list_bounces import Forgotten, as_specimen, bounce_log
from mailer.actions.restore_mailbox import RestoreRefused, restore_mailbox
from mailer.actions.watch_returns import returns_are_silent
from mailer.core.matter import MAY_BE, Judgement, MatterKind
from mailer.core.sought import Sought
from mailer.models import Bounce, Copy, Event, Mailbox, Matter, Member, Subscription, Suppression
from tests.actions.comes_back import another_letter, away, comes_back, complaint, dsn, writes
from tests.actions.office import Office
from tests.world import anne, bart, join, sima, stream

pytestmark = pytest.mark.django_db
GWEN, HAL = "gwen@example.org", "hal@example.com"


@pytest.fixture
def sent(office: Office) -> Office:
    """A letter to Gwen in Norfolk and one to Hal in London have been accepted."""
    for name, address, region in (("Gwen Gone", GWEN, "norfolk"), ("Hal Here", HAL, "london")):
        join(office.house, name, address, regions=[region], consents=[stream(office.house)])
    office.begun(anne())
    office.send_all()
    return office


def desk(office: Office, actor: Actor, region: str | None = None) -> list[OpenMatter]:
    return list(on_desk(actor, office.house, office.now, region=region))


def close(office: Office, actor: Actor, judgement: Judgement, note: str = "rang her") -> None:
    (matter,) = desk(office, actor)
    judge_matter(actor, office.house, matter.number, judgement, note, now=office.now, draw=office.draw.handle)


def box(address: str = GWEN) -> Mailbox:
    found: Mailbox = Mailbox.unscoped.get(normal=address)
    return found


def test_a_dead_address_is_work_for_the_own_region_and_for_the_secretary(sent: Office) -> None:
    comes_back(sent, dsn(sent, GWEN, said="gone since May"), dsn(sent, HAL))
    (hers,) = desk(sent, bart())
    assert (hers.kind, hers.address, [name for _, name in hers.members]) == ("undeliverable", GWEN, ["Gwen Gone"])
    assert "gone since May" in hers.said
    assert len(desk(sent, sima())) == 2
    assert [each.address for each in desk(sent, sima(), "london")] == [HAL]


def test_whoever_keeps_no_addresses_has_no_desk(sent: Office) -> None:
    nobody = Actor("user:99", "Nobody", frozenset(), anne().scope)
    with pytest.raises(NotAllowed):
        desk(sent, nobody)
    comes_back(sent, dsn(sent, GWEN))
    (matter,) = desk(sent, anne())
    with pytest.raises(NotAllowed):
        judge_matter(anne(), sent.house, matter.number, Judgement.IGNORE, "x", now=sent.now, draw=sent.draw.handle)


def test_foreign_and_missing_look_the_same(sent: Office) -> None:
    comes_back(sent, dsn(sent, HAL))
    number = Matter.unscoped.get().pk
    said = set()
    for wanted in (number, number + 1):
        with pytest.raises(NotFound) as refused:
            judge_matter(bart(), sent.house, wanted, Judgement.IGNORE, "x", now=sent.now, draw=sent.draw.handle)
        said.add(str(refused.value).replace(str(wanted), "N"))
    assert len(said) == 1


def test_an_address_that_nobody_has_any_more_is_no_work(sent: Office) -> None:
    comes_back(sent, dsn(sent, GWEN))
    Member.unscoped.filter(name="Gwen Gone").update(mailbox=None)
    assert desk(sent, sima()) == []


def test_of_a_household_a_coordinator_sees_the_own_members_only(office: Office) -> None:
    for name, region in (("Ann Both", "norfolk"), ("Bob Both", "london")):
        join(office.house, name, "both@example.org", regions=[region], consents=[stream(office.house)])
    office.begun(anne())
    office.send_all()
    comes_back(office, dsn(office, "both@example.org"))
    assert [name for _, name in desk(office, bart())[0].members] == ["Ann Both"]
    assert [name for _, name in desk(office, sima())[0].members] == ["Ann Both", "Bob Both"]


def test_an_address_that_works_again_is_written_to_and_the_reason_is_kept(sent: Office) -> None:
    comes_back(sent, dsn(sent, GWEN))
    close(sent, bart(), Judgement.RESTORE, "She cleared it; gwen@example.org works")
    found = box()
    assert (found.deliverability, found.undeliverable_since, found.undeliverable_reason) == ("unknown", None, "")
    assert desk(sent, sima()) == []
    told = Event.unscoped.get(verb="mailbox restored")
    assert (told.actor, told.details["reason"]) == (bart().reference, "She cleared it; (an address) works")


@pytest.mark.parametrize("before", [Judgement.RESTORE, Judgement.IGNORE])
def test_a_report_about_an_earlier_letter_does_not_undo_what_a_person_knows(sent: Office, before: Judgement) -> None:
    first = dsn(sent, GWEN)
    another_letter(sent, 1)
    comes_back(sent, first)
    close(sent, sima(), before)
    if before is Judgement.IGNORE:
        restore_mailbox(sima(), sent.house, GWEN, "it works after all", sent.now)
    sent.now += timedelta(hours=1)
    comes_back(sent, dsn(sent, GWEN, boundary="=_late"))
    assert box().deliverability == "unknown"
    another_letter(sent, 1)
    comes_back(sent, dsn(sent, GWEN, boundary="=_new"))
    assert box().deliverability == "undeliverable", "a later letter is news"


def test_an_address_is_restored_by_command_too(sent: Office) -> None:
    comes_back(sent, dsn(sent, GWEN))
    assert restore_mailbox(bart(), sent.house, "Gwen@Example.org", "she rang", sent.now) == GWEN
    assert Matter.unscoped.get().judgement == "restore"
    with pytest.raises(RestoreRefused, match="was not given up"):
        restore_mailbox(bart(), sent.house, GWEN, "she rang", sent.now)


def test_an_address_is_restored_only_by_who_keeps_it_and_with_a_reason(sent: Office) -> None:
    comes_back(sent, dsn(sent, GWEN), dsn(sent, HAL))
    with pytest.raises(NotAllowed):
        restore_mailbox(anne(), sent.house, GWEN, "I like her", sent.now)
    with pytest.raises(NotFound):
        restore_mailbox(bart(), sent.house, HAL, "he rang", sent.now)
    with pytest.raises(RestoreRefused, match="--reason"):
        restore_mailbox(sima(), sent.house, GWEN, "  ", sent.now)
    assert not Mailbox.unscoped.filter(deliverability="unknown").exists()


def test_who_complained_is_not_brought_back_by_an_officer(sent: Office) -> None:
    comes_back(sent, dsn(sent, GWEN), complaint(sent, GWEN))
    with pytest.raises(RestoreRefused, match="only they themselves"):
        restore_mailbox(sima(), sent.house, GWEN, "she will like it", sent.now)
    with pytest.raises(RestoreRefused):
        close(sent, sima(), Judgement.RESTORE)
    assert Matter.unscoped.get().closed_at is None
    assert (box().deliverability, Suppression.unscoped.count()) == ("undeliverable", 1)


def test_who_left_stays_away_from_an_address_that_works_again(sent: Office) -> None:
    comes_back(sent, writes(sent, GWEN, "Please take me off"), dsn(sent, GWEN))
    leaving = next(each for each in desk(sent, sima()) if each.kind == "asks_to_leave")
    judge_matter(sima(), sent.house, leaving.number, Judgement.LEAVE, "asked", now=sent.now, draw=sent.draw.handle)
    restore_mailbox(sima(), sent.house, GWEN, "it works", sent.now)
    assert Subscription.unscoped.get(member__name="Gwen Gone").state == "left"


@pytest.mark.parametrize(("judgement", "suppressed"), [(Judgement.LEAVE, 0), (Judgement.LEAVE_EVERYTHING, 1)])
def test_who_asks_in_words_is_taken_off_by_one_judgement(sent: Office, judgement: Judgement, suppressed: int) -> None:
    comes_back(sent, writes(sent, GWEN, "Please take me off this list."))
    (matter,) = desk(sent, bart())
    assert (matter.said, matter.sender) == ("Please take me off this list.", GWEN)
    close(sent, bart(), judgement)
    line = Subscription.unscoped.get(member__name="Gwen Gone")
    assert (line.state, line.entry.channel) == ("left", "email")
    assert Suppression.unscoped.count() == suppressed
    assert Matter.unscoped.get().closed_by == bart().reference


def test_a_wrong_person_is_a_fact_about_the_address(sent: Office) -> None:
    comes_back(sent, writes(sent, GWEN, "Sorry, you have the wrong person"))
    close(sent, sima(), Judgement.UNDELIVERABLE, "it is another Gwen's")
    assert (box().deliverability, box().undeliverable_reason) == ("undeliverable", "it is another Gwen's")
    assert Subscription.unscoped.get(member__name="Gwen Gone").state == "active"
    assert [each.kind for each in desk(sent, sima())] == ["undeliverable"], "now somebody must ask her for another"


@pytest.mark.parametrize("judgement", [Judgement.IGNORE, Judgement.PASSED_ON, Judgement.MOVED])
def test_other_judgements_only_close(sent: Office, judgement: Judgement) -> None:
    comes_back(sent, writes(sent, GWEN, "We have moved to Leeds"))
    close(sent, sima(), judgement, "the list is mended")
    assert desk(sent, sima()) == []
    assert (box().deliverability, Subscription.unscoped.filter(state="left").count()) == ("unknown", 0)


def test_a_matter_is_closed_once_and_never_without_saying_why(sent: Office) -> None:
    comes_back(sent, writes(sent, GWEN, "Lovely"))
    with pytest.raises(JudgementRefused, match="--note"):
        close(sent, sima(), Judgement.IGNORE, " ")
    (matter,) = desk(sent, sima())
    close(sent, sima(), Judgement.PASSED_ON)
    with pytest.raises(JudgementRefused, match="closed already"):
        judge_matter(sima(), sent.house, matter.number, Judgement.LEAVE, "x", now=sent.now, draw=sent.draw.handle)
    assert not Subscription.unscoped.filter(state="left").exists()


def test_what_names_no_letter_of_ours_is_the_whole_organisations_and_takes_nobody_off(sent: Office) -> None:
    comes_back(sent, writes(sent, "x@example.net", "Please stop", to="leave@bounces.example.org"))
    assert desk(sent, bart()) == []
    for judgement in (Judgement.LEAVE, Judgement.UNDELIVERABLE):
        with pytest.raises(JudgementRefused, match="names no"):
            close(sent, sima(), judgement)
    close(sent, sima(), Judgement.IGNORE)


@pytest.mark.parametrize("kind", MatterKind)
def test_a_kind_is_closed_only_as_its_row_says(sent: Office, kind: MatterKind) -> None:
    row = Matter.unscoped.create(kind=kind, mailbox=box(), copy=Copy.unscoped.first(), opened_at=sent.now)
    for judgement in set(Judgement) - MAY_BE[kind]:
        with pytest.raises(JudgementRefused, match="cannot be closed as"):
            judge_matter(sima(), sent.house, row.pk, judgement, "x", now=sent.now, draw=sent.draw.handle)
    assert desk(sent, sima())[0].may_be == tuple(sorted(MAY_BE[kind]))


def log(office: Office, actor: Actor, region: str | None = None, **sought: object) -> list[str]:
    found = bounce_log(actor, office.house, Sought(**sought), office.now, region=region)  # type: ignore[arg-type]
    return [each.domain for each in found]


def test_the_log_is_looked_up_by_what_one_knows(sent: Office) -> None:
    comes_back(sent, dsn(sent, GWEN))
    sent.now += timedelta(days=1)
    comes_back(sent, dsn(sent, HAL, "5.2.2", "mailbox full"))
    org, com = "example.org", "example.com"
    mailing = Copy.unscoped.first().mailing  # type: ignore[union-attr]
    chair = anne()
    assert log(sent, chair) == [com, org]
    assert log(sent, chair, issue=mailing.issue_id, mailing=mailing.pk) == [com, org]
    assert log(sent, chair, domain="EXAMPLE.ORG") == [org]
    assert log(sent, chair, reason="mailbox_full") == log(sent, chair, kind="soft") == [com]
    assert log(sent, chair, since=sent.now) == [com]
    assert log(sent, chair, until=sent.now) == [org]
    assert log(sent, chair, "norfolk") == [org]
    assert log(sent, chair, "suffolk") == []


def test_a_coordinator_sees_what_came_back_of_the_own_region_alone(sent: Office) -> None:
    forged = dsn(sent, HAL).replace(b"b+", b"c+").replace(b"@example.org>", b"@x>")
    comes_back(sent, dsn(sent, GWEN), dsn(sent, HAL), forged)
    assert log(sent, bart()) == ["example.org"]
    assert log(sent, bart(), "london") == []
    assert len(log(sent, sima())) == 3


def test_old_octets_and_words_are_forgotten_and_the_line_stays(sent: Office) -> None:
    comes_back(sent, dsn(sent, GWEN), writes(sent, HAL, "My sister Jo is ill"))
    (letter,) = (each for each in desk(sent, sima()) if each.kind == "reply")
    judge_matter(sima(), sent.house, letter.number, Judgement.PASSED_ON, "done", now=sent.now, draw=sent.draw.handle)
    sent.now += timedelta(days=90)
    assert forget_old_reports(sent.house, sent.now) == 0
    assert forget_old_reports(sent.house, sent.now + timedelta(seconds=1)) == 2
    assert not Bounce.unscoped.filter(raw__isnull=False).exists()
    assert not Bounce.unscoped.filter(diagnostic__contains="sister").exists()
    assert Bounce.unscoped.get(kind="hard").diagnostic, "what a server said stays"
    assert (Matter.unscoped.get(kind="reply").said, Matter.unscoped.get(kind="reply").sender) == ("", "")
    number = Bounce.unscoped.filter(kind="hard").get().pk
    with pytest.raises(Forgotten):
        as_specimen(sima(), sent.house, number, sent.now)


def test_a_specimen_holds_nothing_of_the_member(sent: Office) -> None:
    comes_back(sent, dsn(sent, GWEN, said="Gwen is not here"))
    shown = as_specimen(sima(), sent.house, Bounce.unscoped.get().pk, sent.now).decode().lower()
    assert "final-recipient: rfc822; person" in shown
    for secret in ("gwen", "gone", "bounces.example.org", "b+"):
        assert secret not in shown
    with pytest.raises(NotAllowed):
        as_specimen(bart(), sent.house, Bounce.unscoped.get().pk, sent.now)


def test_reports_that_stop_coming_are_noticed(sent: Office) -> None:
    comes_back(sent, dsn(sent, GWEN), away(sent, GWEN), away(sent, HAL), dsn(sent, HAL), complaint(sent, HAL))
    assert returns_are_silent(sent.house, sent.now + timedelta(days=9)) is None, "nothing went out since"
    mailing = Copy.unscoped.first().mailing  # type: ignore[union-attr]
    sent.now += timedelta(days=1)
    mailing.issue_id, mailing.pk = sent.written(anne()), None
    mailing.started_at = sent.now
    mailing.save(force_insert=True)
    Copy.unscoped.bulk_create(
        Copy(mailing=mailing, handle=number, state="accepted", language="en-GB", position=number)
        for number in range(1, 9)
    )
    assert returns_are_silent(sent.house, sent.now + timedelta(hours=1)) is None
    assert "8 letters" in str(returns_are_silent(sent.house, sent.now + timedelta(hours=7)))
