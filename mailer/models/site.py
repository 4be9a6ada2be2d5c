"""The site itself: which incarnation this database is, and the counters that everything else is ordered by."""

from django.db import models

from mailer.models.base import Table, first_row, one_of


class Site(Table):
    """One row. `incarnation` is drawn at random by the first migration run and mirrored outside the database."""

    incarnation = models.CharField(max_length=32)
    lists_digest = models.CharField(max_length=64, default="")
    key_fingerprints = models.JSONField(default=dict)
    ledger_head = models.CharField(max_length=64, default="0" * 64)
    created_at = models.DateTimeField()

    class Meta(Table.Meta):
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="site_is_one_row"),)


class Counter(Table):
    """A counter that only grows. A row lock on it also puts concurrent writers in one order."""

    #: Bumped by every leave, suppression, scope change and stop; the sender reads it before each MAIL FROM.
    CHANGES = "changes"
    #: Bumped by every claim, and mirrored in the journal directory: when they disagree, a database was restored.
    SENDS = "sends"

    name = models.CharField(max_length=16, primary_key=True)
    value = models.BigIntegerField(default=0)

    class Meta(Table.Meta):
        constraints = (one_of("counter_name", "name", ("changes", "sends")),)


def bump(name: str) -> int:
    """Add one and return the new value; call it inside `writing()`."""
    return _value("UPDATE mailer_counter SET value = value + 1 WHERE name = %s RETURNING value", name)


def current(name: str) -> int:
    """The counter's value."""
    return _value("SELECT value FROM mailer_counter WHERE name = %s", name)


def _value(sql: str, name: str) -> int:
    # In plain SQL, since every letter and every leave asks.
    row: tuple[int] = first_row(sql, [name])
    return row[0]
