"""What stands behind an address that is not one person's mailbox, as far as what came back shows it.

Law of the file: it is named in the log and never decides by itself whom a report is about (standards B3). But where a
letter was handed on to several, the failure of one does not say that our address is gone.
"""

from collections.abc import Iterable
from enum import StrEnum

from mailer.core.bounce.mime import Part, parse


class Behind(StrEnum):
    """A mailing list, a group of several, or a mailbox elsewhere."""

    LIST = "list"
    GROUP = "group"
    FORWARDER = "forwarder"


_OF_A_LIST = ("list-id", "list-post", "list-help", "list-subscribe")
_OF_A_FORWARDER = ("resent-from", "resent-to", "x-forwarded-to", "x-forwarded-for")


def behind(raw: bytes, named: Iterable[str], ours: str | None) -> Behind | None:
    """What stands behind our address `ours`, by the headers of the mail and by the recipients that it names."""
    message = parse(raw)
    if _has(message, _OF_A_LIST):
        return Behind.LIST
    others = {address.casefold() for address in named}
    if ours is not None and len(others) > 1 and ours.casefold() not in others:
        return Behind.GROUP
    elsewhere = ours is not None and bool(others) and ours.casefold() not in others
    return Behind.FORWARDER if elsewhere or _has(message, _OF_A_FORWARDER) else None


def _has(message: Part, names: Iterable[str]) -> bool:
    return any(message.get(name) for name in names)
