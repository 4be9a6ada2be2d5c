"""How well a reader of bounces knows a corpus: counters that add up, and their ratios."""

from dataclasses import dataclass, fields

from mailer.bench.bounce_corpus import FAILED, Truth
from mailer.bench.bounce_readers import Answer, Reading


@dataclass(frozen=True, slots=True)
class Score:
    """Counters of one reader over one corpus; the properties are their ratios."""

    reader: str
    messages: int = 0
    rows: int = 0
    recalled: int = 0
    named: int = 0
    rightly: int = 0
    judged: int = 0
    judged_rightly: int = 0
    living: int = 0
    false_hard: int = 0
    statuses: int = 0
    statuses_rightly: int = 0
    complaints: int = 0
    complaints_read: int = 0
    ordinary: int = 0
    ordinary_bounced: int = 0
    raised: int = 0
    seconds: float = 0.0
    slowest_ms: float = 0.0

    def __add__(self, other: "Score") -> "Score":
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self) if f.name != "reader"}
        return Score(self.reader, **(sums | {"slowest_ms": max(self.slowest_ms, other.slowest_ms)}))

    def ratios(self) -> dict[str, float | None]:
        """The columns of the table, each a share of 1, or None where the corpus says nothing."""
        pairs = {
            "recall": (self.recalled, self.rows),
            "precision": (self.rightly, self.named),
            "dead or living": (self.judged_rightly, self.judged),
            "false hard": (self.false_hard, self.living),
            "status": (self.statuses_rightly, self.statuses),
            "complaints": (self.complaints_read, self.complaints),
        }
        return {name: part / whole if whole else None for name, (part, whole) in pairs.items()}


def score(name: str, truths: list[Truth], readings: list[Reading]) -> Score:
    """The sum over all mails."""
    total = Score(name)
    for truth, reading in zip(truths, readings, strict=True):
        total += _score_one(name, truth, reading)
    return total


def _score_one(name: str, truth: Truth, reading: Reading) -> Score:
    taken = reading.seconds
    counts: dict[str, int] = {"messages": 1, "raised": reading.answers is None}
    answers = reading.answers or ()
    kinds = {answer.kind for answer in answers}
    failed = not kinds.isdisjoint(FAILED)
    if truth.kind == "complaint":
        counts |= {"complaints": 1, "complaints_read": "complaint" in kinds and not failed}
    elif truth.kind == "bounce":
        counts |= _score_bounce(truth, answers)
    elif truth.kind is not None:
        counts |= {"ordinary": 1, "ordinary_bounced": failed}
    return Score(name, **counts, seconds=taken, slowest_ms=taken * 1000)


def _score_bounce(truth: Truth, answers: tuple[Answer, ...]) -> dict[str, int]:
    said = {
        _plain(answer.recipient): answer for answer in reversed(answers) if answer.kind in FAILED and answer.recipient
    }
    counts = {"rows": len(truth.failed)}
    for who, (status, dead) in truth.failed.items():
        alias = next((said[a] for a in sorted(truth.aliases) if a in said), None) if len(truth.failed) == 1 else None
        hit = said.get(who, alias)
        if hit is None:
            continue
        hard = hit.kind == "hard"
        _count(counts, "recalled", True)
        _count(counts, "judged", dead is not None)
        _count(counts, "judged_rightly", dead is not None and hard == dead)
        _count(counts, "living", dead is False)
        _count(counts, "false_hard", dead is False and hard)
        _count(counts, "statuses", status is not None)
        _count(counts, "statuses_rightly", status is not None and hit.status == status)
    if truth.whole:
        named = set(said) - truth.aliases
        counts |= {"named": len(named), "rightly": len(named & set(truth.failed))}
    return counts


def _count(counts: dict[str, int], name: str, it_is: bool) -> None:
    counts[name] = counts.get(name, 0) + it_is


def _plain(address: str | None) -> str:
    return (address or "").strip().strip("<>").lower()
