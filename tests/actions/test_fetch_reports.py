"""Reports are fetched from where they come back to: each once, other people's letters never touched."""

import smtplib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from mailer.actions import fetch_reports
from mailer.actions.fetch_reports import Look, Vigil, places, poll
from mailer.core.configkind import Tls
from mailer.house import House
from mailer.models import Bounce, ReportSource
from mailer.transport.imap_session import Account
from tests.e2e.dovecot import NEEDED, Dovecot, running
from tests.transport.imap_wire import ImapWire
from tests.world import NOW, Draw

pytestmark = [pytest.mark.django_db, *NEEDED]
USERS = count()
REPORT = (
    b"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.net\r\nTo: b+x@bounces.example.org\r\n"
    b"Message-ID: <%d@mx.example.net>\r\n"
    b"Subject: Undelivered\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns;mx.example.net\r\n\r\n"
    b"Final-Recipient: rfc822;gone@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n"
)
LETTER = b"From: bea@example.net\r\nTo: anne@example.org\r\nSubject: Tea on Saturday?\r\n\r\nShall we?\r\n"


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    with running() as server:
        yield server


@pytest.fixture
def account(dovecot: Dovecot) -> Account:
    return dovecot.mailbox(f"user{next(USERS)}")


def fetching(house: House, account: Account | None = None, **changes: object) -> House:
    """The house with a mailbox that its reports come back to."""
    if account:
        changes = {
            "imap_host": account.host,
            "imap_port": account.port,
            "imap_tls": Tls(account.tls),
            "imap_user": account.user,
            "imap_password": account.password,
            "imap_ca_file": account.ca_file,
            **changes,
        }
    return replace(house, config=replace(house.config, bounces=replace(house.config.bounces, **changes)))  # type: ignore[arg-type]


def deliver(dovecot: Dovecot, account: Account, *letters: bytes) -> None:
    with smtplib.LMTP("127.0.0.1", dovecot.lmtp) as lmtp:
        for letter in letters:
            lmtp.sendmail("", [account.user], letter)


def looked(house: House, minutes: int = 0, *, by_hand: bool = False) -> list[Look]:
    return list(poll(house, NOW + timedelta(minutes=minutes), Draw().handle, by_hand=by_hand))


def subjects(files: list[Path]) -> list[str]:
    return [line for file in files for line in file.read_text().splitlines() if line.startswith("Subject:")]


def test_without_a_place_there_is_nothing_to_look_at(house: House) -> None:
    assert looked(house) == []


def test_a_report_that_nobody_matched_is_kept_and_a_letter_is_left_alone(
    house: House, dovecot: Dovecot, account: Account
) -> None:
    deliver(dovecot, account, REPORT % 1, LETTER)
    (look,) = looked(fetching(house, account))
    assert (look.place, look.trouble, look.more) == (f"the mailbox of {account}", "", False)
    assert [report.kind for report in look.reports][:1] == ["hard"]
    assert subjects(dovecot.files(account.user, "Mailer/Kept")) == ["Subject: Undelivered"]
    (letter,) = dovecot.files(account.user)
    assert subjects([letter]) == ["Subject: Tea on Saturday?"]
    assert letter.name.endswith(":2,") or letter.parent.name == "new", "it stays unseen"
    assert Bounce.unscoped.get(source="imap").digest


def test_what_was_looked_at_is_not_fetched_again(house: House, dovecot: Dovecot, account: Account) -> None:
    deliver(dovecot, account, LETTER)
    assert [len(look.reports) for look in looked(fetching(house, account))] == [1]
    assert [len(look.reports) for look in looked(fetching(house, account), 1)] == [0]
    deliver(dovecot, account, LETTER, REPORT % 2)
    assert [len(look.reports) for look in looked(fetching(house, account), 2)] == [2]
    row = ReportSource.unscoped.get()
    assert (row.uid, row.trouble, row.read_at) == (3, "", NOW + timedelta(minutes=2))


