"""The desk: what about an address waits for a person, and how a person may close it.

Law of the file: no matter is closed by a machine, and none without saying how. A row says which ways of closing a kind
of matter allows; `leave` needs a letter to leave, `restore` an address that was given up.
"""

from collections.abc import Mapping
from enum import StrEnum


class Wish(StrEnum):
    """What a letter asks for, as far as a table of phrases can tell."""

    LEAVE = "asks_to_leave"
    WRONG_PERSON = "wrong_person"
    MOVED = "moved"
    REPLY = "reply"


class MatterKind(StrEnum):
    """What waits."""

    UNDELIVERABLE = "undeliverable"
    ASKS_TO_LEAVE = "asks_to_leave"
    WRONG_PERSON = "wrong_person"
    MOVED = "moved"
    REPLY = "reply"
    SAYS_GONE = "says_gone"
    UNCLASSIFIED = "unclassified"
    UNREAD = "unread"
    NOT_PASSED_ON = "not_passed_on"
    FAREWELL = "farewell"


class Judgement(StrEnum):
    """How a person closed it."""

    LEAVE = "leave"
    LEAVE_EVERYTHING = "leave-everything"
    UNDELIVERABLE = "undeliverable"
    RESTORE = "restore"
    MOVED = "moved"
    PASSED_ON = "passed-on"
    IGNORE = "ignore"


IN_WORDS: Mapping[MatterKind, str] = {
    MatterKind.UNDELIVERABLE: "mail to this address comes back: ask them for another",
    MatterKind.ASKS_TO_LEAVE: "they ask in words to be taken off",
    MatterKind.WRONG_PERSON: "somebody else says that we have the wrong person",
    MatterKind.MOVED: "they say that they have moved, or have a new address",
    MatterKind.REPLY: "they wrote back: pass it on to whoever answers for the list",
    MatterKind.SAYS_GONE: "an automatic answer says that they are no longer there",
    MatterKind.UNCLASSIFIED: "it was refused for good, and nobody could read why",
    MatterKind.UNREAD: "it came to us and names no letter of ours, or cannot be read",
    MatterKind.NOT_PASSED_ON: "they wrote back, and whoever answers for the list did not get it, or may not have",
    MatterKind.FAREWELL: "their household left, and nobody knows whether the letter that says so arrived",
}

_SENT = frozenset(Judgement) - {Judgement.RESTORE}
#: Matters about a letter of ours; what names none can only be set aside.
MAY_BE: Mapping[MatterKind, frozenset[Judgement]] = {
    MatterKind.UNDELIVERABLE: frozenset(
        {Judgement.RESTORE, Judgement.MOVED, Judgement.UNDELIVERABLE, Judgement.IGNORE}
    ),
    MatterKind.ASKS_TO_LEAVE: _SENT,
    MatterKind.WRONG_PERSON: _SENT,
    MatterKind.MOVED: _SENT,
    MatterKind.REPLY: _SENT,
    MatterKind.SAYS_GONE: _SENT,
    MatterKind.UNCLASSIFIED: _SENT,
    MatterKind.UNREAD: frozenset({Judgement.IGNORE, Judgement.PASSED_ON}),
    MatterKind.NOT_PASSED_ON: _SENT,
    MatterKind.FAREWELL: frozenset({Judgement.IGNORE, Judgement.PASSED_ON}),
}

OF_A_WISH: Mapping[Wish, MatterKind] = {
    Wish.LEAVE: MatterKind.ASKS_TO_LEAVE,
    Wish.WRONG_PERSON: MatterKind.WRONG_PERSON,
    Wish.MOVED: MatterKind.MOVED,
    Wish.REPLY: MatterKind.REPLY,
}
