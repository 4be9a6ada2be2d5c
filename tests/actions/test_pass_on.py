"""Answers reach whoever answers for the list once, and nobody else; what does not reach them lies on the desk."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path
from types import MappingProxyType

import pytest
from django.db import IntegrityError, transaction

from mailer.actions.bounce_desk import judge_matter, on_desk
from mailer.actions.forget_reports import forget_old_reports
from mailer.actions.leave import Extent, leave
from mailer.actions.pass_on import show_failures
from mailer.core.consent import Channel
from mailer.core.envelope import Envelope
from mailer.core.matter import Judgement
from mailer.core.passing_on import MOST_A_DAY
from mailer.house import House
from mailer.models import Bounce, Mailbox, Matter, Notice, outbox, passing_on, returns
from mailer.models.base import writing
from mailer.models.outbox import unsigned
from mailer.transport.journal import Journal
from mailer.transport.memory import drops_after_final_dot, refuses
from tests.actions.comes_back import caught, comes_back, dsn, leave_address, writes
from tests.actions.office import Office, copy_to, decoded, leave_token
from tests.world import anne, bart, join, sima, stream

pytestmark = pytest.mark.django_db
GWEN, HAL = "gwen@example.org", "hal@example.org"
CHAIR, NOTICES = "chair@example.org", "notices@example.org"
BOTH = {"chairs-newsletter": CHAIR, "local-notices": NOTICES}


def answering(house: House, reply_to: Mapping[str, str | None]) -> House:
    """The house with these lists answered for."""
    lists = {slug: replace(each, reply_to=reply_to.get(slug)) for slug, each in house.library.lists.items()}
    return replace(house, library=replace(house.library, lists=MappingProxyType(lists)))


@pytest.fixture
def sent(office: Office) -> Office:
    """Gwen in Norfolk and Hal in London have the chair's letter; lists are answered for."""
    office.house, news = answering(office.house, BOTH), stream(office.house)
    join(office.house, "Gwen", GWEN, regions=["norfolk"], consents=[news])
    join(office.house, "Hal", HAL, regions=["london"], consents=[news])
    office.begun(anne())
    office.send_all()
    return office


@pytest.fixture
def sent_to_norfolk(office: Office) -> Office:
    """Gwen has a notice for Norfolk; lists are answered for."""
    office.house = answering(office.house, BOTH)
    join(office.house, "Gwen", GWEN, regions=["norfolk"], consents=[stream(office.house, "local-notices", "norfolk")])
    office.begun(bart(), "local-notices", "norfolk")
    office.send_all()
    return office


def passed(office: Office) -> list[Envelope]:
    """The answers that a relay took."""
    return [each for each in office.relay.caught if each.recipient in BOTH.values()]


def kinds() -> list[str]:
    return list(Matter.unscoped.order_by("pk").values_list("kind", flat=True))


def test_a_plain_answer_goes_to_whoever_answers_for_the_list(sent: Office) -> None:
    (read,) = comes_back(sent, writes(sent, GWEN, "What a lovely walk!"))
    assert (read.verdict, kinds()) == ("passed_on", [])
    sent.send_all()
    (envelope,) = passed(sent)
    letter = message_from_bytes(envelope.payload)
    assert (envelope.recipient, letter["To"], letter["Reply-To"]) == (CHAIR, CHAIR, GWEN)
    assert (letter["From"], letter["Subject"]) == ("The Friends <letters@example.org>", "Re: News")
    assert letter["Auto-Submitted"] == "auto-generated"
    assert envelope.sender == sent.house.return_path(unsigned(Notice.unscoped.get().handle))
    shown = decoded(envelope.payload)
    assert "News from the Friends in November\u201d (Chair's newsletter)" in shown
    assert "What a lovely walk!" in shown
    assert Notice.unscoped.get().state == "accepted"
    assert (Bounce.unscoped.get().reason, Bounce.unscoped.get().verdict) == ("reply", "passed_on")


@pytest.mark.parametrize(("author", "needs"), [("gw\u00e9n@example.org", True), (GWEN, False)])
def test_an_author_beyond_ascii_needs_a_relay_that_takes_such_addresses(
    sent: Office, author: str, *, needs: bool
) -> None:
    comes_back(sent, writes(sent, GWEN, "Hello", From=author))
    sent.send_all()
    assert [each.smtputf8 for each in passed(sent)] == [needs]


def test_the_same_answer_is_passed_on_once_however_often_it_is_read(sent: Office) -> None:
    raw = writes(sent, GWEN, "Hello")
    again = b"Received: by another.example.net\r\n" + raw
    reads = comes_back(sent, raw, raw, again)
    sent.send_all()
    reads += comes_back(sent, raw, again)
    sent.send_all()
    assert [each.repeated for each in reads] == [False, True, True, True, True]
    assert len(passed(sent)) == 1


def test_the_database_refuses_to_pass_an_answer_on_twice(sent: Office) -> None:
    comes_back(sent, writes(sent, GWEN, "Hello"))
    first = Notice.unscoped.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Notice.unscoped.create(
            handle=first.handle + 1, kind="answer", mailbox=first.mailbox, bounce=first.bounce, created_at=sent.now
        )


