"""A mailbox is read so that nothing in it is lost, and nothing of other people's in it is touched."""

import smtplib
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from mailer.core.bounce.fate import Fate
from mailer.transport.imap import opened
from mailer.transport.imap_session import Account, AccountRefused, MailboxFault
from mailer.transport.maildir import READ_LIMIT, GoneError
from tests.e2e.dovecot import NEEDED, Dovecot, running
from tests.transport.imap_wire import OFFERS, ImapWire
from tests.transport.tls import TlsKit

USERS = count()
LETTERS = {4: b"Subject: one\r\n\r\none\r\n", 9: b"Subject: two\r\n\r\ntwo\r\n"}


def never() -> bool:
    return False


@pytest.fixture(scope="module", params=["/", "."])
def dovecot(request: pytest.FixtureRequest) -> Iterator[Dovecot]:
    with running(request.param) as server:
        yield server


@pytest.fixture
def account(dovecot: Dovecot) -> Account:
    """An empty mailbox."""
    return dovecot.mailbox(f"user{next(USERS)}")


def deliver(dovecot: Dovecot, account: Account, *letters: bytes) -> None:
    with smtplib.LMTP("127.0.0.1", dovecot.lmtp) as lmtp:
        for letter in letters:
            lmtp.sendmail("", [f"{account.user}+token"], letter)


def flags(files: list[Path]) -> list[str]:
    return [file.name.partition(":2,")[2] for file in files]


class TestOnDovecot:
    pytestmark = NEEDED

    def test_what_came_is_read_in_order_and_stays_unseen(self, dovecot: Dovecot, account: Account) -> None:
        deliver(dovecot, account, b"Subject: one\r\n\r\n1", b"Subject: two\r\n\r\n2")
        with opened(account) as inbox:
            read = [message.read() for message in inbox.after(0)]
        assert [b"Subject: one" in read[0], b"Subject: two" in read[1], len(read)] == [True, True, 2]
        assert f"Delivered-To: {account.user}+token".encode() in read[0]
        assert flags(dovecot.files(account.user)) == ["", ""]

    def test_each_message_goes_where_its_fate_says_and_none_is_lost(self, dovecot: Dovecot, account: Account) -> None:
        deliver(dovecot, account, *(f"Subject: {fate}\r\n\r\n".encode() for fate in Fate))
        with opened(account) as inbox:
            for message, fate in zip(inbox.after(0), Fate, strict=True):
                message.done(fate)
            (left,) = inbox.after(0)
        assert left.uid == 3
        understood = dovecot.files(account.user, "Mailer/Read")
        kept = dovecot.files(account.user, "Mailer/Kept")
        assert [flags(understood), flags(kept), flags(dovecot.files(account.user))] == [["S"], [""], [""]]
        assert b"Subject: understood" in understood[0].read_bytes()
        assert b"Subject: kept" in kept[0].read_bytes()

    def test_what_was_looked_at_is_not_offered_again(self, dovecot: Dovecot, account: Account) -> None:
        deliver(dovecot, account, b"Subject: one\r\n\r\n", b"Subject: two\r\n\r\n")
        with opened(account) as inbox:
            uids = [message.uid for message in inbox.after(0)]
            validity = inbox.validity
        with opened(account) as inbox:
            assert [message.uid for message in inbox.after(uids[0])] == uids[1:]
            assert inbox.after(uids[1]) == []
            assert inbox.validity == validity > 0

    def test_what_somebody_else_has_marked_as_deleted_is_not_removed(self, dovecot: Dovecot, account: Account) -> None:
        deliver(dovecot, account, b"Subject: one\r\n\r\n", b"Subject: two\r\n\r\n")
        with opened(account) as inbox:
            first, second = inbox.after(0)
            inbox.flag(first.uid, r"\Deleted")
            assert [message.uid for message in inbox.after(0)] == [second.uid]
            second.done(Fate.UNDERSTOOD)
        assert flags(dovecot.files(account.user)) == ["T"]

    def test_no_more_than_the_limit_is_fetched(self, dovecot: Dovecot, account: Account) -> None:
        deliver(dovecot, account, b"Subject: long\r\n\r\n" + b"x" * 70 * 40_000)
        with opened(account) as inbox:
            (message,) = inbox.after(0)
            assert len(message.read()) == READ_LIMIT
            assert len(message.read(100)) == 100

    def test_a_message_that_another_program_took_says_so(self, dovecot: Dovecot, account: Account) -> None:
        deliver(dovecot, account, b"Subject: one\r\n\r\n")
        with opened(account) as inbox, opened(account) as other:
            (message,) = inbox.after(0)
            other.after(0)[0].done(Fate.KEPT)
            with pytest.raises(GoneError, match="nothing to do"):
                message.read()
            message.done(Fate.UNDERSTOOD)

    def test_news_wake_who_waits_and_a_stop_does_too(self, dovecot: Dovecot, account: Account) -> None:
        with opened(account) as inbox:
            assert not inbox.wait(30, lambda: True)

            def deliver_meanwhile() -> bool:
                deliver(dovecot, account, b"Subject: news\r\n\r\n")
                return False

            assert inbox.wait(30, deliver_meanwhile)
            assert len(inbox.after(0)) == 1

    def test_a_folder_that_is_not_there_is_said(self, account: Account) -> None:
        with pytest.raises(MailboxFault, match="Mailbox doesn't exist"):
            read_one(changed(account, folder="Bounces"))

    def test_a_wrong_password_is_a_refusal_and_is_not_repeated(self, account: Account) -> None:
        with (
            pytest.raises(MailboxFault, match="does not let us in") as fault,
            opened(changed(account, password="wr0ng")),
        ):
            pass
        assert fault.value.refused
        assert "wr0ng" not in str(fault.value)

    def test_tls_is_required_and_believed_only_from_the_right_authority(
        self, dovecot: Dovecot, account: Account
    ) -> None:
        with opened(changed(account, tls="starttls-required", port=dovecot.imap)) as inbox:
            assert inbox.after(0) == []
        with pytest.raises(MailboxFault, match="certificate verify failed"):
            read_one(changed(account, ca_file=None))


