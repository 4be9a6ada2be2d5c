"""System checks: everything that is wrong with a site, all at once, each with an id, a place and what to do.

mailer.E001 to E014 are the complaints about list files (core/complaint.py); those from E020 on are here. First what
lies in files, which needs neither Django nor a database; then the database; then, if asked for, the relay. Nothing is
changed and no mail is sent.
"""

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from mailer import keys, library
from mailer.actions.use_mailbox import account_of
from mailer.actions.use_relay import Unsigned, must_be_signed, relay_of, signers_of
from mailer.config import Config, ConfigError
from mailer.core.compile import CompileError, compile_letter, compile_notice
from mailer.core.complaint import Complaint, ListFileError
from mailer.core.dkim import DkimError, public_record
from mailer.core.letter import ListFacts, Sender
from mailer.core.markup import parse
from mailer.core.written import MarkupError
from mailer.house import LANGUAGE, House
from mailer.transport.imap import opened
from mailer.transport.imap_session import MailboxFault
from mailer.transport.relay import RelayFault, RelayRefused
from mailer.transport.smtp import connect

#: Stands for the random word; a check shows nothing to anybody.
_WORD = "checkcheckcheck"
#: Templates are tried before it is known whether there are keys; nothing is signed.
_NO_KEYS = keys.Keys({}, b"", b"", "")


