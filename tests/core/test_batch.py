"""A claim made ready at once: each letter is octet for octet what the builder makes of that copy alone."""

from dataclasses import dataclass, replace
from functools import partial

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailer.core.address import AddressError
from mailer.core.batch import Batch, Copier, Marks
from mailer.core.dkim import Signer, public_record
from mailer.core.errors import MailerError
from mailer.core.header import HeaderError
from mailer.core.leave_address import leave_mailto
from mailer.core.letter import LetterError, Piece
from mailer.core.personalise import Builder, CopyError, CopyValues
from mailer.core.seal import Seal
from mailer.core.token import Keyring, Purpose, TokenError, message_id, return_path
from mailer.transport.payload import check_payload, dot_stuffed
from tests.core.lettering import HEADERS, VALUES, hostile_text, letter_of, sample_letter

RING = Keyring({3: b"k" * 32})
MARKS = Marks(RING, "letters.example.org", "bounce.example.org", "https://letters.example.org/u/")
BY_MAIL = replace(MARKS, leave_by_mail=True)
ON_LOOPBACK = replace(MARKS, leave_prefix="http://127.0.0.1:8000/u/")
FIRST = frozenset({"first"})
DATE = VALUES.date
SIGNERS = tuple(
    Signer("example.org", selector, key)
    for selector, key in (("s1", rsa.generate_private_key(65537, 2048)), ("s2", ed25519.Ed25519PrivateKey.generate()))
)


@dataclass(frozen=True)
class Person:
    address: str = "ann@example.net"
    names: tuple[str, ...] = ("Ann Smith",)
    handle: int = 0x0123456789ABCDEF
    segments: frozenset[str] = frozenset()


def alone(builder: Builder, marks: Marks, person: Person) -> tuple[bytes, bytes]:
    """The same copy by the way on which everything is looked at."""
    values = CopyValues(
        person.address,
        person.names,
        message_id(RING, person.handle, marks.mail_domain).strip("<>"),
        marks.leave_prefix + RING.sign(Purpose.LEAVE, person.handle),
        DATE,
        person.segments,
        leave_mailto(RING, person.handle, marks.bounce_domain) if marks.leave_by_mail else None,
    )
    return return_path(RING, person.handle, marks.bounce_domain).encode(), builder.build(values)


def together(builder: Builder, marks: Marks, people: list[Person]) -> list[tuple[bytes, bytes]]:
    batch = Copier(builder, marks).batch(people)
    return [whole(batch, place) for place in range(len(people))]


def whole(batch: Batch, place: int, date: str = DATE) -> tuple[bytes, bytes]:
    """Return path and message, its parts put together."""
    return_path, parts = batch.letter(place, date)
    return return_path, b"".join(parts)


NAMES = st.one_of(
    st.just(()),
    st.lists(hostile_text | st.text(alphabet="ab F=.é中-'", max_size=70), min_size=1, max_size=2).map(tuple),
    st.sampled_from([("From Ann",), (" Ann",), ("Ann ",), ("A  B",), ("Zoë Müller-Lüdenscheidt",), ("中" * 9,), ("",)]),
)
ADDRESSES = st.one_of(
    st.sampled_from(
        [
            "ann@example.net",
            "o'brien+x@example.net",
            "x" * 70 + "@example.net",
            "zoë@example.net",
            "a@b@c",
            "",
            "@",
            "x\n@example.net",
        ]
    ),
    st.from_regex(r"\A[a-z.+-]{1,60}@[a-z]{1,8}\.example\.net\Z"),
)
PEOPLE = st.builds(Person, ADDRESSES, NAMES, st.integers(0, 2**64 - 1), st.sampled_from([frozenset(), FIRST]))


@settings(max_examples=150, deadline=None)
@given(st.lists(PEOPLE, min_size=1, max_size=6), st.sampled_from([MARKS, BY_MAIL, ON_LOOPBACK]))
@example([Person(), Person(names=("Ann\nBob",)), Person(handle=1)], MARKS)
@example([Person(address="a@example.net\nb"), Person(address="@\n@"), Person(handle=1)], MARKS)
def test_each_letter_is_what_the_builder_makes_of_the_copy_alone(people: list[Person], marks: Marks) -> None:
    builder = Builder(letter_of("meeting"), HEADERS)
    batch = Copier(builder, marks).batch(people)
    for place, person in enumerate(people):
        try:
            expected = alone(builder, marks, person)
        except MailerError as refusal:
            with pytest.raises(type(refusal)):
                batch.letter(place, DATE)
        else:
            assert whole(batch, place) == expected


@given(st.lists(PEOPLE, max_size=4), st.lists(PEOPLE, max_size=4))
def test_copies_that_are_added_are_those_of_a_batch_with_all(first: list[Person], more: list[Person]) -> None:
    copier = Copier(Builder(letter_of("meeting"), HEADERS), BY_MAIL)
    batch, all_together = copier.batch(first), copier.batch([*first, *more])
    assert batch.add(more) == range(len(first), len(first) + len(more))
    for place in range(len(first) + len(more)):
        try:
            expected = whole(all_together, place)
        except MailerError as refusal:
            with pytest.raises(type(refusal)):
                batch.letter(place, DATE)
        else:
            assert whole(batch, place) == expected


def test_a_link_that_html_or_quoted_printable_would_change_is_encoded_for_each() -> None:
    builder, odd = Builder(sample_letter(), HEADERS), replace(MARKS, leave_prefix="https://l.example.org/?a=1&u=")
    assert together(builder, odd, [Person()]) == [alone(builder, odd, Person())]
    assert b"&amp;u=3D" in together(builder, odd, [Person()])[0][1]


