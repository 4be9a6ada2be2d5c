"""A change says whom it is about, or it is about everyone; what no mailing asks for any more is let go (P8, L8)."""

import pytest

from mailer.models import Change, Mailing
from mailer.models.base import writing
from mailer.models.changes import begin_change, forget_old_changes, name_touched, named
from mailer.models.site import Counter, bump, current
from tests.actions.office import Office
from tests.world import anne, join, stream

pytestmark = pytest.mark.django_db


def members(office: Office, count: int) -> list[int]:
    news = stream(office.house)
    return [join(office.house, f"Member {n}", f"m{n}@example.org", consents=[news]).pk for n in range(count)]


def changed(*touched: int) -> int:
    with writing():
        number = begin_change()
        name_touched(number, touched)
    return number


def test_the_changes_since_one_are_named_in_their_order(office: Office) -> None:
    ann, bea = members(office, 2)
    before = current(Counter.CHANGES)
    first, nobody = changed(ann), changed()
    with writing():
        bump(Counter.CHANGES)
    both = changed(bea, ann)
    assert sorted(named(before, both), key=str) == sorted(
        [(first, ann), (nobody, None), (both, ann), (both, bea)], key=str
    )
    assert named(first, nobody) == [(nobody, None)]
    assert named(both, both) == []


def test_what_an_open_mailing_may_ask_for_is_kept(office: Office) -> None:
    (ann,) = members(office, 1)
    first = changed(ann)
    issue = office.begun(anne())
    second = changed(ann)
    assert forget_old_changes() > 0
    assert list(Change.unscoped.filter(number__in=(first, second)).values_list("number", flat=True)) == [second]
    Mailing.unscoped.update(checked_at_change=None)
    assert forget_old_changes() == 0, "nobody knows since when it will ask"
    office.send_all()
    assert office.mailing(issue).state == "sent"
    forget_old_changes()
    assert not Change.unscoped.exists()
