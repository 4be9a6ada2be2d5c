"""What a report does: once, in any order, to the mailbox that our own signature names, and to the mailing."""

import itertools
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailer.core.verdict import Class
from mailer.models import Bounce, Event, Mailbox, Matter, Suppression
from mailer.models.base import writing
from mailer.models.departure import may_be_answered
from mailer.transport.memory import refuses
from tests.actions.comes_back import GWEN, HAL, another_letter, away, caught, comes_back, complaint, dsn, leave_address
from tests.actions.office import Office, copy_to
from tests.world import anne, join, stream

pytestmark = pytest.mark.django_db


def box(address: str = GWEN) -> Mailbox:
    found: Mailbox = Mailbox.unscoped.get(normal=address)
    return found


def test_a_disabled_account_is_given_up_at_the_second_letter(sent: Office) -> None:
    (first,) = comes_back(sent, dsn(sent, GWEN, "5.2.1", "account disabled"))
    assert (first.verdict, box().deliverability) == ("nothing", "unknown")
    another_letter(sent, 1)
    (second,) = comes_back(sent, dsn(sent, GWEN, "5.2.1", "account disabled", boundary="=_2"))
    assert (second.verdict, box().deliverability) == ("undeliverable", "undeliverable")


def test_a_full_mailbox_is_given_up_after_three_letters_in_fifteen_days(sent: Office) -> None:
    verdicts = [comes_back(sent, dsn(sent, GWEN, "5.2.2", "mailbox full"))[0].verdict]
    for number, days in enumerate((8, 8), 2):
        another_letter(sent, days)
        verdicts += [comes_back(sent, dsn(sent, GWEN, "5.2.2", "full", boundary=f"=_{number}"))[0].verdict]
    assert verdicts == ["nothing", "nothing", "undeliverable"]


def test_a_letter_that_stays_accepted_makes_up_for_a_full_mailbox(sent: Office) -> None:
    comes_back(sent, dsn(sent, GWEN, "5.2.2", "mailbox full"))
    another_letter(sent, 8)
    another_letter(sent, 8)
    comes_back(sent, dsn(sent, GWEN, "5.2.2", "mailbox full", boundary="=_3"))
    assert box().soft_count == 1


@pytest.mark.parametrize(
    ("status", "said"),
    [("5.7.1", "blocked"), ("5.3.4", "too big"), ("5.4.5", "daily user sending limit"), ("5.1.8", "sender rejected")],
)
def test_the_senders_fault_is_never_the_members(sent: Office, status: str, said: str) -> None:
    (read,) = comes_back(sent, dsn(sent, GWEN, status, said))
    assert (read.verdict, box().soft_count, box().deliverability) == ("nothing", 0, "unknown")
    assert Bounce.unscoped.get().klass in (Class.POLICY, Class.MESSAGE, Class.QUOTA, Class.SENDER)
    assert Bounce.unscoped.get().mailing_id == copy_to(GWEN).mailing_id


def test_what_nobody_can_read_counts_twice_and_is_put_before_a_person(sent: Office) -> None:
    comes_back(sent, dsn(sent, GWEN, "5.0.0", "xyzzy"))
    assert box().soft_count == 2
    matter = Matter.unscoped.get()
    assert (matter.kind, matter.mailbox, matter.bounce) == ("unclassified", box(), Bounce.unscoped.get())


@pytest.mark.parametrize(("said", "kind"), [("550 5.1.1 User unknown", "undeliverable"), ("554 xyzzy", "unclassified")])
def test_a_refusal_while_sending_goes_by_the_same_tables(office: Office, said: str, kind: str) -> None:
    member = join(office.house, "Gwen", GWEN, consents=[stream(office.house)])
    office.relay.script(GWEN, refuses(said))
    office.begun(anne())
    office.send_all()
    matter, row = Matter.unscoped.get(), Bounce.unscoped.get()
    assert (matter.kind, matter.mailbox) == (kind, member.mailbox)
    assert (row.source, row.kind in ("hard", "soft"), row.mailing) == ("smtp", True, copy_to(GWEN).mailing)
    assert row.klass in (Class.HARD, Class.UNCLASSIFIED_PERMANENT)


def test_a_complaint_stops_everything_and_is_not_answered(sent: Office) -> None:
    waiting = len(sent.relay.caught)
    (read,) = comes_back(sent, complaint(sent, GWEN))
    assert (read.verdict, copy_to(GWEN).state) == ("suppress", "complained")
    assert Suppression.unscoped.get().reason == "complaint"
    assert box().deliverability == "unknown", "a wish is not a fact about the address"
    assert not may_be_answered(box(), None)
    sent.send_all()
    assert len(sent.relay.caught) == waiting
    another_letter(sent, 1)
    assert [envelope.recipient for envelope in sent.relay.caught[waiting:]] == [HAL]


def test_an_automatic_answer_changes_nothing_but_the_log(sent: Office) -> None:
    (read,) = comes_back(sent, away(sent, GWEN))
    assert (read.kind, read.verdict, copy_to(GWEN).state) == ("autoreply", "nothing", "accepted")
    assert Bounce.unscoped.get().copy == copy_to(GWEN)
    assert not Matter.unscoped.exists()


