"""What a line of the ledger must say, what follows from lines, and the chain that proves them (P7)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.audience import SubscriptionState
from mailer.core.consent import (
    GENESIS,
    Article9,
    Channel,
    ConsentError,
    Entry,
    Kind,
    PecrBasis,
    commitment,
    proves,
    seal,
    state_after,
)

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
GIVEN = Entry(
    subject="s",
    stream=1,
    kind=Kind.GIVEN,
    at=AT,
    recorded_at=AT,
    channel=Channel.PAPER_FORM,
    actor="user:1",
    article9=Article9.EXPLICIT_CONSENT,
    pecr=PecrBasis.CONSENT,
    wording=1,
    commitment="c",
)
LEFT = replace(GIVEN, kind=Kind.WITHDRAWN, wording=None, commitment="")
_LINES = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(Kind)), max_size=6)


def entries(lines: list[tuple[int, Kind]]) -> list[Entry]:
    return [replace(GIVEN, kind=kind, at=AT + timedelta(hours=hour)) for hour, kind in lines]


@pytest.mark.parametrize("kind", [Kind.GIVEN, Kind.RESTORED])
@pytest.mark.parametrize("missing", [{"wording": None}, {"commitment": ""}])
def test_a_consent_without_words_or_evidence_is_refused(kind: Kind, missing: dict[str, object]) -> None:
    with pytest.raises(ConsentError):
        replace(GIVEN, kind=kind, **missing)  # type: ignore[arg-type]


def test_a_withdrawal_needs_neither() -> None:
    assert LEFT.wording is None


@given(_LINES)
def test_the_latest_act_counts_and_in_doubt_nobody_is_written_to(lines: list[tuple[int, Kind]]) -> None:
    state = state_after(entries(lines))
    if not lines:
        assert state is None
        return
    last = max(hour for hour, _ in lines)
    said = {kind for hour, kind in lines if hour == last}
    assert state is (SubscriptionState.LEFT if Kind.WITHDRAWN in said else SubscriptionState.ACTIVE)


@given(_LINES, st.randoms(use_true_random=False))
def test_the_order_in_which_lines_were_entered_does_not_matter(lines: list[tuple[int, Kind]], chance: object) -> None:
    shuffled = list(lines)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert state_after(entries(shuffled)) is state_after(entries(lines))


@given(st.binary(min_size=1, max_size=16), st.text(min_size=1), st.text())
def test_only_the_evidence_itself_proves(salt: bytes, evidence: str, other: str) -> None:
    line = replace(GIVEN, commitment=commitment(salt, evidence))
    assert proves(line, salt, evidence)
    assert proves(line, salt, other) == (other == evidence)
    assert not proves(line, salt + b"x", evidence)
    assert evidence not in line.commitment or len(evidence) < 3


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=5), st.data())
def test_any_change_of_a_row_changes_the_head(rows: list[bytes], data: st.DataObject) -> None:
    head = seal(GENESIS, rows)
    place = data.draw(st.integers(0, len(rows) - 1))
    other = data.draw(st.binary(max_size=8).filter(lambda row: row != rows[place]))
    assert seal(GENESIS, [*rows[:place], other, *rows[place + 1 :]]) != head
    assert seal(GENESIS, rows[:place] + rows[place + 1 :]) != head
    assert seal(GENESIS, [*rows, b""]) != head
    assert seal(head, rows) != head


def test_rows_cannot_run_into_each_other() -> None:
    assert seal(GENESIS, [b"ab", b"c"]) != seal(GENESIS, [b"a", b"bc"])


# There is one basis under PECR only, so no other can be put in its place.
@pytest.mark.parametrize("name", [name for name in Entry.__slots__ if name != "pecr"])
def test_the_chain_covers_every_field(name: str) -> None:
    other = {
        "kind": Kind.RESTORED,
        "channel": Channel.PAGE,
        "article9": Article9.NOT_FOR_PROFIT_BODY,
        "at": AT + timedelta(microseconds=1),
        "recorded_at": AT + timedelta(microseconds=1),
        "stream": 2,
        "wording": 2,
        "mailing": 2,
    }.get(name, "other")
    assert replace(GIVEN, **{name: other}).canonical() != GIVEN.canonical()  # type: ignore[arg-type]


def test_a_moment_is_the_same_octets_in_any_zone() -> None:
    summer = AT.astimezone(timezone(timedelta(hours=1)))
    assert replace(GIVEN, at=summer).canonical() == GIVEN.canonical()
