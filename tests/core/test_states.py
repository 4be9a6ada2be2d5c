"""The tables of states are closed: what there is can be reached, what ends ends, and no arrow is written twice."""

import pytest

from mailer.core.delivery import COPY, OPEN, CopyState
from mailer.core.issue import ISSUE, IssueState
from mailer.core.mailing import MAILING, MailingState
from mailer.core.states import Machine

MACHINES = [(COPY, CopyState), (MAILING, MailingState), (ISSUE, IssueState)]
_BY_NAME = pytest.mark.parametrize(("machine", "states"), MACHINES, ids=["copy", "mailing", "issue"])


def reachable(machine: Machine, start: str) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        source = waiting.pop()
        new = {t.target for t in machine.transitions if t.source == source} - found
        found |= new
        waiting += new
    return found


@_BY_NAME
def test_every_state_is_named_and_reached(machine: Machine, states: type) -> None:
    assert set(machine.states) == set(states)
    assert set().union(*(reachable(machine, first) for first in machine.first)) == set(states)


@_BY_NAME
def test_no_arrow_is_written_twice_or_leads_nowhere(machine: Machine, states: type) -> None:
    arrows = [(t.source, t.target) for t in machine.transitions]
    assert len(arrows) == len(set(arrows))
    assert all(source != target for source, target in arrows)
    assert all(t.when.strip() for t in machine.transitions)


@_BY_NAME
def test_allows_and_sources_say_what_the_rows_say(machine: Machine, states: type) -> None:
    arrows = {(source, target) for source, target, _ in machine.rows()}
    for source in states:
        for target in states:
            assert machine.allows(source, target) == ((source, target) in arrows)
            assert (source in machine.sources(target)) == ((source, target) in arrows)


@_BY_NAME
def test_every_state_leads_to_an_end(machine: Machine, states: type) -> None:
    assert machine.final
    for state in states:
        assert reachable(machine, state) & machine.final


def test_what_was_handed_over_is_never_sent_again() -> None:
    """Only doubt leads back, by a person or by the policy that was chosen."""
    for state in (CopyState.ACCEPTED, CopyState.REFUSED, CopyState.BOUNCED, CopyState.COMPLAINED, CopyState.EXPIRED):
        assert CopyState.CLAIMED not in reachable(COPY, state)
    assert COPY.sources(CopyState.CLAIMED) == (CopyState.QUEUED,)


def test_a_copy_is_accepted_only_out_of_a_claim() -> None:
    assert COPY.sources(CopyState.ACCEPTED) == (CopyState.CLAIMED,)


def test_whoever_left_stays_out() -> None:
    assert CopyState.WITHDRAWN in COPY.final
    assert CopyState.CANCELLED in COPY.final


def test_what_is_open_is_what_may_still_be_sent() -> None:
    waiting = set(OPEN)
    assert waiting == {s for s in CopyState if s not in COPY.final and CopyState.WITHDRAWN in reachable(COPY, s)} - {
        CopyState.UNCERTAIN
    }


def test_a_cancelled_or_missed_mailing_never_sends() -> None:
    for state in (MailingState.CANCELLED, MailingState.MISSED):
        assert reachable(MAILING, state) == {state}