def test_a_signed_letter_is_what_the_builder_signs_and_verifies() -> None:
    """D4, L3: the headers that all share are made ready once, and every key signs over one body hash."""
    builder = Builder(letter_of("meeting"), HEADERS, Seal(SIGNERS[1:], lambda: 1_700_000_000))
    people = [Person(), Person(names=("Zoë",), segments=FIRST), Person(names=("Ann", "Bob"), address="o'b@example.net")]
    for marks in (MARKS, BY_MAIL):
        assert together(builder, marks, people) == [alone(builder, marks, person) for person in people]
    both = Builder(letter_of("meeting"), HEADERS, Seal(SIGNERS, lambda: 1_700_000_000))
    records = {f"{each.record_name}.".encode(): public_record(each).encode() for each in SIGNERS}
    for _, raw in (*together(both, MARKS, people), *together(both, BY_MAIL, people)):
        verifies = [
            partial(dkim.DKIM(raw).verify, idx, dnsfunc=lambda name, **_: records.get(name)) for idx in range(2)
        ]
        assert [verify() for verify in verifies] == [True, True]
        assert not dkim.verify(raw.replace(b"Dear", b"Deer", 1), dnsfunc=lambda name, **_: records.get(name))


def test_a_letter_whose_pieces_are_not_relaxed_is_signed_all_the_same() -> None:
    """A stored letter of another make: its body is looked at, and the signature holds."""
    letter = letter_of("meeting")
    odd = replace(letter, pieces=tuple(replace(p, content=_spaced(p.content)) for p in letter.pieces))
    builder = Builder(odd, HEADERS, Seal(SIGNERS[:1], lambda: 1_700_000_000))
    records = {f"{SIGNERS[0].record_name}.".encode(): public_record(SIGNERS[0]).encode()}
    (_, raw), *_ = together(builder, MARKS, [Person()])
    assert b"</html>  " in raw
    assert dkim.verify(raw, dnsfunc=lambda name, **_: records.get(name))


def _spaced(content: object) -> object:
    return content.replace(b"</html>", b"</html>  ") if isinstance(content, bytes) else content


@pytest.mark.parametrize(
    "octets", [b".\r\n", b"a\nb", b"a\rb", b"a\r\n.b", b"a\x00\r\n", b"\xe9\r\n", b"no line end before a value"]
)
def test_a_stored_letter_that_must_not_travel_as_it_is_is_refused(octets: bytes) -> None:
    """F3-F6: what is true of all copies is judged once, and not octet by octet of each."""
    letter = letter_of("meeting")
    place = next(index for index, piece in enumerate(letter.pieces) if not isinstance(piece.content, bytes))
    pieces = (*letter.pieces[:place], Piece(b"a\r\n" * (octets == b".\r\n") + octets), *letter.pieces[place:])
    with pytest.raises(LetterError, match="must not travel"):
        together(Builder(replace(letter, pieces=pieces), HEADERS), MARKS, [Person()])


@settings(max_examples=60, deadline=None)
@given(st.lists(PEOPLE, min_size=1, max_size=4))
def test_every_letter_is_fit_for_the_wire_as_it_is(people: list[Person]) -> None:
    batch = Copier(Builder(letter_of("newsletter"), HEADERS), MARKS).batch(people)
    for place, person in enumerate(people):
        try:
            _, raw = whole(batch, place)
        except MailerError:
            continue
        check_payload(raw, ascii_only=person.address.isascii())
        assert dot_stuffed(raw) is raw


def test_one_copy_that_cannot_be_written_does_not_stop_the_others() -> None:
    people = [Person(), Person(address="b@example.org\r\nBcc: evil@example.net"), Person(names=("A\r\nB",)), Person()]
    batch = Copier(Builder(sample_letter(), HEADERS), MARKS).batch(people)
    assert batch.letter(0, DATE)[1] == batch.letter(3, DATE)[1]
    with pytest.raises(AddressError):
        batch.letter(1, DATE)
    with pytest.raises(HeaderError):
        batch.letter(2, DATE)
    with pytest.raises(LetterError):
        Copier(Builder(sample_letter(), HEADERS), MARKS).batch([Person(segments=frozenset({"north"}))]).letter(0, DATE)


def test_a_date_that_changes_within_a_claim_is_seen() -> None:
    batch = Copier(Builder(sample_letter(), HEADERS), MARKS).batch([Person()])
    for second in range(3):
        date = f"Tue, 01 Dec 2026 09:00:0{second} +0000"
        assert f"\r\nDate: {date}\r\n".encode() in whole(batch, 0, date)[1]
    with pytest.raises(HeaderError):
        batch.letter(0, "tomorrow\r\nBcc: evil@example.net")


def test_an_empty_claim_is_no_fault() -> None:
    Copier(Builder(sample_letter(), HEADERS), MARKS).batch([])


@pytest.mark.parametrize("handle", [-1, 2**64])
def test_a_handle_that_does_not_fit_is_refused(handle: int) -> None:
    with pytest.raises(TokenError, match="64 bits"):
        Copier(Builder(sample_letter(), HEADERS), MARKS).batch([Person(handle=handle)])


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"leave_prefix": "http://letters.example.org/u/"}, CopyError),
        ({"leave_prefix": "https://letters.example.org/u/\r\nBcc: x"}, CopyError),
        ({"mail_domain": "exa mple.org"}, HeaderError),
        ({"bounce_domain": "bounce..example.org"}, AddressError),
    ],
)
def test_marks_that_no_letter_may_bear_are_refused_at_once(change: dict[str, str], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        replace(MARKS, **change)  # type: ignore[arg-type]
