"""The bounce reader beside its peers: flufl.bounce, and Sisimai where Debian's libsisimai-perl is installed.

`mailer bench bounces` reads our own specimens; given a corpus (`bounce_corpus`), that.
"""

import email
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from mailer.bench.bounce_corpus import corpus
from mailer.bench.bounce_readers import Answer, flufl, has_sisimai, ours, sisimai, timed
from mailer.bench.bounce_score import Score, score
from mailer.bench.frame import Report, Row, compared, in_turn, peak_mib, this_machine
from mailer.bench.wire import BenchRefused
from mailer.core.bounce import read


@dataclass(frozen=True, slots=True)
class Comparison:
    """The readers beside one another, and how fast the standard library parses the same mails."""

    corpus: str
    scores: tuple[Score, ...]
    parsed_per_second: float

    def to_json(self) -> dict[str, object]:
        rows = [asdict(score) | score.ratios() | {"per_second": _rate(score)} for score in self.scores]
        return {"corpus": self.corpus, "parsed_per_second": self.parsed_per_second, "readers": rows}

    def markdown(self) -> str:
        """The table as docs/performance.md shows it."""
        head = (
            "reader",
            *self.scores[0].ratios(),
            "ordinary called a bounce",
            "raised",
            "mails/s",
            "of parsing",
            "slowest",
        )
        lines = [_line(head), "|---|" + "--:|" * (len(head) - 1)]
        return "\n".join([*lines, *(_line(self._cells(score)) for score in self.scores)])

    def _cells(self, score: Score) -> tuple[str, ...]:
        shares = ("-" if share is None else f"{100 * share:.1f} %" for share in score.ratios().values())
        wrongly, rate = f"{score.ordinary_bounced} of {score.ordinary}", _rate(score)
        speed = (f"{rate:,.0f}", f"{rate / self.parsed_per_second:.2f}", f"{score.slowest_ms:.1f} ms")
        return (score.reader, *shares, wrongly, str(score.raised), *speed)


def run(folder: Path | None = None) -> Report:
    """`mailer bench bounces`: all readers over a corpus, and ours against bare parsing, in turn."""
    found = compare(folder)
    raws = [truth.raw for truth in corpus(folder)]
    rounds = in_turn(lambda: _per_second(raws, read), lambda: _per_second(raws, email.message_from_bytes))
    rows = [compared("read", "mails/s", "email.message_from_bytes", rounds, must="0.5x" if folder else "")]
    for one in found.scores:
        shares = ((what, 100 * share) for what, share in one.ratios().items() if share is not None)
        rows += [Row(f"{one.reader}: {what}", "%", share) for what, share in shares]
        rows += [
            Row(f"{one.reader}: slowest", "ms", one.slowest_ms),
            Row(f"{one.reader}: raised", "", one.raised),
        ]
        rows += [Row(f"{one.reader}: ordinary mails called bounces", "", one.ordinary_bounced)]
    return Report("bounces", tuple(rows), peak_mib(), this_machine(), {"table": "\n" + found.markdown()})


def compare(folder: Path | None = None) -> Comparison:
    """Ours beside each peer that is installed."""
    truths = list(corpus(folder))
    if not truths:
        raise BenchRefused(f"There are no mails with their truths in {folder}: name the folder that holds the corpora.")
    # By turns, mail by mail, so that the machine's moods cancel.
    turns = [(timed(ours, mail.raw), timed(_parse, mail.raw)) for mail in truths]
    scores = [
        score("ours", truths, [reading for reading, _ in turns]),
        score("flufl.bounce", truths, [timed(flufl, mail.raw) for mail in truths]),
    ]
    if has_sisimai():
        scores.append(score("Sisimai (Perl)", truths, sisimai([mail.path for mail in truths])))
    parsed = len(turns) / sum(bare.seconds for _, bare in turns)
    return Comparison(str(folder or "specimens"), tuple(scores), parsed)


def _parse(raw: bytes) -> tuple[Answer, ...]:
    email.message_from_bytes(raw)
    return ()


def _per_second(raws: list[bytes], reader: Callable[[bytes], object]) -> float:
    began = time.perf_counter()
    for raw in raws:
        reader(raw)
    return len(raws) / (time.perf_counter() - began)


def _rate(score: Score) -> float:
    return score.messages / score.seconds if score.seconds else 0.0


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"