def test_a_mailbox_that_was_made_anew_is_read_from_its_beginning(house: House) -> None:
    """The uids begin again, and their validity is another one; what was read before acts no second time."""
    with ImapWire({5: REPORT % 3}) as server:
        fetch = fetching(house, server.account())
        assert [len(look.reports) for look in looked(fetch)] == [1]
        ReportSource.unscoped.update(validity=6, uid=900)
        assert [[report.repeated for report in look.reports] for look in looked(fetch, 1)] == [[True]]
    assert Bounce.unscoped.count() == 1
    assert ReportSource.unscoped.get().uid == 5


def test_one_look_takes_so_many_and_asks_for_another(
    house: House, dovecot: Dovecot, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_reports, "MOST", 2)
    deliver(dovecot, account, *(REPORT % number for number in (11, 12, 13)))
    looks = looked(fetching(house, account)) + looked(fetching(house, account), 1)
    assert [(len(look.reports), look.more) for look in looks] == [(2, True), (1, False)]


def test_news_during_the_vigil_ask_for_another_look(house: House, dovecot: Dovecot, account: Account) -> None:
    def bring_news() -> bool:
        deliver(dovecot, account, REPORT % 4)
        return False

    (look,) = poll(fetching(house, account), NOW, Draw().handle, vigil=Vigil(30, bring_news))
    assert (look.reports, look.more) == ((), True)


def test_what_one_process_looks_into_no_other_does(house: House, account: Account) -> None:
    fetch = fetching(house, account)
    looked(fetch)
    ReportSource.unscoped.update(claimed_until=NOW + timedelta(minutes=10))
    assert looked(fetch, 1) == []
    assert looked(fetch, 1, by_hand=True) == []
    assert len(looked(fetch, 10)) == 1, "whoever died while looking is forgotten"


def test_a_wrong_password_is_told_and_tried_less_and_less_often(house: House, account: Account) -> None:
    wrong = fetching(house, replace(account, password="wr0ng"))
    tries = [minute for minute in range(200) if looked(wrong, minute)]
    assert tries == [0, 2, 6, 14, 30, 62, 122, 182]
    row = ReportSource.unscoped.get()
    assert "does not let us in" in row.trouble
    assert "wr0ng" not in row.trouble
    (look,) = looked(fetching(house, account), 183, by_hand=True)
    assert look.trouble == ""
    assert len(looked(fetching(house, account), 184)) == 1


def test_a_server_that_is_away_is_told_and_asked_again_a_minute_later(house: House) -> None:
    with ImapWire() as server:
        account = server.account()
    for minute in range(2):
        (look,) = looked(fetching(house, account), minute)
        assert "cannot be read" in look.trouble


def test_what_came_before_the_line_broke_is_not_lost(house: House) -> None:
    with ImapWire({1: REPORT % 5, 2: REPORT % 6}, says={"STORE": None}) as server:
        (look,) = looked(fetching(house, server.account()))
    assert look.trouble
    assert Bounce.unscoped.count() == 1


def test_a_place_that_cannot_be_read_does_not_hide_the_next(house: House, account: Account, tmp_path: Path) -> None:
    fetch = fetching(house, account, maildir=tmp_path / "none")
    assert [place.name for place in places(fetch.config)] == [
        f"the Maildir {tmp_path / 'none'}",
        f"the mailbox of {account}",
    ]
    maildir, mailbox = looked(fetch)
    assert "not a Maildir" in maildir.trouble
    assert mailbox.trouble == ""


def test_a_maildir_is_emptied(house: House, tmp_path: Path) -> None:
    for folder in ("tmp", "new", "cur"):
        (tmp_path / folder).mkdir()
    (tmp_path / "new" / "1.host").write_bytes(REPORT % 7)
    fetch = fetching(house, maildir=tmp_path)
    assert [[len(look.reports) for look in looked(fetch, minute)] for minute in range(2)] == [[1], [0]]
    assert Bounce.unscoped.get().source == "maildir"
