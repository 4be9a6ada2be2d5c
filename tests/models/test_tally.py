"""What a mailing asks about its bounces while it is sent is answered by indexes: it does not grow with the site."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mailer.models import tally

pytestmark = pytest.mark.django_db
_QUESTIONS: dict[str, Callable[[], object]] = {
    "came back": lambda: tally.came_back(1),
    "guess": lambda: tally.guessed_attempts(1),
    "attempts": lambda: tally.attempts(1),
    "seen before": lambda: tally.seen_before(1),
    "runs": lambda: tally.runs_of(1, by_report=True),
    "last report": tally.last_report_at,
}


def plan_of(sql: str) -> str:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {'' if connection.vendor == 'postgresql' else 'QUERY PLAN '}{sql}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


@pytest.mark.parametrize("name", _QUESTIONS)
def test_a_question_about_a_mailing_is_answered_by_an_index(name: str) -> None:
    with CaptureQueriesContext(connection) as asked:
        _QUESTIONS[name]()
    assert asked.captured_queries
    for query in asked.captured_queries:
        plan = plan_of(query["sql"])
        assert "Seq Scan" not in plan, plan
        assert not [line for line in plan.splitlines() if line.startswith("SCAN") and "USING" not in line], plan


def test_what_was_set_aside_is_counted_by_its_own_index() -> None:
    """By any other the letters of the whole mailing are read for it."""
    with CaptureQueriesContext(connection) as asked:
        tally.attempts(1)
    assert any("copy_set_aside" in plan_of(query["sql"]) for query in asked.captured_queries)
