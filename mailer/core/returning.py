"""What comes back adds up: of one copy it counts once, and of a mailing so much that it stops by itself (3.3, B11).

Law of the file: shares are asked only where there is enough to tell, and only of what came since the mailing last
stopped for this: a person who lets it go on has seen the rest, and is not asked the same again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mailer.core.verdict import Class

#: What is heard of one copy counts once; what is heavier counts again. A complaint is another matter.
_WEIGHT = {Class.SOFT: 1, Class.DISABLED: 1, Class.UNCLASSIFIED_PERMANENT: 1, Class.HARD: 2}

#: RFC 3463 section 3.8: a server's policy, refused for good. It speaks of the sender or the letter, not of a person.
_BLOCKS = "5.7."


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may come back; config.toml, section [bounces]."""

    hard_percent: int = 5
    hard_of_at_least: int = 50
    complaints_per_thousand: int = 1
    complaints_at_least: int = 2
    blocked_in_a_row: int = 3


@dataclass(frozen=True, slots=True)
class Tally:
    """Letters of one mailing that were answered for good, the dead addresses among them, and the complaints."""

    attempted: int = 0
    hard: int = 0
    complaints: int = 0

    def since(self, earlier: "Tally") -> "Tally":
        """What came after an earlier tally."""
        return Tally(
            max(0, self.attempted - earlier.attempted),
            max(0, self.hard - earlier.hard),
            max(0, self.complaints - earlier.complaints),
        )


@dataclass(frozen=True, slots=True)
class Answered:
    """A domain's answer about one letter, and whether it was that it takes none from us."""

    domain: str
    blocks: bool


def answered(address: str, status: str | None) -> Answered:
    """What a final answer with this enhanced status says of the address's domain."""
    return Answered(address.rpartition("@")[2].lower(), (status or "").startswith(_BLOCKS))


def runs(before: Mapping[str, int], answers: Iterable[Answered]) -> dict[str, int]:
    """How often in a row each domain that answered has refused us by now: any other answer ends its run."""
    now: dict[str, int] = {}
    for answer in answers:
        run = now.get(answer.domain, before.get(answer.domain, 0))
        now[answer.domain] = run + 1 if answer.blocks else 0
    return now


def adds_something(heard: Class, earlier: Iterable[str]) -> bool:
    """Whether an answer about a copy says more of its mailbox than the earlier ones, in whatever order they came."""
    if heard is Class.COMPLAINT:
        return True
    return _WEIGHT.get(heard, 0) > max((_WEIGHT.get(Class(each), 0) for each in earlier if each), default=0)


def may_be_too_much(tally: Tally, bounds: Bounds) -> bool:
    """Whether there is so much that the letters attempted should be counted exactly: `attempted` is an estimate."""
    doubled = Tally(tally.attempted // 2, tally.hard, tally.complaints)
    enough = Tally(max(doubled.attempted, bounds.hard_of_at_least), tally.hard, tally.complaints)
    return too_much(doubled, bounds) is not None or too_much(enough, bounds) is not None


def too_much(tally: Tally, bounds: Bounds) -> str | None:
    """Why the mailing should stop, in words; None if it may go on."""
    hard, complaints, attempted = tally.hard, tally.complaints, tally.attempted
    if attempted >= bounds.hard_of_at_least and hard * 100 >= bounds.hard_percent * attempted:
        return f"Too much comes back: {hard} of {attempted} addresses are gone. Is this list an old one?"
    share = complaints * 1000 >= bounds.complaints_per_thousand * attempted
    if attempted and complaints >= bounds.complaints_at_least and share:
        return f"{complaints} of {attempted} readers called this letter unwanted."
    return None


def blocked(in_a_row: Mapping[str, int], bounds: Bounds) -> str | None:
    """Why the mailing should stop where a domain refuses us, letter after letter; None if none does."""
    worst = max(in_a_row, key=lambda domain: in_a_row[domain], default=None)
    if worst is None or in_a_row[worst] < bounds.blocked_in_a_row:
        return None
    return f"{worst} refuses our letters, not its people: {in_a_row[worst]} in a row."
