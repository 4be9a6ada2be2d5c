"""A change says whom it is about, or it is about everyone; what no mailing asks for any more is let go (P8, L8)."""

import pytest

from mailer.models import Change, Mailing
from mailer.models.base import writing
from mailer.models.changes import begin_change, forget_old_changes, is_about_everyone, name_touched, touched_on
from mailer.models.copy import Copy, Delivery
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


def test_a_change_that_names_nobodys_rows_is_about_everyone(office: Office) -> None:
    ann, bea = members(office, 2)
    before = current(Counter.CHANGES)
    changed(ann)
    changed(bea, ann)
    changed()
    assert not is_about_everyone(before, current(Counter.CHANGES))
    with writing():
        bump(Counter.CHANGES)
    assert is_about_everyone(before, current(Counter.CHANGES))
    assert not is_about_everyone(current(Counter.CHANGES), current(Counter.CHANGES))


def test_only_copies_with_a_touched_rider_are_looked_at_again(office: Office) -> None:
    ann, bea, cy = members(office, 3)
    office.begun(anne())
    copies = list(Copy.unscoped.values_list("pk", flat=True))
    before = current(Counter.CHANGES)
    changed(ann)
    later = changed(cy)
    of = dict(Delivery.unscoped.values_list("member", "copy"))
    assert sorted(touched_on(copies, before)) == sorted([of[ann], of[cy]])
    assert touched_on(copies, later - 1) == [of[cy]]
    assert touched_on(copies, later) == []
    assert touched_on([of[bea]], before) == []
    assert touched_on([], before) == []


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
