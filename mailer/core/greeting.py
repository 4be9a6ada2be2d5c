"""What a copy calls the people it speaks to: as display name, in the text and in the HTML (F16, F19, S1).

All but the display name are quoted-printable without the soft break that closes them. Names of letters, digits, single
spaces and hyphens take a quick way, and those of a whole claim are looked at together; all others take the slow way,
which is always right.
"""

import binascii
from collections.abc import Sequence
from functools import lru_cache
from html import escape

from mailer.core import header, quoted_printable

NAMELESS = "friend"
"""What the greeting says where we know no name: “Dear friend,”."""
AND = " and "

Called = tuple[bytes, bytes, bytes]
"""As display name (empty: none), in the text, in the HTML."""

#: For names that come again soon, as that of nobody does; more of them would only grow with the mailing.
_KNOWN_NAMES = 1024
_PAIR = 2
_LONGEST_SHOWN_NAME = 120
_LONGEST_PLAIN_NAME = 60

_IN_NAME = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -"
_FLAG = b"\0"
_FLAGGED = bytes(octet if octet in _IN_NAME + b"\n" else 0 for octet in range(256))
#: Also flagged: two spaces, one at either end of a line, and what mailbox files would take for a separator.
_ODD = ((b"  ", b"\0\0"), (b"\n ", b"\n\0"), (b" \n", b"\0\n"), (b"\nFrom ", b"\n\0rom "))


def called(names: tuple[str, ...]) -> Called:
    """How one copy calls those it is for; a household is shown no display name."""
    quickly = _lettered(AND.join(names)) if len(names) <= _PAIR else None
    if quickly is None:
        return _slowly(names)
    return quickly if len(names) == 1 else (b"", *quickly[1:])


def called_plainly(households: Sequence[tuple[str, ...]]) -> list[Called | None]:
    """The same for many copies, where the quick way serves; None where it does not.

    A name of plain ASCII is looked at in one pass over all of them, which costs a tenth of one look at each.
    """
    names = [names[0] if len(names) == 1 else "" for names in households]
    flagged = ("\n" + "\n".join(names) + "\n").encode("ascii", "replace").translate(_FLAGGED)
    for odd, flag in _ODD:
        flagged = flagged.replace(odd, flag)
    lines = flagged[1:-1].split(b"\n")
    if len(lines) != len(names):  # some name holds a line end
        return [None] * len(names)
    return [
        (line, line, line) if line and _FLAG not in line and len(line) <= _LONGEST_PLAIN_NAME else _lettered(name)
        for line, name in zip(lines, names, strict=True)
    ]


def _lettered(name: str) -> Called | None:
    """Letters and digits of any script are the same in text and in HTML, and one encoded-word holds such a name."""
    bare = name.replace(" ", "").replace("-", "")
    if not bare.isalnum() or "  " in name or name[0] == " " or name[-1] == " " or name.startswith("From "):
        return None
    word = binascii.b2a_qp(name.encode("utf-8"), header=True)
    if len(word) > _LONGEST_PLAIN_NAME:
        return None
    spoken = word.replace(b"_", b" ")
    return spoken if name.isascii() else b"=?utf-8?q?%b?=" % word, spoken, spoken


@lru_cache(maxsize=_KNOWN_NAMES)
def _slowly(names: tuple[str, ...]) -> Called:
    spoken = greeting_names(names)
    known = [name for name in names if name.strip()]
    shown = known[0] if len(known) == 1 and len(known[0]) <= _LONGEST_SHOWN_NAME else ""
    display = header.phrase("To", shown, len("To: ")).encode("ascii") if shown else b""
    return display, closed(spoken), closed(escape(spoken))


def closed(text: str) -> bytes:
    """A value in quoted-printable without the soft break that closes it, which the pattern of the letter holds."""
    return quoted_printable.encode(text).removesuffix(quoted_printable.SOFT_BREAK)


def greeting_names(names: Sequence[str]) -> str:
    """“Ann Smith”, “Ann Smith and Bob Smith”, “Ann, Bob and Cy”; a friend where there is no name."""
    known = [" ".join(header.guard("name", name).split()) for name in names]
    known = [name for name in known if name]
    if not known:
        return NAMELESS
    return AND.join(filter(None, (", ".join(known[:-1]), known[-1])))
