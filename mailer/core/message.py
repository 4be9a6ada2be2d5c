"""Which header fields each kind of message has (RFC 5322 section 3.6; F1, F21, L1, L2, L11-L14, L19).

A list letter is written by a person, so it never says Auto-Submitted; what the machine answers by itself
does, and has no List-* fields. Nothing else is ever emitted: the tests hold both kinds to an allow-list.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Final, Protocol

from mailer.core import header, quoted_printable
from mailer.core.address import check_wire
from mailer.core.header import HeaderError
from mailer.core.letter import ListFacts

#: What machines write (RFC 3834 section 5): in answer to somebody's act, or by themselves.
AUTO_REPLIED: Final = "auto-replied"
AUTO_GENERATED: Final = "auto-generated"
ONE_CLICK: Final = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
LONGEST_LIST_ID = 255

_UNFOLDED = re.compile(rb"\r\n(?![ \t])")


class Signs(Protocol):
    """Signs one message, given its fields in their order on the wire and its body.

    A field is (name, value): the value is all after the colon, folds and all, without the last CRLF. It
    returns complete `DKIM-Signature: ...` fields with their CRLF, to stand before the others.
    """

    def __call__(self, headers: Sequence[tuple[bytes, bytes]], body: bytes, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class LetterHeaders:
    """What the header fields of one mailing have in common; `from_name` is the discreet sender name."""

    from_name: str
    from_address: str
    reply_to: str
    facts: ListFacts
    precedence: bool = False


@dataclass(frozen=True, slots=True)
class FixedFields:
    """The fields that all copies of a mailing share, in the gaps between those that differ."""

    before_to: bytes
    before_date: bytes
    before_leave: bytes
    after_leave: bytes


def fixed_fields(headers: LetterHeaders, subject: str, boundary: str) -> FixedFields:
    """To, Date, Message-ID and List-Unsubscribe differ from copy to copy; this is all the rest."""
    check_wire(headers.from_address)
    check_wire(headers.reply_to)
    list_id = header.mailbox("List-Id", headers.facts.title, headers.facts.list_id)
    if len(list_id) - len("List-Id: \r\n") > LONGEST_LIST_ID:
        raise HeaderError(f"List-Id: over {LONGEST_LIST_ID} characters; give the list a shorter title")
    return FixedFields(
        before_to=header.mailbox("From", headers.from_name, headers.from_address),
        before_date=header.mailbox("Reply-To", "", headers.reply_to) + header.unstructured("Subject", subject),
        before_leave=list_id,
        after_leave=ONE_CLICK
        + header.uris("List-Help", [headers.facts.help_url])
        + header.uris("List-Owner", [f"mailto:{headers.facts.owner}"])
        + header.token("List-Post", "NO")
        + (header.token("Precedence", "list") if headers.precedence else b"")
        + _mime_fields(boundary),
    )


def _mime_fields(boundary: str) -> bytes:
    return header.token(
        "MIME-Version", "1.0"
    ) + f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n'.encode("ascii")


def part_opening(boundary: str, subtype: str) -> bytes:
    """What stands before the text of a part: the delimiter line and the part's own fields (F6, F10)."""
    return (
        f"--{boundary}\r\n"
        f"Content-Type: text/{subtype}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    ).encode()


def closing(boundary: str) -> bytes:
    """The last delimiter line."""
    return f"--{boundary}--\r\n".encode()


def format_date(at: datetime) -> str:
    """The Date field's value (RFC 5322 section 3.3), with the numeric zone of the time given (F15)."""
    if at.utcoffset() is None:
        raise HeaderError("Date: the time has no zone; give it one")
    return format_datetime(at)


@dataclass(frozen=True, slots=True)
class OneOff:
    """A small message that the machine writes: a farewell, a confirmation, an alarm."""

    from_name: str
    from_address: str
    reply_to: str
    to_name: str
    to_address: str
    subject: str
    text: str
    html: str
    message_id: str
    date: str
    boundary: str
    automatic: str = AUTO_REPLIED


def fields_of(head: bytes) -> list[tuple[bytes, bytes]]:
    """Name and value of each field, the value as it stands on the wire."""
    return [(name, value) for name, _, value in (field.partition(b":") for field in _UNFOLDED.split(head)) if name]


def signatures(head: bytes, body: bytes, signers: Sequence[Signs]) -> bytes:
    """The signature fields of a message whose fields are `head`; none of them covers another."""
    fields = fields_of(head)
    return b"".join(sign(fields, body) for sign in signers)


def one_off(message: OneOff, signers: Sequence[Signs] = ()) -> bytes:
    """The whole of it, guarded like a letter (F16, L13); the boundary holds `=_` and is in no part (F11)."""
    for address in (message.from_address, message.reply_to, message.to_address):
        check_wire(address)
    if not message.boundary.startswith("=_"):
        raise HeaderError("boundary: it must begin with =_, which quoted-printable never writes")
    head = b"".join(
        (
            header.mailbox("From", message.from_name, message.from_address),
            header.mailbox("To", message.to_name, message.to_address),
            header.mailbox("Reply-To", "", message.reply_to),
            header.unstructured("Subject", message.subject),
            header.date(message.date),
            header.message_id(message.message_id),
            header.token("Auto-Submitted", message.automatic),
            _mime_fields(message.boundary),
            b"\r\n",
        )
    )
    body = (
        _part(message.boundary, "plain", message.text)
        + _part(message.boundary, "html", message.html)
        + closing(message.boundary)
    )
    return signatures(head, body, signers) + head + body


def _part(boundary: str, subtype: str, text: str) -> bytes:
    return part_opening(boundary, subtype) + quoted_printable.encode(text.rstrip("\n") + "\n")