def changed(account: Account, **values: object) -> Account:
    return replace(account, **values)  # type: ignore[arg-type]


def test_nothing_travels_in_the_clear_off_this_machine() -> None:
    with pytest.raises(AccountRefused, match="in the clear"):
        Account("imap.example.org", 143, "none", "anne", "secret")
    assert "secret" not in repr(Account("localhost", 143, "none", "anne", "secret"))


def test_without_starttls_nothing_is_said(tls_kit: TlsKit) -> None:
    with ImapWire() as server:
        account = server.account(host="localhost", tls="starttls-required", ca_file=tls_kit.ca_file)
        with pytest.raises(MailboxFault, match="TLS not supported"):
            read_one(account)
        assert not any(command.startswith(("LOGIN", "AUTH")) for command in server.commands)


def test_a_certificate_for_another_name_is_not_believed(tls_kit: TlsKit) -> None:
    with ImapWire(context=tls_kit.wrong_name) as server:
        account = server.account(host="localhost", tls="implicit", ca_file=tls_kit.ca_file)
        with pytest.raises(MailboxFault, match="Hostname mismatch"):
            read_one(account)


def test_where_the_server_cannot_move_messages_are_flagged_and_nothing_is_expunged() -> None:
    with ImapWire(LETTERS) as server, opened(server.account()) as inbox:
        for message, fate in zip(inbox.after(0), (Fate.UNDERSTOOD, Fate.KEPT), strict=True):
            message.done(fate)
        assert not inbox.wait(30, never), "without IDLE nobody waits"
        assert [command for command in server.commands if command.startswith("STORE")] == [
            r"STORE 4 +FLAGS.SILENT (\Seen)",
            r"STORE 9 +FLAGS.SILENT (\Flagged)",
        ]
        assert not {"EXPUNGE", "COPY", "CLOSE"} & {command.split()[0] for command in server.commands}


def test_where_the_server_will_not_move_they_are_flagged_too() -> None:
    with ImapWire(LETTERS, offers=[*OFFERS, "MOVE"], says={"MOVE": "NO over quota"}) as server:
        with opened(server.account()) as inbox:
            inbox.after(4)[0].done(Fate.KEPT)
        assert 'CREATE "Mailer.Kept"' in server.commands
        assert r"STORE 9 +FLAGS.SILENT (\Flagged)" in server.commands


def test_a_search_that_names_the_newest_again_is_not_believed() -> None:
    with ImapWire(LETTERS) as server, opened(server.account()) as inbox:
        assert [message.uid for message in inbox.after(4)] == [9]
        assert inbox.after(9) == []