class Fault(StrEnum):
    """What can be wrong beyond the list files."""

    CONFIGURATION = "mailer.E020"
    KEYS = "mailer.E021"
    DKIM_KEY = "mailer.E022"
    RELAY = "mailer.E023"
    UNSIGNED = "mailer.E024"
    TEMPLATE = "mailer.E025"
    DATABASE = "mailer.E030"
    NOT_MIGRATED = "mailer.E031"
    GUARD_MISSING = "mailer.E032"
    GUARD_ASLEEP = "mailer.E033"
    OTHER_KEYS = "mailer.E034"
    NOT_ADOPTED = "mailer.E035"
    STANDSTILL = "mailer.E036"
    DEPARTURES = "mailer.E037"
    RELAY_FAULT = "mailer.E040"
    MAILBOX_FAULT = "mailer.E041"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; `file` and `key` are as a person would look for them."""

    id: str
    file: str
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.file, self.key) if part)
        return f"{self.id} {where}: {self.message}" + (f"\n    {self.hint}" if self.hint else "")


def about_configuration(error: ConfigError) -> list[Finding]:
    """A configuration that cannot be used."""
    return [Finding(Fault.CONFIGURATION, error.source.name, each.key, each.message) for each in error.complaints]


def of_files(config: Config) -> list[Finding]:
    """Lists, templates, keys and the relay as they lie in files."""
    return [*_of_library(config), *_of_keys(config), *_of_departures(config), *_of_sending(config)]


def of_database(house: House, now: datetime) -> Iterator[Finding]:
    """Tables, guards, keys and adopted lists. Django is set up before this is called."""
    from django.db import DatabaseError  # noqa: PLC0415 - a site whose files are wrong cannot set Django up

    from mailer.actions.check_database import look_at_database  # noqa: PLC0415 - as above

    place = "database"
    try:
        state = look_at_database(house, now)
    except DatabaseError as error:
        reason = str(error).strip().partition("\n")[0]
        yield Finding(Fault.DATABASE, place, "", reason, "see that it runs and that database.url is right")
        return
    if not state.migrated:
        yield Finding(Fault.NOT_MIGRATED, place, "", "its tables are not those of this version", "run `mailer migrate`")
        return
    for name in state.missing_guards:
        yield Finding(Fault.GUARD_MISSING, place, name, "this guard is not installed", "run `mailer migrate`")
    if not state.guards_hold:
        message = "a change of the audit log was not refused"
        yield Finding(Fault.GUARD_ASLEEP, place, "", message, "run `mailer migrate`; if it stays, ask for help")
    for name in state.wrong_keys:
        message = "missing, or not the one that this database was made with"
        hint = "put the right file back, from the printed sheet or a backup of the keys"
        yield Finding(Fault.OTHER_KEYS, f"{name}.key", "", message, hint)
    yield from map(_of_complaint, state.contradictions)
    if not state.adopted and not state.contradictions:
        message = "they are not those that the database adopted; no worker sends with them"
        yield Finding(Fault.NOT_ADOPTED, "lists/", "", message, "run `mailer migrate`")
    if state.standstill:
        yield Finding(Fault.STANDSTILL, place, "", state.standstill, "see docs/howto/operator.md, “After a restore”")


def of_relay(config: Config) -> list[Finding]:
    """Greet the relay, secure the line, log in and take leave."""
    try:
        connect(relay_of(config)).quit()
    except RelayFault as fault:
        return [Finding(Fault.RELAY_FAULT, "config.toml", "smtp", str(fault))]
    return []


def of_mailbox(config: Config) -> list[Finding]:
    """Open the mailbox that reports come back to, if there is one, and look at nothing in it."""
    account = account_of(config)
    try:
        if account:
            with opened(account):
                pass
    except MailboxFault as fault:
        return [Finding(Fault.MAILBOX_FAULT, "config.toml", "bounces", str(fault))]
    return []


def unproved(config: Config) -> Iterator[str]:
    """What nobody but a receiver can tell."""
    if config.smtp.signs and not config.dkim.keys:
        yield (
            "smtp.signs says that the relay signs, and that cannot be proved without sending: send one letter to an"
            " address of your own, and look for “dkim=pass” with your domain in its source."
        )
    with suppress(DkimError):  # a key that cannot be used is among the findings
        for signer in signers_of(config):
            yield (
                f"receivers trust what {signer.selector} signs only while the DNS has a TXT record at"
                f" {signer.record_name} that says: {public_record(signer)}"
            )


def _of_complaint(each: Complaint) -> Finding:
    return Finding(each.id, each.file, each.key, each.message, each.hint)


def _of_library(config: Config) -> Iterator[Finding]:
    try:
        found = library.load(library.root(config.source.parent), config.organisation.name)
    except ListFileError as error:
        yield from map(_of_complaint, error.complaints)
        return
    for path in sorted(found.templates):
        name, _, file = path.rpartition("/")
        if file == "body.mjml":
            yield from _of_template(name, found.templates, House(config, found, _NO_KEYS).sender)


def _of_template(name: str, sources: Mapping[str, str], sender: Sender) -> Iterator[Finding]:
    """A template must compile with its example data."""
    file = f"templates/email/{name}/sample.toml"
    text = sources.get(f"{name}/sample.toml")
    if text is None:
        yield Finding(Fault.TEMPLATE, file, "", "the template has no example data, so it cannot be tried", "write it")
        return
    try:
        _compile_sample(name, tomllib.loads(text), sources, sender)
    except CompileError as error:
        for complaint in error.complaints:
            yield Finding(Fault.TEMPLATE, f"templates/email/{name}", "", complaint)
    except MarkupError as error:
        for each in error.complaints:
            yield Finding(Fault.TEMPLATE, file, "body", str(each))
    except (tomllib.TOMLDecodeError, LookupError, TypeError) as error:
        yield Finding(Fault.TEMPLATE, file, "", f"the example data cannot be used: {error}")


def _compile_sample(name: str, sample: dict[str, Any], sources: Mapping[str, str], sender: Sender) -> None:
    if "data" in sample:
        compile_notice(name, sources, sample["data"], sender=sender, language=LANGUAGE)
        return
    compile_letter(
        parse(f"---\nsubject: {sample['subject']}\npreheader: {sample['preheader']}\n---\n{sample['body']}"),
        template=name,
        sources=sources,
        sender=sender,
        list_facts=ListFacts(**sample["list"]),
        language=LANGUAGE,
        word=_WORD,
    )


def _of_keys(config: Config) -> list[Finding]:
    try:
        keys.load(config.data.keys)
    except keys.KeysError as error:
        return [Finding(Fault.KEYS, str(config.data.keys), "", line) for line in str(error).splitlines()]
    return []


def _of_departures(config: Config) -> Iterator[Finding]:
    """Who leaves is written down below the data directory; a new site has made nothing there yet."""
    folder = config.data.departures
    place = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        message = f"departures cannot be written down: {place} is not a folder that this user may write to"
        yield Finding(Fault.DEPARTURES, str(folder), "", message, "let the user of web and worker own it")


def _of_sending(config: Config) -> Iterable[Finding]:
    try:
        signers = signers_of(config)
    except DkimError as error:
        yield Finding(Fault.DKIM_KEY, "config.toml", "dkim.keys", str(error))
        return
    try:
        must_be_signed(config, relay_of(config), signers)
    except RelayRefused as error:
        yield Finding(Fault.RELAY, "config.toml", "smtp", str(error))
    except Unsigned as error:
        yield Finding(Fault.UNSIGNED, "config.toml", "dkim.keys", str(error))