def test_somebody_who_is_said_to_have_gone_is_for_a_person_to_judge(sent: Office) -> None:
    comes_back(sent, away(sent, GWEN).replace(b"I am away until Monday", b"Gwen no longer works here"))
    assert (Matter.unscoped.get().kind, box().deliverability) == ("says_gone", "unknown")


def test_a_report_of_delay_changes_nothing(sent: Office) -> None:
    comes_back(sent, dsn(sent, GWEN, "4.2.2", "full", action="delayed"))
    assert (copy_to(GWEN).state, box().soft_count) == ("accepted", 0)


def test_one_dead_address_of_a_group_does_not_end_the_group(sent: Office) -> None:
    block = b"Final-Recipient: rfc822; second@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
    report = dsn(sent, GWEN, names="first@example.com")
    group = report.replace(b"Final-Recipient", block + b"Final-Recipient", 1)
    assert group != report
    (read,) = comes_back(sent, group)
    assert (read.verdict, box().deliverability, copy_to(GWEN).state) == ("nothing", "unknown", "accepted")
    assert (Bounce.unscoped.get().behind, Matter.unscoped.get().kind) == ("group", "unclassified")


def test_a_forwarder_is_named_and_its_dead_end_is_ours(sent: Office) -> None:
    (read,) = comes_back(sent, dsn(sent, GWEN, names="gwen@example.com"))
    assert (read.verdict, Bounce.unscoped.get().behind) == ("undeliverable", "forwarder")


def test_many_reports_about_one_copy_count_once(sent: Office) -> None:
    for day in range(4):
        sent.now += timedelta(days=7)
        comes_back(sent, dsn(sent, GWEN, "5.2.2", "mailbox full", boundary=f"=_{day}"))
    assert (box().soft_count, box().deliverability, Bounce.unscoped.count()) == (1, "unknown", 4)


def test_undeliverable_is_never_a_wish(sent: Office) -> None:
    comes_back(sent, dsn(sent, GWEN))
    assert (box().deliverability, Suppression.unscoped.count()) == ("undeliverable", 0)
    assert Matter.unscoped.get().kind == "undeliverable"


def test_the_audit_log_names_no_address(sent: Office) -> None:
    comes_back(sent, dsn(sent, GWEN), complaint(sent, HAL))
    said = repr(list(Event.unscoped.values_list("verb", "details")))
    assert "mailbox undeliverable" in said
    assert "@" not in said


def outcome(office: Office, raws: list[bytes]) -> tuple[object, ...]:
    """What is the case after these came back, of which then nothing is left."""
    with writing():
        comes_back(office, *raws)
        found = (
            {address: copy_to(address).state for address in (GWEN, HAL)},
            list(Mailbox.unscoped.order_by("normal").values_list("deliverability", "disabled_count")),
            set(Suppression.unscoped.values_list("kind", "hash", "reason")),
            set(Matter.unscoped.values_list("kind", "mailbox")),
            set(Bounce.unscoped.values_list("digest", flat=True)),
        )
        transaction.set_rollback(True)
    return found


REPORTS: tuple[Callable[[Office, str], bytes], ...] = (
    dsn,
    complaint,
    away,
    lambda office, who: dsn(office, who, "5.2.2", "mailbox full"),
    lambda office, who: dsn(office, who, "5.2.2", "mailbox full", boundary="=_other"),
    lambda office, who: dsn(office, who, "5.7.1", "blocked"),
    lambda office, who: dsn(office, who, "2.0.0", "ok", action="delivered"),
    lambda office, who: dsn(office, who).replace(b"b+", b"b+x").replace(b"@example.org>", b"@x>"),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_each_report_acts_once_in_any_order_however_often(sent: Office, data: st.DataObject) -> None:
    kinds = st.tuples(st.sampled_from(REPORTS), st.sampled_from([GWEN, HAL]))
    raws = [make(sent, who) for make, who in data.draw(st.lists(kinds, unique=True, min_size=1, max_size=6))]
    repeats = data.draw(st.lists(st.sampled_from(raws), max_size=6))
    shuffled = data.draw(st.permutations([*raws, *repeats]))
    assert outcome(sent, shuffled) == outcome(sent, raws)


HOSTILE = st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=HOSTILE, body=HOSTILE, leaves=st.booleans())
def test_nothing_that_comes_back_stops_the_reading(sent: Office, head: bytes, body: bytes, leaves: bool) -> None:
    to = leave_address(sent, GWEN) if leaves else caught(sent, GWEN).sender
    bounce = dsn(sent, GWEN).replace(b"User unknown", body)
    letter = b"To: " + to.encode() + b"\r\nFrom: " + head + b"\r\nSubject: \x00stop\r\n\r\n\x00" + body
    with writing():
        assert len(comes_back(sent, letter, bounce, head + b"\r\n\r\n" + body)) == 3
        transaction.set_rollback(True)


def test_hard_and_complaint_both_hold_in_either_order(sent: Office) -> None:
    raws = [dsn(sent, GWEN), complaint(sent, GWEN)]
    for order in itertools.permutations(raws):
        assert outcome(sent, list(order))[0] == {GWEN: "complained", HAL: "accepted"}
    comes_back(sent, *raws)
    assert (box().deliverability, Suppression.unscoped.count()) == ("undeliverable", 1)
