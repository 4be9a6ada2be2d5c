"""Only a mail system reports; a person's letter is a letter, and what is not ours is left alone."""

import pytest

from mailer.core.bounce.fate import Fate
from mailer.core.bounce.finding import Finding, Kind, Report
from mailer.core.incoming import Incoming, fate, incoming
from mailer.core.matter import Wish
from mailer.core.peopleletter import PeopleLetter
from mailer.core.verdict import Class, Reason


def report(detector: str = "a_pattern", kind: Kind = Kind.HARD, *, null_sender: bool | None = None) -> Report:
    finding = Finding("gwen@example.org", "5.1.1", 550, kind, Reason.USER_UNKNOWN, "no", detector, Class.HARD)
    return Report((finding,), null_sender=null_sender)


def letter(wish: Wish = Wish.REPLY, *, automatic: bool = False) -> PeopleLetter:
    return PeopleLetter(wish, "", "gwen@example.org", (), automatic)


NOTHING = Report(())
AWAY = report("auto_reply", Kind.AUTOREPLY, null_sender=False)


@pytest.mark.parametrize("to_us", [True, False])
@pytest.mark.parametrize(
    "bounce",
    [
        report(null_sender=True),
        report(null_sender=None),
        report("delivery_status", null_sender=False),
        report("feedback", Kind.COMPLAINT, null_sender=False),
    ],
)
def test_a_mail_system_reports(bounce: Report, to_us: bool) -> None:
    assert incoming(bounce, letter(), to_us=to_us, about_ours=False) is Incoming.REPORT


def test_a_person_who_quotes_a_bounce_writes_a_letter() -> None:
    quoted = report(null_sender=False)
    assert incoming(quoted, letter(), to_us=True, about_ours=True) is Incoming.LETTER
    assert incoming(quoted, letter(automatic=True), to_us=True, about_ours=True) is Incoming.UNREAD


def test_a_letter_to_one_of_our_addresses_is_ours_and_another_is_not() -> None:
    assert incoming(NOTHING, letter(), to_us=True, about_ours=False) is Incoming.LETTER
    assert incoming(NOTHING, letter(), to_us=False, about_ours=False) is Incoming.NOT_OURS


def test_of_answers_to_a_mailbox_that_people_read_only_wishes_are_ours() -> None:
    assert incoming(NOTHING, letter(), to_us=False, about_ours=True) is Incoming.NOT_OURS
    assert incoming(NOTHING, letter(Wish.LEAVE), to_us=False, about_ours=True) is Incoming.LETTER


def test_an_automatic_answer_is_logged_if_it_came_to_us_and_is_else_left_alone() -> None:
    assert incoming(AWAY, letter(automatic=True), to_us=True, about_ours=False) is Incoming.REPORT
    assert incoming(AWAY, letter(automatic=True), to_us=False, about_ours=False) is Incoming.NOT_OURS


def test_a_machine_that_nobody_understands_is_kept_if_it_came_to_us() -> None:
    assert incoming(NOTHING, letter(automatic=True), to_us=True, about_ours=False) is Incoming.UNREAD
    assert incoming(NOTHING, letter(automatic=True), to_us=False, about_ours=False) is Incoming.NOT_OURS


@pytest.mark.parametrize(
    ("what", "to_us", "about_ours", "becomes"),
    [
        (Incoming.REPORT, True, True, Fate.UNDERSTOOD),
        (Incoming.REPORT, True, False, Fate.KEPT),
        (Incoming.LETTER, True, False, Fate.UNDERSTOOD),
        (Incoming.LETTER, False, True, Fate.NOT_OURS),
        (Incoming.UNREAD, True, True, Fate.KEPT),
        (Incoming.NOT_OURS, False, False, Fate.NOT_OURS),
    ],
)
def test_what_becomes_of_it_where_it_lies(what: Incoming, to_us: bool, about_ours: bool, becomes: Fate) -> None:
    assert fate(what, to_us=to_us, about_ours=about_ours) is becomes
