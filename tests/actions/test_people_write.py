"""People's letters: a signed address acts at once, words wait for a person, machines ask for nothing."""

import pytest

from mailer.core.bounce.fate import Fate
from mailer.models import Bounce, ConsentEntry, Matter, Notice, Subscription
from tests.actions.comes_back import GWEN, HAL, away, caught, comes_back, dsn, leave_address, writes
from tests.actions.office import Office, copy_to

pytestmark = pytest.mark.django_db


def left() -> set[str]:
    found = Subscription.unscoped.filter(state="left")
    return set(found.values_list("member__mailbox__normal", flat=True))


def test_whoever_writes_to_the_address_of_the_letter_leaves_at_once(sent: Office) -> None:
    raw = writes(sent, GWEN, "", to=leave_address(sent, GWEN), Subject="unsubscribe")
    (read,) = comes_back(sent, raw)
    assert (read.kind, read.verdict, read.fate) == ("letter", "left", Fate.UNDERSTOOD)
    assert left() == {GWEN}
    line = ConsentEntry.unscoped.latest("pk")
    assert (line.channel, line.kind, line.mailing_number) == ("mailto", "withdrawn", copy_to(GWEN).mailing_id)
    assert not Matter.unscoped.exists()
    assert Bounce.unscoped.get().matched_by == "mailto"


def test_the_signature_says_who_leaves_and_not_the_sender(sent: Office) -> None:
    comes_back(sent, writes(sent, HAL, "", to=leave_address(sent, GWEN)))
    assert left() == {GWEN}


def test_a_made_up_address_to_leave_by_changes_nothing(sent: Office) -> None:
    address = leave_address(sent, GWEN)
    forged = f"leave+{'a' * 40}@{address.partition('@')[2]}"
    (read,) = comes_back(sent, writes(sent, GWEN, "please", to=forged))
    assert (left(), read.matched) == (set(), None)
    assert Matter.unscoped.get().mailbox is None


@pytest.mark.parametrize("header", [{"Auto_Submitted": "auto-replied"}, {"Return_Path": "<>"}, {"Precedence": "bulk"}])
def test_a_machine_does_not_leave_for_anybody(sent: Office, header: dict[str, str]) -> None:
    comes_back(sent, writes(sent, GWEN, "unsubscribe", to=leave_address(sent, GWEN), **header))
    assert left() == set()


def test_a_bounce_to_the_address_to_leave_by_does_not_leave(sent: Office) -> None:
    letter = caught(sent, GWEN)
    bounce = dsn(sent, GWEN).replace(letter.sender.encode(), leave_address(sent, GWEN).encode())
    comes_back(sent, bounce)
    assert left() == set()


def test_leaving_twice_by_letter_changes_nothing_more(sent: Office) -> None:
    raw = writes(sent, GWEN, "", to=leave_address(sent, GWEN))
    comes_back(sent, raw, raw, raw.replace(b"Subject: Re: News", b"Subject: again"))
    assert ConsentEntry.unscoped.filter(kind="withdrawn").count() == 1


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Please stop sending me these. G.", "asks_to_leave"),
        ("You have the wrong person.", "wrong_person"),
        ("We have moved to Leeds.", "moved"),
        ("What a lovely walk!", "reply"),
    ],
)
def test_words_wait_for_a_person_with_the_sentence(sent: Office, words: str, kind: str) -> None:
    (read,) = comes_back(sent, writes(sent, GWEN, words))
    assert (read.kind, read.verdict, left()) == ("letter", "desk", set())
    matter = Matter.unscoped.get()
    assert (matter.kind, matter.copy, matter.sender) == (kind, copy_to(GWEN), GWEN)
    assert matter.said == words.replace(" G.", "")
    row = Bounce.unscoped.get()
    assert (row.kind, row.reason, row.klass) == ("letter", kind, "")


def test_a_person_who_quotes_a_bounce_is_no_bounce(sent: Office) -> None:
    quoted = "Why did I get this?\r\n550 5.1.1 <gwen@example.org>: user unknown"
    comes_back(sent, writes(sent, GWEN, quoted, Subject="Undeliverable: News"))
    assert copy_to(GWEN).state == "accepted"
    assert Matter.unscoped.get().kind == "reply"


def test_a_reply_to_a_mailbox_that_people_read_is_left_to_them(sent: Office) -> None:
    (read,) = comes_back(sent, writes(sent, GWEN, "Lovely!", to="anne@example.org"))
    assert (read.fate, Bounce.unscoped.count(), Matter.unscoped.count()) == (Fate.NOT_OURS, 0, 0)


def test_a_wish_in_a_mailbox_that_people_read_is_put_on_the_desk_once_and_left_there(sent: Office) -> None:
    answers = f"<{sent.house.message_id(copy_to(GWEN).handle & (2**64 - 1))}>"
    raw = writes(sent, GWEN, "Please take me off.", to="anne@example.org", In_Reply_To=answers)
    reads = comes_back(sent, raw, raw)
    assert [read.fate for read in reads] == [Fate.NOT_OURS, Fate.NOT_OURS]
    assert [read.repeated for read in reads] == [False, True]
    assert (Matter.unscoped.get().kind, Bounce.unscoped.get().matched_by) == ("asks_to_leave", "answer")


def test_nothing_is_ever_answered(sent: Office) -> None:
    before = len(sent.relay.caught)
    comes_back(sent, writes(sent, GWEN, "stop"), writes(sent, HAL, "hello"), away(sent, HAL), dsn(sent, GWEN))
    sent.send_all()
    assert (len(sent.relay.caught), Notice.unscoped.count()) == (before, 0)


def test_what_a_machine_sent_and_nobody_reads_is_kept_for_a_person(sent: Office) -> None:
    raw = writes(sent, "postmaster@example.net", "Blip.", to=caught(sent, GWEN).sender, Return_Path="<>")
    (read,) = comes_back(sent, raw)
    assert (read.fate, read.verdict, read.matched) == (Fate.KEPT, "desk", copy_to(GWEN).pk)
    assert Matter.unscoped.get().kind == "unread"


def test_a_letter_through_a_list_is_named_as_such(sent: Office) -> None:
    comes_back(sent, writes(sent, GWEN, "Hello", List_Id="<friends.example.net>"))
    assert Bounce.unscoped.get().behind == "list"
    assert not Matter.unscoped.exists() or Matter.unscoped.get().kind == "unread"
