"""What becomes of a message in the place where it waited, once it has been read (standards B9, B14).

Law of the file: a message is never deleted, whatever becomes of it.
"""

from enum import StrEnum


class Fate(StrEnum):
    """What reading made of a message; every source of reports has its own way to put this into effect."""

    UNDERSTOOD = "understood"
    """Acted on, or known to need nothing: out of the way, as read."""
    KEPT = "kept"
    """For us, but nobody understood it: out of the way, unread, where a person finds it."""
    NOT_OURS = "not_ours"
    """Somebody's letter in a mailbox that people use too: it stays as it is."""
