"""A mailbox read over IMAP so that nothing in it is lost, and nothing of other people's is touched (B9, B10).

Law of the file: we fetch with PEEK, which marks nothing as seen; we move, or flag where the server cannot move; we
never delete and never expunge, which would remove what others have marked. So imap-tools' own `fetch`, `flag` and
`move` are not used: the first reads without a limit, the others may expunge.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from imap_tools import BaseMailBox

from mailer.core.bounce.fate import Fate
from mailer.transport.imap_session import Account, faults_of, session
from mailer.transport.maildir import READ_LIMIT, GoneError

#: Our own folders in the mailbox, which every mail program shows: Mailer/Read and Mailer/Kept.
_ROOT, READ, KEPT = "Mailer", "Read", "Kept"

_PERSONAL = re.compile(rb'\(\("([^"]*)" "([^"])"')
_DELIMITER = re.compile(rb'\([^)]*\) "([^"])"')


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message that nobody has dealt with."""

    inbox: "Inbox"
    uid: int

    @property
    def name(self) -> str:
        """Where it lies."""
        return f"{self.inbox.account}, message {self.uid}"

    def read(self, limit: int = READ_LIMIT) -> bytes:
        """At most `limit` bytes of it, fetched without marking it as seen."""
        return self.inbox.fetch(self.uid, limit)

    def done(self, fate: Fate) -> None:
        """Put it where its fate says: to Mailer/Read as seen, to Mailer/Kept for a person, or nowhere."""
        if fate is Fate.UNDERSTOOD:
            self.inbox.flag(self.uid, r"\Seen")
            self.inbox.move(self.uid, READ)
        elif fate is Fate.KEPT and not self.inbox.move(self.uid, KEPT):
            self.inbox.flag(self.uid, r"\Flagged")


@contextmanager
def opened(account: Account) -> Iterator["Inbox"]:
    """The account's folder, for as long as the block lasts."""
    with session(account) as box:
        with faults_of(account):
            inbox = Inbox(account, box)
        yield inbox


class Inbox:
    """The open folder. Its uids only grow, and mean something only together with its `validity` (RFC 3501 2.3.1.1)."""

    def __init__(self, account: Account, box: BaseMailBox) -> None:
        self.account = account
        self._box, self._client = box, box.client
        # Servers offer more once they know who asks; what imaplib heard before counts no longer.
        self._offers = frozenset(_first(self._client.capability()[1]).decode("ascii", "replace").upper().split())
        box.folder.set(account.folder)
        self.validity = int(_first(self._client.response("UIDVALIDITY")[1]) or 0)
        self._prefix, self._delimiter = self._names()
        self._made: set[str] = set()

    def after(self, uid: int) -> list[Waiting]:
        """What came after the message of this uid, oldest first."""
        with faults_of(self.account):
            found = self._box.uids(f"UID {uid + 1}:* UNDELETED", charset=None)
        # `n:*` always holds the newest message, even where its uid is below n (RFC 3501 section 6.4.8).
        return [Waiting(self, number) for number in sorted(map(int, found)) if number > uid]

    def fetch(self, uid: int, limit: int) -> bytes:
        """The beginning of a message, unseen; GoneError if the server does not give it."""
        with faults_of(self.account):
            status, parts = self._client.uid("FETCH", str(uid), f"(BODY.PEEK[]<0.{limit}>)")
        bodies = [part[1] for part in parts if isinstance(part, tuple) and b"BODY[" in part[0].upper()]
        if status != "OK" or not bodies:
            raise GoneError(f"message {uid} of {self.account} was not given out; nothing to do")
        return bytes(bodies[0][:limit])

    def move(self, uid: int, name: str) -> bool:
        """Into a folder of ours, made when it is first needed; False where the server cannot or will not."""
        if "MOVE" not in self._offers:
            return False
        folder = self._quoted(name)
        with faults_of(self.account):
            if folder not in self._made:
                self._client.create(folder)  # NO means that it is there already
                self._client.subscribe(folder)
                self._made.add(folder)
            return bool(self._client.uid("MOVE", str(uid), folder)[0] == "OK")

    def flag(self, uid: int, flag: str) -> None:
        """Set one flag and touch nothing else."""
        with faults_of(self.account):
            self._client.uid("STORE", str(uid), "+FLAGS.SILENT", f"({flag})")

    def wait(self, seconds: int, stopping: Callable[[], bool]) -> bool:
        """Whether something came within so many seconds; at once False where the server offers no IDLE (RFC 2177)."""
        if "IDLE" not in self._offers:
            return False
        with faults_of(self.account), self._box.idle as idle:
            for _ in range(seconds):
                if stopping():
                    return False
                if any(b"EXISTS" in line for line in idle.poll(timeout=1)):
                    return True
        return False

    def _names(self) -> tuple[str, str]:
        """What the names of our folders begin with, and the sign between their parts: both are the server's choice."""
        if "NAMESPACE" in self._offers and (found := _PERSONAL.match(_first(self._client.namespace()[1]))):
            return found[1].decode("ascii", "replace"), found[2].decode("ascii", "replace")
        found = _DELIMITER.match(_first(self._client.list('""', '""')[1]))
        return "", found[1].decode("ascii", "replace") if found else "/"

    def _quoted(self, name: str) -> str:
        path = f"{self._prefix}{_ROOT}{self._delimiter}{name}"
        return '"' + path.replace("\\", r"\\").replace('"', r"\"") + '"'


def _first(lines: Sequence[object]) -> bytes:
    """The first line of an answer."""
    return next((line for line in lines if isinstance(line, bytes)), b"")