def test_what_was_queued_before_a_restart_goes_after_it(sent: Office, tmp_path: Path) -> None:
    comes_back(sent, writes(sent, GWEN, "Hello"))
    with writing():
        taken = outbox.claim_notices(
            "dead", now=sent.now, lease=timedelta(minutes=15), most=9, allow_list=sent.house.allow_list
        )
    outbox.give_back_claims(Notice, "dead", but=())
    restarted = Office(sent.house, Journal(tmp_path / "journal", "worker-2"), relay=sent.relay, now=sent.now)
    restarted.send_all()
    restarted.send_all()
    assert (len(taken), len(passed(restarted))) == (1, 1)


def test_an_answer_to_a_region_s_letter_goes_to_its_list_alone(sent_to_norfolk: Office) -> None:
    sent = sent_to_norfolk
    comes_back(sent, writes(sent, GWEN, "I can help on Saturday."))
    sent.send_all()
    assert [each.recipient for each in passed(sent)] == [NOTICES]
    assert "Local notices: Norfolk" in decoded(passed(sent)[0].payload)


def test_a_list_for_which_nobody_answers_keeps_its_answers_on_the_desk(sent_to_norfolk: Office) -> None:
    sent = sent_to_norfolk
    sent.house = answering(sent.house, {"chairs-newsletter": CHAIR})
    (read,) = comes_back(sent, writes(sent, GWEN, "I can help on Saturday."))
    sent.send_all()
    assert (read.verdict, kinds(), passed(sent)) == ("desk", ["reply"], [])


@pytest.mark.parametrize("to", ["b+x@bounces.example.org", "inbox@BOUNCES.example.org"])
def test_nothing_is_passed_on_to_where_it_came_from(sent: Office, to: str) -> None:
    sent.house = answering(sent.house, {"chairs-newsletter": to})
    comes_back(sent, writes(sent, GWEN, "Hello"))
    assert (kinds(), Notice.unscoped.count()) == (["reply"], 0)


@pytest.mark.parametrize(
    "sender", [CHAIR, NOTICES, "letters@example.org", "replies@example.org", "Letters@example.org"]
)
def test_what_an_address_of_ours_wrote_is_not_passed_on(sent: Office, sender: str) -> None:
    comes_back(sent, writes(sent, GWEN, "Hello", From=sender))
    assert (kinds(), Notice.unscoped.count()) == (["reply"], 0)


@pytest.mark.parametrize(
    "header",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated"},
        {"Precedence": "bulk"},
        {"List_Id": "<chairs-newsletter.example.org>"},
        {"Return_Path": "<>"},
    ],
)
def test_a_machine_s_answer_is_not_passed_on(sent: Office, header: dict[str, str]) -> None:
    comes_back(sent, writes(sent, GWEN, "I am away.", **header))
    assert Notice.unscoped.count() == 0


def test_what_we_passed_on_is_known_when_it_comes_round_stripped_of_all_but_its_name(sent: Office) -> None:
    comes_back(sent, writes(sent, GWEN, "Hello"))
    sent.send_all()
    name = message_from_bytes(passed(sent)[0].payload)["Message-ID"]
    comes_back(sent, writes(sent, GWEN, "Hello, forwarded", Message_ID=name))
    sent.send_all()
    assert (len(passed(sent)), kinds()) == (1, ["reply"])


@pytest.mark.parametrize("words", ["Please take me off.", "We have moved.", "You have the wrong person."])
def test_a_wish_waits_for_a_person_and_is_not_passed_on(sent: Office, words: str) -> None:
    (read,) = comes_back(sent, writes(sent, GWEN, words))
    assert (read.verdict, Notice.unscoped.count()) == ("desk", 0)


def test_who_leaves_by_the_signed_address_is_not_passed_on(sent: Office) -> None:
    (read,) = comes_back(sent, writes(sent, GWEN, "Bye", to=leave_address(sent, GWEN)))
    assert (read.verdict, Notice.unscoped.count()) == ("left", 0)


def test_so_many_answers_a_day_are_passed_on_and_the_rest_lie_on_the_desk(sent: Office) -> None:
    comes_back(sent, *(writes(sent, GWEN, "Hello" + "!" * n) for n in range(MOST_A_DAY + 2)))
    assert (Notice.unscoped.count(), kinds()) == (MOST_A_DAY, ["reply", "reply"])
    comes_back(sent, writes(sent, HAL, "Hello"))
    assert Notice.unscoped.count() == MOST_A_DAY + 1
    sent.now += timedelta(days=1)
    comes_back(sent, writes(sent, GWEN, "Hello, on the next day"))
    assert Notice.unscoped.count() == MOST_A_DAY + 2


def test_many_senders_do_not_flood_by_one_letter_s_address(sent: Office) -> None:
    flood = [writes(sent, GWEN, "Hello" + "!" * n, From=f"x{n}@example.net") for n in range(MOST_A_DAY + 2)]
    comes_back(sent, *flood)
    assert Notice.unscoped.count() == MOST_A_DAY


