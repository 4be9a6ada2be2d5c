"""A look at a letter before it goes: the very bytes a member would get, but for a link that changes nothing (U16)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email import message_from_bytes, policy

from mailer import access
from mailer.access import Actor
from mailer.actions.compose import DrawWord, builder, compile_for, list_of, stream_of, written
from mailer.core.address import normal, parse
from mailer.core.dkim import Signer
from mailer.core.envelope import Envelope
from mailer.core.errors import MailerError
from mailer.core.message import format_date
from mailer.core.personalise import CopyValues
from mailer.core.reply import Answer
from mailer.house import House
from mailer.models import dossier
from mailer.models.base import writing
from mailer.models.ledger import record
from mailer.models.preparing import FIRST_LETTER
from mailer.models.steering import newest_revision
from mailer.transport.session import HandsOverOne

#: Whoever a letter is shown to, if it is nobody in particular.
_EXAMPLE_NAME, _EXAMPLE_ADDRESS = "Alex Example", "alex@example.org"
_TEST = "[Test] "


class RenderRefused(MailerError, ValueError):
    """There is no such letter to look at, or nobody to show it to."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A letter as one person would get it."""

    subject: str
    to: str
    html: str
    text: str
    message: bytes
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Reader:
    """Whom the letter speaks to."""

    name: str
    address: str
    segments: frozenset[str] = frozenset()


def render(
    actor: Actor,
    house: House,
    number: int,
    *,
    as_member: str | None,
    draw_word: DrawWord,
    signers: Sequence[Signer],
    clock: Callable[[], datetime],
) -> Rendered:
    """The letter of an issue's last save."""
    reader = _Reader(_EXAMPLE_NAME, _EXAMPLE_ADDRESS) if as_member is None else _member(actor, house, as_member, clock)
    return _rendered(actor, house, number, reader, "", draw_word, signers, clock)


def send_test(
    actor: Actor,
    house: House,
    number: int,
    address: str,
    *,
    connect: Callable[[], HandsOverOne],
    draw_word: DrawWord,
    signers: Sequence[Signer],
    clock: Callable[[], datetime],
) -> Answer:
    """Hand one marked letter to somebody who holds an office: nobody else has asked for it."""
    actor.needs(*sorted(list_of(house, access.issue(actor, number)).writers))
    holder = dossier.user_with(address)
    if holder is None:
        raise RenderRefused(f"{address} belongs to nobody in `mailer office list`; tests go to office holders only.")
    if house.allow_list is not None and not house.allow_list.allows(normal(parse(holder.email))):
        raise RenderRefused(f"{address} is not on site.allow_list, and this is not the production site.")
    reader = _Reader(holder.name, holder.email)
    rendered = _rendered(actor, house, number, reader, _TEST, draw_word, signers, clock)
    session = connect()
    sender = house.config.organisation.sender_address
    try:
        answer = session.hand_over(
            Envelope(sender, holder.email, (rendered.message,), smtputf8=not holder.email.isascii()), lambda: None
        )
    finally:
        session.quit()
    with writing():
        record(clock(), actor.reference, "test sent", about="issue", number=number, to=f"user:{holder.pk}")
    return answer


def _member(actor: Actor, house: House, name: str, clock: Callable[[], datetime]) -> _Reader:
    member = access.member(actor, name, house.today(clock()))
    if member.mailbox is None:
        raise RenderRefused(f"{member.name} has no e-mail address: they get a printed letter.")
    first = frozenset() if dossier.has_had_a_letter(member) else frozenset({FIRST_LETTER})
    return _Reader(member.name, member.mailbox.address, first)


def _rendered(
    actor: Actor,
    house: House,
    number: int,
    reader: _Reader,
    prefix: str,
    draw_word: DrawWord,
    signers: Sequence[Signer],
    clock: Callable[[], datetime],
) -> Rendered:
    issue = access.issue(actor, number)
    text = written(newest_revision(issue))
    letter = compile_for(
        house, list_of(house, issue), stream_of(house, issue), replace(text, subject=prefix + text.subject), draw_word()
    )
    values = CopyValues(
        address=reader.address,
        names=(reader.name,),
        message_id=f"example.{draw_word()}@{house.mail_domain}",
        leave_url=house.example_leave_url,
        date=format_date(clock().astimezone(house.zone)),
        segments=reader.segments & letter.segments,
    )
    raw = builder(house, issue, letter, signers, clock).build(values)
    message = message_from_bytes(raw, policy=policy.default)
    parts = {part.get_content_subtype(): part.get_content() for part in message.iter_parts()}
    return Rendered(letter.subject, reader.address, parts["html"], parts["plain"], raw, letter.warnings)
