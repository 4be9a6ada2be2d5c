import json

import pytest

from mailer.core.letter import Letter, LetterError, Piece, Slot
from tests.core.lettering import built, letter_of, sample_letter

LETTER = Letter(
    "Subject",
    "=_word",
    (
        Piece(b"a"),
        Piece(b"b", "first"),
        Piece(Slot.NAMES_IN_TEXT, "first"),
        Piece(b"c"),
        Piece(b"d", "north"),
        Piece(Slot.LEAVE_IN_HTML),
    ),
)


def chosen(*segments: str) -> list[bytes | Slot]:
    return [piece.content for piece in LETTER.pieces_of(frozenset(segments))]


def test_a_choice_of_segments_leaves_out_the_pieces_of_others() -> None:
    assert LETTER.segments == {"first", "north"}
    assert chosen() == [b"a", b"c", Slot.LEAVE_IN_HTML]
    assert chosen("north") == [b"a", b"c", b"d", Slot.LEAVE_IN_HTML]
    assert chosen("first", "north") == [b"a", b"b", Slot.NAMES_IN_TEXT, b"c", b"d", Slot.LEAVE_IN_HTML]


def test_a_segment_that_the_letter_lacks_is_refused() -> None:
    with pytest.raises(LetterError, match="no segment south"):
        chosen("south", "north")


@pytest.mark.parametrize("name", ["meeting", "newsletter", "article"])
def test_a_letter_comes_back_from_the_database_as_it_was(name: str) -> None:
    letter = letter_of(name)
    stored = json.dumps(letter.to_json(), ensure_ascii=False)
    assert stored.isascii() or letter.warnings or not letter.subject.isascii()
    again = Letter.from_json(json.loads(stored))
    assert again == letter
    assert again.digest == letter.digest
    assert built(again) == built(letter)


def test_the_digest_tells_letters_apart() -> None:
    assert LETTER.digest != Letter("Subject", "=_word", LETTER.pieces[:-1]).digest
    assert LETTER.digest == Letter("Subject", "=_word", LETTER.pieces, ("a warning",)).digest


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"subject": None},
        {"pieces": "x"},
        {"pieces": [{"octets": "é", "segment": None}]},
        {"pieces": [{"slot": "names", "segment": None}]},
        {"pieces": [{"octets": "a"}]},
        {"pieces": [None]},
    ],
)
def test_a_stored_letter_of_another_shape_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(LetterError):
        Letter.from_json(sample_letter().to_json() | change)
