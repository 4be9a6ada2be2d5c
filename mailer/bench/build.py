"""`mailer bench build`: from a claimed copy to its octets, beside joining pieces that lie ready.

The names are all different and one in ten is not ASCII; tokens, return path and Message-ID are made inside the timing.
Letters are kept in a ring of 64, as a sender keeps those it has not been answered, so that memory is as cold as it is
there. CPU seconds are counted: building waits for nothing.
"""

from collections.abc import Callable, Sequence
from time import process_time

from mailer.bench import sample
from mailer.bench.frame import ROUNDS, Report, compared, in_turn, peak_mib, this_machine
from mailer.bench.sample import DATE, MARKS, Person
from mailer.core.batch import Copier
from mailer.core.greeting import called
from mailer.core.letter import Letter
from mailer.core.personalise import Builder, opening
from mailer.core.token import Purpose

CLAIM = 500
RING = 64


def run(letters: int = 20_000, rounds: int = ROUNDS) -> Report:
    """Letters a second of one process."""
    letter = sample.letter()
    plain, regional = _copier(letter), _copier(sample.with_inserts(letter))
    people, in_regions = sample.people(letters), sample.people(letters, sample.REGIONS)
    ready = [_ready(plain, person) for person in people]
    size = sum(map(len, plain.batch(people[:1]).letter(0, DATE)[1]))
    build, join = (lambda: _built(plain, people)), (lambda: _joined(ready))
    rows = (
        compared(
            f"building a letter of {size:,} octets", "letters/s", "joining ready pieces", in_turn(build, join, rounds),
            must="0.25x", aim="0.5x",
        ),
        compared(
            "building with 16 regional inserts", "letters/s", "without",
            in_turn(lambda: _built(regional, in_regions), build, rounds), must="0.5x", aim="0.8x",
        ),
    )  # fmt: skip
    return Report("build", rows, peak_mib(), this_machine())


def _copier(letter: Letter) -> Copier:
    return Copier(Builder(letter, sample.HEADERS), MARKS)


def _built(copier: Copier, people: Sequence[Person]) -> float:
    ring: list[object] = [None] * RING

    def build() -> None:
        for start in range(0, len(people), CLAIM):
            batch = copier.batch(people[start : start + CLAIM])
            for place in range(min(CLAIM, len(people) - start)):
                path, parts = batch.letter(place, DATE)
                ring[place % RING] = path, b"".join(parts)

    return _rate(build, len(people))


def _joined(ready: Sequence[tuple[bytes, ...]]) -> float:
    ring: list[object] = [None] * RING

    def join() -> None:
        for place, pieces in enumerate(ready):
            ring[place % RING] = b"".join(pieces)

    return _rate(join, len(ready))


def _ready(copier: Copier, person: Person) -> tuple[bytes, ...]:
    """The pieces of a person's letter: their own are made one by one, and must make the very same letter."""
    display, in_text, in_html = called(person.names)
    message_id = MARKS.keyring.sign_folded(Purpose.MESSAGE_ID, person.handle).encode()
    link = (MARKS.leave_prefix + MARKS.keyring.sign(Purpose.LEAVE, person.handle)).encode()
    values = (display, opening(display, person.address), person.address.encode(), copier.dated(DATE), message_id, link)
    _, *body = copier.pattern(person.segments).filled((b"", in_text, in_html, link))
    pieces = (*copier.head(values), *body)
    if b"".join(pieces) != b"".join(copier.batch([person]).letter(0, DATE)[1]):
        raise AssertionError(f"two ways to build the letter to {person.address} differ")
    return pieces


def _rate(work: Callable[[], None], count: int) -> float:
    begun = process_time()
    work()
    return count / (process_time() - begun)