@pytest.mark.parametrize("command", ["AUTHENTICATE", "SELECT", "SEARCH", "FETCH", "STORE"])
def test_a_line_that_breaks_is_a_fault_with_a_reason_and_no_refusal(command: str) -> None:
    with ImapWire(LETTERS, says={command: None}) as server:
        with pytest.raises(MailboxFault, match=r"cannot be read \(anne@example.org at") as fault:
            read_one(server.account())
        assert not fault.value.refused


def read_one(account: Account) -> None:
    with opened(account) as inbox:
        message = inbox.after(0)[0]
        message.read()
        message.done(Fate.UNDERSTOOD)


def test_a_message_that_the_server_cannot_give_is_passed_over() -> None:
    with ImapWire(LETTERS, says={"FETCH": "NO it is broken"}) as server, opened(server.account()) as inbox:
        message = inbox.after(0)[0]
        with pytest.raises(GoneError):
            message.read()


def test_nobody_there_is_a_fault() -> None:
    with ImapWire() as server:
        account = server.account()
    with pytest.raises(MailboxFault, match="refused"):
        read_one(account)


@pytest.mark.parametrize("secret", ["hunter2", "a-long-password-of-many-letters"])
def test_a_server_that_repeats_what_we_said_is_not_quoted(secret: str) -> None:
    with ImapWire() as server:
        with pytest.raises(MailboxFault) as fault:
            read_one(server.account(password=secret))
        assert fault.value.refused
        assert secret not in str(fault.value)
        assert fault.value.__cause__ is None
        assert fault.value.__suppress_context__


def test_a_name_and_a_password_beyond_ascii_are_said_in_utf_8() -> None:
    with ImapWire(offers=["IMAP4REV1"], secrets=["pässwörd"]) as server, opened(server.account()) as inbox:
        assert inbox.validity == 7


def test_without_auth_plain_we_log_in_the_old_way() -> None:
    with ImapWire(offers=["IMAP4REV1"]) as server, opened(server.account()):
        assert 'LOGIN "anne@example.org" "the password"' in server.commands


def test_a_token_comes_from_a_file_at_each_session(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with ImapWire(secrets=["first", "second"]) as server:
        account = server.account(password="", token_file=file)
        for token in ("first\n", "second"):
            file.write_text(token)
            with opened(account) as inbox:
                assert inbox.validity == 7
    assert "AUTHENTICATE XOAUTH2" in server.commands


def test_a_token_that_has_just_expired_is_asked_for_once_more(tmp_path: Path) -> None:
    """The command gives an old token the first time."""
    said = tmp_path / "said"
    code = f"import pathlib; p = pathlib.Path({str(said)!r}); print('fresh' if p.exists() else 'stale'); p.touch()"
    with ImapWire(secrets=["fresh"]) as server:
        account = server.account(password="", token_command=(sys.executable, "-c", code))
        with opened(account) as inbox:
            assert inbox.validity == 7
    assert server.commands.count("AUTHENTICATE XOAUTH2") == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [("two words", "one word"), ("", "one word"), ("t\x00ken", "one word"), ("é", "no access token")],
)
def test_what_is_no_token_is_not_offered(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "token").write_text(content)
    with ImapWire() as server, pytest.raises(MailboxFault, match=reason):
        read_one(server.account(token_file=tmp_path / "token"))
    assert "AUTHENTICATE XOAUTH2" not in server.commands


@pytest.mark.parametrize(
    ("command", "reason"),
    [(("/nowhere/at/all",), "cannot be run"), ((sys.executable, "-c", "raise SystemExit(3)"), "status 3")],
)
def test_a_command_that_gives_no_token_is_named(command: tuple[str, ...], reason: str) -> None:
    with ImapWire() as server, pytest.raises(MailboxFault, match=reason):
        read_one(server.account(token_command=command))


def test_a_refused_token_is_a_refusal_and_is_not_repeated(tmp_path: Path) -> None:
    token = "ya29.A0ARrdaM-thirty-letters-or-more"
    (tmp_path / "token").write_text(token)
    with ImapWire() as server, pytest.raises(MailboxFault) as fault:
        read_one(server.account(token_file=tmp_path / "token"))
    assert fault.value.refused
    assert token not in str(fault.value)
