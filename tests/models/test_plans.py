"""What a worker asks again and again never reads a whole table: the work for a claim does not grow with the site."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from mailer.core.delivery import CopyState
from mailer.models import Copy, Notice, recheck
from tests.world import NOW

pytestmark = pytest.mark.django_db
_QUESTIONS: dict[str, Callable[[], Any]] = {
    "queue": lambda: Copy.unscoped.filter(mailing=1, state=CopyState.QUEUED).order_by("position")[:50],
    "held": lambda: Copy.unscoped.filter(claim=5, state=CopyState.CLAIMED, mailbox__isnull=False).order_by("position"),
    "riders": lambda: recheck.carried_by_claim(5),
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
