"""What an import would change: nobody by guess, nobody revived, and nothing by the same file again."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.address import Address, fold_name, normal, parse
from mailer.core.audience import Standing
from mailer.core.changeset import Changeset, Departure, FieldChange, Withheld, plan
from mailer.core.consent import Channel
from mailer.core.membercolumn import Column
from mailer.core.membermatch import IN_WORDS, Consented, Doubt, KnownMember, KnownMembers, Left
from mailer.core.memberrow import Row, StatedConsent, StatedDeparture

TODAY = date(2026, 11, 22)
MAY, JUNE, JULY = date(2026, 5, 1), date(2026, 6, 1), date(2026, 7, 1)
NEWS, NORFOLK, SUFFOLK = 1, 21, 22
NOTICES = frozenset({NORFOLK, SUFFOLK})
SHARED = parse("home@example.org")
ANN = KnownMember(7, "A1", "Ann Lee", SHARED, Standing.MEMBER, frozenset({2}), "0123", "1 High St", "en")
#: Ann's partner, at the same mailbox, without a number.
BEN = KnownMember(8, None, "Ben Okoro", SHARED, Standing.SUPPORTER)


def consent(given: date, stream: int = NEWS, kin: frozenset[int] | None = None) -> StatedConsent:
    return StatedConsent(stream, kin or frozenset({stream}), given, Channel.PAPER_FORM, 1, "form 7")


def departure(on: date, *streams: int, kin: frozenset[int] | None = None) -> StatedDeparture:
    return StatedDeparture(frozenset(streams), kin or frozenset(streams), on, Channel.POST)


def planned(
    *rows: Row,
    known: tuple[KnownMember, ...] = (ANN, BEN),
    mailbox: Callable[[str], bool] = lambda _: False,
    person: Callable[[str, str], bool] = lambda *_: False,
) -> Changeset:
    return plan(rows, KnownMembers.of(known, mailbox, person), TODAY)


def doubts(changeset: Changeset) -> list[tuple[int, Doubt, int | None]]:
    return [(u.row.line, u.doubt, u.member) for u in changeset.undecided]


def apply(known: tuple[KnownMember, ...], changeset: Changeset) -> tuple[KnownMember, ...]:
    """The members after the changes, as an action would leave them; one mailbox is spelt in one way."""
    members = {member.id: member for member in known}
    for new in changeset.new:
        row, number = new.row, max(members, default=0) + 1
        assert row.name
        blank = KnownMember(number, row.number, row.name, row.address, new.standing)
        facts = {name: getattr(row, name) for name in ("regions", "telephone", "postal_address", "language")}
        members[number] = replace(blank, **{name: fact for name, fact in facts.items() if fact is not None})
        _apply_ledger(members, number, new.departures, new.consents)
    for changed in changeset.changed:
        after = {
            "address" if f.column is Column.EMAIL else f.column.replace(" ", "_"): (
                changed.row.address if f.column is Column.EMAIL else f.after
            )
            for f in changed.fields
        }
        members[changed.member.id] = replace(members[changed.member.id], **after)  # type: ignore[arg-type]
        _apply_ledger(members, changed.member.id, changed.departures, changed.consents)
    boxes: dict[str, Address] = {}
    return tuple(
        replace(member, address=boxes.setdefault(normal(member.address), member.address)) if member.address else member
        for member in members.values()
    )


def _apply_ledger(
    members: dict[int, KnownMember],
    member: int,
    departures: tuple[Departure, ...],
    consents: tuple[StatedConsent, ...],
) -> None:
    streams = dict(members[member].streams)
    streams |= {gone.stream: Left(gone.on) for gone in departures}
    streams |= {given.stream: Consented(given.given, given.wording, given.channel) for given in consents}
    members[member] = replace(members[member], streams=streams)


def test_a_member_is_found_by_number_and_each_change_is_named() -> None:
    address = parse("ann@example.net")
    row = Row(2, "A1", "Ann Lee-Smith", address, Standing.SUPPORTER, frozenset({3}), "0456", None, "en")
    (changed,) = planned(row).changed
    assert changed.member is ANN
    assert changed.fields == (
        FieldChange(Column.NAME, "Ann Lee", "Ann Lee-Smith"),
        FieldChange(Column.EMAIL, "home@example.org", "ann@example.net"),
        FieldChange(Column.STANDING, Standing.MEMBER, Standing.SUPPORTER),
        FieldChange(Column.REGIONS, frozenset({2}), frozenset({3})),
        FieldChange(Column.TELEPHONE, "0123", "0456"),
    )


def test_an_empty_cell_and_an_absent_member_change_nothing() -> None:
    changeset = planned(Row(2, "A1"))
    assert (changeset.unchanged, changeset.changes_nothing, changeset.undecided) == ((ANN,), True, ())
    assert planned().changes_nothing


def test_without_a_number_mailbox_and_folded_name_are_enough() -> None:
    address = parse("HOME@example.org")
    assert planned(Row(2, None, "ANN LEE", SHARED)).changed[0].member is ANN
    (changed,) = planned(Row(2, "B2", "ben okoro", address, telephone="0789")).changed
    assert changed.member is BEN
    assert [(f.column, f.before, f.after) for f in changed.fields] == [
        (Column.NUMBER, None, "B2"),
        (Column.NAME, "Ben Okoro", "ben okoro"),
        (Column.TELEPHONE, None, "0789"),
    ]


def test_someone_new_needs_a_name_and_something_to_be_found_by() -> None:
    newcomers = (
        Row(2, "C3", "Cat Ray"),
        Row(3, None, "Dee Fox", SHARED),
        Row(4, None, "Eve Roe"),
        Row(5, None, None, SHARED),
        Row(6, "F6"),
    )
    changeset = planned(*newcomers)
    assert [new.row.line for new in changeset.new] == [2, 3]
    assert doubts(changeset) == [
        (4, Doubt.NOT_TO_BE_FOUND_AGAIN, None),
        (5, Doubt.NO_NAME, None),
        (6, Doubt.NO_NAME, None),
    ]


def test_someone_new_without_a_standing_only_claims_one() -> None:
    changeset = planned(Row(2, "C3", "Cat Ray"), Row(3, "D4", "Dee Fox", standing=Standing.MEMBER))
    assert [new.standing for new in changeset.new] == [Standing.CLAIMED, Standing.MEMBER]
    assert [(c.line, c.column) for c in changeset.complaints] == [(2, "standing")]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([Row(2, "A1", "Bob Ray")], [(2, Doubt.OTHER_NAME, 7)]),
        ([Row(2, "A1", "A. Ray")], [(2, Doubt.OTHER_NAME, 7)]),
        ([Row(2, "Z9", "Ann Lee", SHARED)], [(2, Doubt.OTHER_NUMBER, 7)]),
        (
            [Row(2, "C3", "Cat Ray"), Row(3, "C3", "Cat Ray")],
            [(2, Doubt.NUMBER_TWICE, None), (3, Doubt.NUMBER_TWICE, None)],
        ),
        (
            [Row(2, "A1", "Ann Lee"), Row(3, "A1", "Joe Lee")],
            [(2, Doubt.NUMBER_TWICE, 7), (3, Doubt.NUMBER_TWICE, None)],
        ),
        (
            [Row(2, "C3", "Cat Ray", SHARED), Row(3, "D4", "Cat Ray", SHARED)],
            [(2, Doubt.PERSON_TWICE, None), (3, Doubt.PERSON_TWICE, None)],
        ),
        ([Row(2, "A1", "Ann Lee"), Row(3, None, "Ann Lee", SHARED)], [(3, Doubt.PERSON_TWICE, None)]),
        ([Row(2, "A1", "Ann Lee", unread=(("e-mail", "ann@@"),))], [(2, Doubt.UNREAD, 7)]),
        ([Row(2, "C3", "Cat Ray", unread=(("e-mail", "ann@@"),))], [(2, Doubt.UNREAD, None)]),
    ],
)
def test_where_it_is_not_certain_who_it_is_a_person_decides(
    rows: list[Row], expected: list[tuple[int, Doubt, int | None]]
) -> None:
    changeset = planned(*rows)
    assert doubts(changeset) == expected
    assert (changeset.new, changeset.changed) == ((), ())
    assert str(changeset.undecided[0]).startswith(f"line {expected[0][0]}: ")


def test_two_known_members_of_one_mailbox_and_name_are_told_apart_by_number_only() -> None:
    father, son = replace(ANN, id=1, number="1"), replace(ANN, id=2, number="2")
    assert doubts(planned(Row(2, None, "Ann Lee", SHARED), known=(father, son))) == [(2, Doubt.SEVERAL, None)]
    assert planned(Row(2, "1", "Ann Lee", SHARED), Row(3, "2"), known=(father, son)).unchanged == (
        father,
        son,
    )


@pytest.mark.parametrize("address", [None, SHARED, parse("HOME@example.org")])
def test_a_number_makes_nobody_into_another_member_of_the_household(address: Address | None) -> None:
    tom = replace(ANN, id=9, number="B2", name="Tom Lee", streams={NEWS: Left(JUNE)})
    mistaken = Row(2, "A1", "tom  LEE", address, consents=(consent(MAY),), departures=(departure(MAY, NORFOLK),))
    changeset = planned(mistaken, Row(3, "B2", "Tom Lee", SHARED), known=(ANN, tom))
    assert doubts(changeset) == [(2, Doubt.OTHER_NUMBER, 9)]
    assert (changeset.changes_nothing, changeset.unchanged) == (True, (tom,))


def test_a_mailbox_makes_nobody_into_another_member_of_the_same_name() -> None:
    other = replace(ANN, id=9, number=None, address=parse("ann@example.net"))
    changeset = planned(Row(2, "A1", None, other.address), known=(ANN, other))
    assert (doubts(changeset), changeset.changes_nothing) == ([(2, Doubt.OTHER_NUMBER, 9)], True)


def test_numbers_that_changed_places_wait_both_and_the_next_time_too() -> None:
    tom = replace(ANN, id=9, number="B2", name="Tom Lee")
    for toms in ("Ann Lee", "Tam Lee"):
        changeset = planned(Row(2, "A1", "Tom Lee", SHARED), Row(3, "B2", toms, SHARED), known=(ANN, tom))
        assert [(line, about) for line, _, about in doubts(changeset)] == [(2, 9), (3, 7 if toms == "Ann Lee" else 9)]
        assert changeset.changes_nothing


def test_every_doubt_has_its_words() -> None:
    assert set(IN_WORDS) == set(Doubt)


def test_a_consent_subscribes_and_an_older_or_equal_one_says_nothing_new() -> None:
    (changed,) = planned(Row(2, "A1", consents=(consent(MAY),))).changed
    assert changed.consents == (consent(MAY),)
    known = replace(ANN, streams={NEWS: Consented(JUNE, 1, Channel.PAPER_FORM)})
    assert planned(Row(2, "A1", consents=(consent(MAY),)), known=(known,)).unchanged == (known,)
    assert planned(Row(2, "A1", consents=(consent(JUNE),)), known=(known,)).unchanged == (known,)
    assert planned(Row(2, "A1", consents=(consent(JULY),)), known=(known,)).changed[0].consents


def test_another_consent_of_the_same_day_is_for_a_person() -> None:
    known = replace(ANN, streams={NEWS: Consented(JUNE, 2, Channel.PAPER_FORM)})
    changeset = planned(Row(2, "A1", consents=(consent(JUNE),)), known=(known,))
    assert doubts(changeset) == [(2, Doubt.OTHER_CONSENT, 7)]
    assert changeset.changes_nothing


@pytest.mark.parametrize(("given", "revived"), [(MAY, Withheld.LEFT), (JUNE, Withheld.LEFT), (JULY, Doubt.REJOINING)])
@pytest.mark.parametrize("where", ["ledger", "file"])
def test_nobody_who_left_is_revived_by_a_file(given: date, revived: Withheld | Doubt, where: str) -> None:
    row = Row(2, "A1", telephone="0456", consents=(consent(given),))
    known = ANN
    if where == "ledger":
        known = replace(ANN, streams={NEWS: Left(JUNE)})
    else:
        row = replace(row, departures=(departure(JUNE, NEWS),))
    changeset = planned(row, known=(known,))
    (changed,) = changeset.changed
    assert changed.consents == ()
    assert [d.on for d in changed.departures] == ([JUNE] if where == "file" else [])
    said = [w.reason for w in changeset.withheld] + [u.doubt for u in changeset.undecided]
    assert said == [revived]


def test_who_left_the_notices_of_one_region_does_not_get_another_regions_by_an_old_consent() -> None:
    moved = replace(ANN, regions=frozenset({22}), streams={NORFOLK: Left(JUNE)})
    anywhere = Row(2, "A1", consents=(consent(MAY, SUFFOLK, NOTICES),))
    assert planned(anywhere, known=(moved,)).withheld[0].reason is Withheld.LEFT
    by_name = Row(2, "A1", consents=(consent(MAY, SUFFOLK),))
    assert planned(by_name, known=(moved,)).changed[0].consents == by_name.consents


@pytest.mark.parametrize("who", ["mailbox", "person"])
def test_a_suppressed_member_stays_suppressed_and_is_reported(who: str) -> None:
    row = Row(2, "A1", "Anna Lee", parse("new@example.org"), consents=(consent(MAY),))
    for key in (("home@example.org", "ann lee"), ("new@example.org", "anna lee")):
        changeset = planned(
            row,
            mailbox=lambda normal, key=key: who == "mailbox" and normal == key[0],  # type: ignore[misc]
            person=lambda *asked, key=key: who == "person" and asked == key,  # type: ignore[misc]
        )
        assert changeset.changed[0].consents == ()
        assert [(w.stream, w.reason) for w in changeset.withheld] == [(NEWS, Withheld.SUPPRESSED)]


def test_someone_new_at_a_suppressed_mailbox_comes_in_without_letters_but_a_forgotten_one_does_not() -> None:
    row = Row(2, "C3", "Cat Ray", SHARED, Standing.MEMBER, consents=(consent(MAY),))
    changeset = planned(row, mailbox=lambda normal: normal == "home@example.org")
    assert (changeset.new[0].consents, changeset.withheld[0].reason) == ((), Withheld.SUPPRESSED)
    changeset = planned(row, person=lambda *key: key == ("home@example.org", "cat ray"))
    assert (doubts(changeset), changeset.new) == ([(2, Doubt.FORGOTTEN, None)], ())


def test_a_departure_in_the_file_ends_a_subscription_that_is_not_younger() -> None:
    row = Row(2, "A1", departures=(departure(JUNE, NEWS),))
    for since, leaves in ((MAY, True), (JUNE, True), (JULY, False)):
        known = replace(ANN, streams={NEWS: Consented(since, 1, Channel.WEB_FORM)})
        changeset = planned(row, known=(known,))
        assert [d.departures for d in changeset.changed] == ([(Departure(NEWS, JUNE, Channel.POST),)] if leaves else [])


def test_leaving_the_notices_as_a_whole_leaves_every_region_that_is_received() -> None:
    moved = replace(ANN, streams={NORFOLK: Consented(MAY, 1, Channel.EVENT)})
    row = Row(2, "A1", departures=(departure(JUNE, SUFFOLK, kin=NOTICES),))
    assert {d.stream for d in planned(row, known=(moved,)).changed[0].departures} == NOTICES


def test_a_departure_is_taken_even_from_a_row_that_waits_if_it_is_certain_whose_it_is() -> None:
    gone = (departure(JUNE, NEWS),)
    for row in (
        Row(2, "A1", "ann lee", telephone="9", unread=(("e-mail", "?"),), departures=gone),
        Row(2, None, "Ann Lee", SHARED, telephone="9", unread=(("x left date", "?"),), departures=gone),
    ):
        changeset = planned(row)
        assert doubts(changeset) == [(2, Doubt.UNREAD, 7)]
        (changed,) = changeset.changed
        assert (changed.fields, [d.stream for d in changed.departures]) == ((), [NEWS])
    for row in (
        Row(2, "A1", "Joe Lee", unread=(("e-mail", "?"),), departures=gone),
        Row(2, "A1", "Bob Ray", departures=gone),
        Row(2, "A1", unread=(("name", "\0"),), departures=gone),
    ):
        assert planned(row).changes_nothing


NAMES = st.sampled_from(["Ann Lee", "ANN LEE", "Ben Okoro", "Ann Okoro", "Łukasz Zięba", "王秀英", "--"])
ADDRESSES = st.sampled_from(["home@example.org", "Home@example.org", "ann@example.net"]).map(parse)
NUMBERS = st.none() | st.sampled_from(["A1", "B2", "C3"])
DATES = st.sampled_from([MAY, JUNE, JULY])
CONSENTS = st.builds(consent, DATES, st.sampled_from([NORFOLK, SUFFOLK]), st.sampled_from([None, NOTICES]))
DEPARTURES = st.builds(lambda on, stream: departure(on, stream, kin=NOTICES), DATES, st.sampled_from([*NOTICES]))
STANDINGS = st.sampled_from(Standing)
REGIONS = st.sampled_from([frozenset({1}), frozenset({1, 2})])
STREAMS = st.dictionaries(
    st.sampled_from([NORFOLK, SUFFOLK]),
    st.builds(Left, DATES) | st.builds(Consented, DATES, st.sampled_from([1, 2]), st.just(Channel.PAPER_FORM)),
)
ROWS = st.lists(
    st.builds(
        Row,
        line=st.just(0),
        number=NUMBERS,
        name=st.none() | NAMES,
        address=st.none() | ADDRESSES,
        standing=st.none() | STANDINGS,
        regions=st.none() | REGIONS,
        telephone=st.none() | st.sampled_from(["1", "2"]),
        consents=st.lists(CONSENTS, max_size=3).map(tuple),
        departures=st.lists(DEPARTURES, max_size=2).map(tuple),
        unread=st.sampled_from([(), (), (), (("e-mail", "?"),)]),
    ),
    max_size=5,
)
KNOWN = st.lists(
    st.builds(
        KnownMember,
        id=st.just(0),
        number=NUMBERS,
        name=NAMES,
        address=st.none() | ADDRESSES,
        standing=STANDINGS,
        regions=REGIONS,
        streams=STREAMS,
    ),
    max_size=4,
    unique_by=lambda member: member.number or object(),
).map(lambda members: tuple(replace(member, id=i) for i, member in enumerate(members)))
SUPPRESSED = st.sets(st.tuples(ADDRESSES, NAMES), max_size=2)


def key_of(member: KnownMember) -> tuple[str, str]:
    """Mailbox and name, as suppressions know them."""
    return (normal(member.address) if member.address else "", fold_name(member.name))


@settings(max_examples=200, deadline=None)
@given(ROWS, KNOWN, SUPPRESSED)
def test_the_same_file_again_changes_nothing_and_nobody_is_revived(
    rows: list[Row], known: tuple[KnownMember, ...], away: set[tuple[object, str]]
) -> None:
    rows = [replace(row, line=line) for line, row in enumerate(rows, 2)]
    keys = {(normal(address), fold_name(name)) for address, name in away}  # type: ignore[arg-type]

    def person(*key: str) -> bool:
        return key in keys

    first = planned(*rows, known=known, person=person)
    after = apply(known, first)
    # As an import does (`roll.carry_suppression`): whoever is suppressed stays so under another name or address.
    before = {member.id: member for member in known}
    keys |= {key_of(member) for member in after if member.id in before and key_of(before[member.id]) in keys}
    again = planned(*rows, known=after, person=person)
    assert again.changes_nothing
    whole = [u.row.line for u in first.undecided if u.stream is None]
    decided = len(first.new) + len(first.unchanged) + sum(c.row.line not in whole for c in first.changed)
    assert decided + len(whole) == len(rows)
    for member in after:
        for stream, word in before[member.id].streams.items() if member.id in before else ():
            assert not (isinstance(word, Left) and isinstance(member.streams[stream], Consented))
        if member.address and key_of(member) in keys:
            old = before[member.id].streams if member.id in before else {}
            assert all(old.get(s) == word for s, word in member.streams.items() if isinstance(word, Consented))
