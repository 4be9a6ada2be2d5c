"""Whom a change touches, so that a sender checks again those it is about and not everyone (standards L8, P8).

Every change bumps the counter `changes` inside its own transaction. Who bumps it may also name the members whom the
change is about; a number that names nobody's rows is taken to be about everyone. So forgetting to say it costs time,
and never lets a letter go.
"""

from collections.abc import Iterable

from django.db import connection, models

from mailer.core.mailing import MailingState
from mailer.models.base import Table, first_row, insert
from mailer.models.mailing import Mailing
from mailer.models.member import Member
from mailer.models.site import Counter, bump, current

#: Mailings whose copies may still be checked again.
_UNFINISHED = (MailingState.PREPARING, MailingState.SENDING, MailingState.PAUSED, MailingState.STOPPED)


class Change(Table):
    """One member touched by the change of this number; without a member: a change that is about nobody."""

    number = models.BigIntegerField()
    member = models.ForeignKey(Member, models.CASCADE, related_name="+", null=True, db_index=False)

    class Meta(Table.Meta):
        indexes = (
            models.Index(fields=("number",), name="change_by_number"),
            models.Index(fields=("member", "number"), name="change_by_member"),
        )


def stand_in_line() -> None:
    """Wait for whoever changes something now, before any other row is taken: so no two wait for each other.

    Call it inside `writing()`; on SQLite that alone is enough.
    """
    if connection.features.has_select_for_update:
        first_row("SELECT value FROM mailer_counter WHERE name = %s FOR UPDATE", [Counter.CHANGES])


def begin_change() -> int:
    """Bump `changes` and return its number; until `name_touched` says whom it is about, it is about everyone.

    Call it inside `writing()`. On PostgreSQL its row lock puts concurrent writers in one order.
    """
    return bump(Counter.CHANGES)


def name_touched(number: int, members: Iterable[int]) -> None:
    """Say whom a change is about, by member id; nobody, if there are none."""
    insert(Change, [{"number": number, "member": member} for member in set(members) or (None,)])


def named(after: int, until: int) -> list[tuple[int, int | None]]:
    """Whom the changes with a number over `after`, up to `until`, are about, in their order: number and member.

    None stands for nobody; a number that is missing did not say.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT number, member_id FROM mailer_change WHERE number > %s AND number <= %s ORDER BY number",
            [after, until],
        )
        return list(cursor.fetchall())


def forget_old_changes() -> int:
    """Drop what no mailing can ask for any more; how many rows.

    A mailing asks for what came after it was checked as a whole; of one that is being prepared nobody knows yet since
    when that will be.
    """
    until = current(Counter.CHANGES)
    begun = Mailing.unscoped.filter(state__in=_UNFINISHED).values_list("checked_at_change", flat=True)
    since = [number if number is not None else 0 for number in begun]
    rows, _ = Change.unscoped.filter(number__lte=min([until, *since])).delete()
    return int(rows)
