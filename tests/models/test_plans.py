"""What a worker asks again and again never reads a whole table: the work for a claim does not grow with the site."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from mailer.core.audience import AllowList, Rule
from mailer.core.delivery import CopyState
from mailer.models import Copy, Notice, audience, preparing, recheck, workload
from tests.world import NOW, TODAY, Draw

pytestmark = pytest.mark.django_db
_QUESTIONS: dict[str, Callable[[], Any]] = {
    "queue": lambda: Copy.unscoped.filter(mailing=1, state=CopyState.QUEUED).order_by("position")[:50],
    "held": lambda: Copy.unscoped.filter(claim=5, state=CopyState.CLAIMED, mailbox__isnull=False).order_by("position"),
    "riders": lambda: recheck._riding_on([5]),
    "due": lambda: Copy.unscoped.filter(state__in=("deferred", "held"), next_attempt_at__lte=NOW),
    "lapsed": lambda: Copy.unscoped.filter(state=CopyState.CLAIMED, claimed_until__lt=NOW - timedelta(hours=1)),
    "notices": lambda: Notice.unscoped.filter(state=CopyState.QUEUED).order_by("pk")[:20],
}


@pytest.mark.parametrize("name", _QUESTIONS)
def test_a_question_of_every_claim_is_answered_by_an_index(name: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # An empty table is rightly read whole; forbidden that, the planner shows whether it could do otherwise.
            cursor.execute("SET LOCAL enable_seqscan = off")
    plan = _QUESTIONS[name]().explain()
    scans = [
        line
        for line in plan.splitlines()
        if (" SCAN " in line and " USING " not in line) or ("Seq Scan" in line and "mailer_mailbox" not in line)
    ]
    assert scans == [], plan


_RULE = Rule({number: number for number in range(1, 21)} | {99: None}, frozenset(range(1, 21)), got=7)
_JUDGED = audience.decided(_RULE, TODAY, AllowList(frozenset({"example.org"})), audience.within(0, 1000))
#: What is asked of each range of members. Only what is the session's own, or was just worked out, is read whole.
_OF_A_RANGE: dict[str, tuple[str, tuple[Any, ...]]] = {
    "who may have it": (_JUDGED.sql, _JUDGED.params),
    "who may still have it": (recheck._DOUBTFUL.format(decided=_JUDGED.sql), (1, 0, 1000, *_JUDGED.params)),
    "copies": (preparing._COPIES, (1,)),
    "deliveries": (preparing._DELIVERIES, (1, 1)),
    "deliveries that move": (preparing._CHANGED_COPIES.format(ids="%s"), (1, 1)),
}
#: The riders are called r where their copies are looked for.
_OWN = {"mailer_rider", "mailer_draft", "asked", "r"}


@pytest.mark.parametrize("name", _OF_A_RANGE)
def test_the_work_for_a_range_does_not_grow_with_the_site(name: str) -> None:
    preparing.draft(1, _RULE, TODAY, None, Draw().handle, 0, 1000)
    sql, params = _OF_A_RANGE[name]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {sql}", params)
            lines = [row[0] for row in cursor.fetchall()]
            scans = [line for line in lines if "Seq Scan" in line and not _OWN & set(line.split())]
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
            lines = [row[3] for row in cursor.fetchall()]
            scans = [line for line in lines if line.startswith("SCAN") and not _OWN & set(line.split())]
    assert scans == [], "\n".join(lines)


def test_a_members_regions_are_found_by_the_member_and_not_one_by_one_by_region() -> None:
    """Twenty searches for each member cost more than all else that is asked of them."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {_JUDGED.sql}", _JUDGED.params)
            searches = [row[0] for row in cursor.fetchall() if "Index Cond" in row[0]]
            assert not any("region_id" in search and "ANY" in search for search in searches), searches
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {_JUDGED.sql}", _JUDGED.params)
            candidates = next(row[3] for row in cursor.fetchall() if row[3].startswith("SEARCH r "))
            assert candidates.endswith("(member_id=?)"), candidates


def test_to_plan_looks_up_each_mailbox_even_where_old_counts_say_that_there_are_none() -> None:
    """Just after an import PostgreSQL would compare each of 50,000 people with each of 50,000 mailboxes."""
    sql, params = workload.letters_by_domain(audience.decided(_RULE, TODAY, None))
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Left to choose, it would join by other means then.
            cursor.execute("SET LOCAL enable_nestloop = off; SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {sql}", params)
            lines = [row[0].strip() for row in cursor.fetchall()]
            found = lines.index(next(line for line in lines if "mailer_mailbox b " in line))
            assert lines[found + 1].startswith("Index Cond: (id = "), "\n".join(lines)
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
            lines = [row[3] for row in cursor.fetchall()]
            assert any(line.startswith("SEARCH b USING INTEGER PRIMARY KEY") for line in lines), "\n".join(lines)
