"""Reaching a mailbox over IMAP: who asks, by which way, and what is said when it goes wrong (standards T20).

Law of the file: nothing travels in the clear off this machine; whatever the server does is one `MailboxFault` with a
reason; and no password or token stands in a reason, even where the server repeats what we said.
"""

import imaplib
import re
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from imap_tools import BaseMailBox, ImapToolsError, MailBox, MailBoxUnencrypted

from mailer.core.errors import MailerError
from mailer.transport import access_token
from mailer.transport.relay import is_loopback

_FAULTS = (imaplib.IMAP4.error, ImapToolsError, OSError, access_token.NoTokenError)
#: Tokens and credentials in base64; a word that a person needs is shorter, or, as OpenSSL's, all in capitals.
_LONG_WORD = re.compile(r"(?![A-Z_]+\b)[A-Za-z0-9+/=_~-]{24,}")
_MAX_REASON = 300


class MailboxFault(MailerError, ConnectionError):
    """The mailbox was not read, or not to its end. `refused`: it knows us not, and trying again may lock us out."""

    def __init__(self, text: str, *, refused: bool = False) -> None:
        super().__init__(text)
        self.refused = refused


class AccountRefused(MailerError, ValueError):
    """An account described in a way that is not safe to use."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody's mailbox; `token_file` or `token_command` take the place of a password."""

    host: str
    port: int
    tls: Literal["implicit", "starttls-required", "none"]
    user: str
    password: str = field(default="", repr=False)
    token_file: Path | None = None
    token_command: tuple[str, ...] = ()
    folder: str = "INBOX"
    ca_file: Path | None = None
    timeout: float = 30

    def __post_init__(self) -> None:
        if self.tls == "none" and not (self.host.lower() == "localhost" or is_loopback(self.host)):
            raise AccountRefused(f"Mail from {self.host} would travel in the clear: write 'implicit'.")

    def __str__(self) -> str:
        return f"{self.user} at {self.host}, folder {self.folder}"

    @property
    def wants_token(self) -> bool:
        return self.token_file is not None or bool(self.token_command)

    def token(self) -> str:
        """The access token of this minute."""
        return (
            access_token.from_file(self.token_file)
            if self.token_file
            else access_token.from_command(self.token_command)
        )


@contextmanager
def session(account: Account) -> Iterator[BaseMailBox]:
    """A connection on which we are logged in, for as long as the block lasts."""
    with faults_of(account):
        box = _connected(account)
    try:
        with faults_of(account):
            _secure(box, account)
            _log_in(box, account)
        yield box
    finally:
        # What was to be done is done: nothing is lost by a farewell that nobody hears.
        with suppress(*_FAULTS):
            box.client.logout()
        with suppress(*_FAULTS):
            box.client.shutdown()


@contextmanager
def faults_of(account: Account) -> Iterator[None]:
    """Whatever goes wrong on the wire is said in one way, without what came before it."""
    try:
        yield
    except MailboxFault:
        raise
    except _FAULTS as fault:
        raise MailboxFault(f"The mailbox cannot be read ({account}): {_reason(fault, account)}.") from None


def _connected(account: Account) -> BaseMailBox:
    if account.tls == "implicit":
        return MailBox(account.host, account.port, account.timeout, ssl_context=_context(account))
    return MailBoxUnencrypted(account.host, account.port, account.timeout)


def _secure(box: BaseMailBox, account: Account) -> None:
    """STARTTLS or nothing: imaplib refuses by itself where it is not offered."""
    if account.tls == "starttls-required":
        status, _ = box.client.starttls(_context(account))
        if status != "OK":
            raise imaplib.IMAP4.abort("the server does not begin TLS")


def _context(account: Account) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=account.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _log_in(box: BaseMailBox, account: Account) -> None:
    try:
        if account.wants_token:
            _by_token(box, account)
        else:
            _by_password(box, account)
    except imaplib.IMAP4.abort:
        raise  # the line broke: that is no refusal
    except (imaplib.IMAP4.error, ImapToolsError) as refusal:
        raise MailboxFault(
            f"The mail server does not let us in ({account}): {_reason(refusal, account)}."
            " Look at bounces.imap_user and at its password or token.",
            refused=True,
        ) from None


def _by_password(box: BaseMailBox, account: Account) -> None:
    if "AUTH=PLAIN" in box.client.capabilities or not (account.user + account.password).isascii():
        box.login_utf8(account.user, account.password, initial_folder=None)
    else:
        box.login(account.user, account.password, initial_folder=None)


def _by_token(box: BaseMailBox, account: Account) -> None:
    """Once more with a fresh one where the first has just expired (T20)."""
    try:
        _offer(box, account.user, account.token())
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error:
        _offer(box, account.user, account.token())


def _offer(box: BaseMailBox, user: str, token: str) -> None:
    answers = iter([f"user={user}\1auth=Bearer {token}\1\1".encode()])
    # A second question holds the reason of a refusal in JSON, and wants an empty answer before the server says NO.
    box.client.authenticate("XOAUTH2", lambda _: next(answers, b""))


def _reason(fault: Exception, account: Account) -> str:
    said = str(fault).removeprefix("b'").rstrip(".'") or type(fault).__name__
    secrets = [account.password, b64encode(f"\0{account.user}\0{account.password}".encode()).decode()]
    if account.password and any(secret in said for secret in secrets):
        return "it repeated the password in its answer, which is withheld"
    return _LONG_WORD.sub("[...]", said)[:_MAX_REASON]