def test_one_sender_does_not_flood_by_many_letters_addresses(sent: Office) -> None:
    for n in range(MOST_A_DAY + 1):
        to = caught(sent, (GWEN, HAL)[n % 2]).sender
        comes_back(
            sent, writes(sent, GWEN, "Hello" + "!" * n, to=to, From="X@example.net" if n % 2 else "x@example.net")
        )
    assert Notice.unscoped.count() == MOST_A_DAY


@pytest.mark.parametrize("how", ["refused", "in doubt", "dead", "not allowed"])
def test_an_answer_that_cannot_be_passed_on_is_shown_on_the_desk_once(sent: Office, how: str) -> None:
    comes_back(sent, writes(sent, GWEN, "What a lovely walk!"))
    if how == "refused":
        sent.relay.script(CHAIR, refuses())
    elif how == "in doubt":
        sent.relay.script(CHAIR, drops_after_final_dot())
    elif how == "dead":
        returns.make_undeliverable(Mailbox.unscoped.get(normal=CHAIR).pk, "gone", sent.now)
    else:
        site = replace(sent.house.config.site, allow_list=(GWEN, HAL))
        sent.house = replace(sent.house, config=replace(sent.house.config, site=site))
    assert show_failures(sent.now) == 0
    sent.send_all()
    assert (show_failures(sent.now), show_failures(sent.now)) == (1, 0)
    matter = next(each for each in on_desk(bart(), sent.house, sent.now) if each.kind == "not_passed_on")
    assert (matter.said, matter.sender, matter.address) == ("What a lovely walk!", GWEN, GWEN)
    note = "told her by telephone"
    judge_matter(bart(), sent.house, matter.number, Judgement.PASSED_ON, note, now=sent.now, draw=sent.draw.handle)
    assert show_failures(sent.now) == 0


def test_two_bells_put_a_failure_on_the_desk_once(sent: Office) -> None:
    sent.relay.script(CHAIR, refuses())
    comes_back(sent, writes(sent, GWEN, "Hello"))
    sent.send_all()
    for notice in [*passing_on.failed(), *passing_on.failed()]:
        passing_on.put_on_desk(notice, sent.now)
    assert kinds() == ["not_passed_on"]


def test_an_answer_that_comes_back_as_undeliverable_is_shown_on_the_desk(sent: Office) -> None:
    comes_back(sent, writes(sent, GWEN, "What a lovely walk!"))
    sent.send_all()
    delay = dsn(sent, CHAIR, "4.2.2", "later", action="delayed", boundary="=_later")
    comes_back(sent, delay)
    assert (show_failures(sent.now), kinds()) == (0, [])
    comes_back(sent, dsn(sent, CHAIR))
    assert (show_failures(sent.now), kinds()) == (1, ["not_passed_on"])
    assert Notice.unscoped.get().state == "bounced"


def test_what_they_wrote_is_forgotten_like_the_report_that_it_came_in(sent: Office) -> None:
    comes_back(sent, writes(sent, GWEN, "What a lovely walk!"))
    days = timedelta(days=sent.house.config.bounces.keep_raw_days + 1)
    forget_old_reports(sent.house, sent.now + days)
    assert "lovely" in Notice.unscoped.get().text  # it is still to be sent
    sent.send_all()
    forget_old_reports(sent.house, sent.now)
    assert "lovely" in Notice.unscoped.get().text
    forget_old_reports(sent.house, sent.now + days)
    notice = Notice.unscoped.get()
    assert (notice.subject, notice.text, notice.html, notice.reply_to) == ("", "", "", "")


def test_a_farewell_in_doubt_is_shown_on_the_desk(office: Office) -> None:
    news, home = stream(office.house), "home@example.org"
    for name in ("Bob Brown", "Bea Brown"):
        join(office.house, name, home, consents=[news])
    office.begun(anne())
    office.send_all()
    token = leave_token(office.relay.caught[0])
    leave(office.house, token, Extent.THIS, Channel.ONE_CLICK, now=office.now, draw=office.draw.handle)
    assert show_failures(office.now) == 0
    office.relay.script(home, drops_after_final_dot())
    office.send_all()
    assert (show_failures(office.now), show_failures(office.now)) == (1, 0)
    (matter,) = on_desk(sima(), office.house, office.now)
    assert (matter.kind, matter.address) == ("farewell", home)
    assert {name for _, name in matter.members} == {"Bea Brown", "Bob Brown"}


def test_who_rode_on_the_letter_sees_no_other_region(sent: Office) -> None:
    """Hal lives in London: a coordinator of Norfolk sees nothing of his answer."""
    sent.relay.script(CHAIR, refuses())
    comes_back(sent, writes(sent, HAL, "Hello from London"))
    sent.send_all()
    show_failures(sent.now)
    assert on_desk(bart(), sent.house, sent.now) == ()
    assert [each.kind for each in on_desk(sima(), sent.house, sent.now)] == ["not_passed_on"]
    assert copy_to(HAL).state == "accepted"
