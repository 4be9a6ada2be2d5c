"""What a claim and a mark need not do: search lists, and touch the index that holds a mailbox to one copy."""

from django.db import migrations, models
from django.db.models import F, Q

_USUAL = ("queued", "claimed", "accepted")
_VOID = ("withdrawn", "cancelled")
_STATES = (*_USUAL, *_VOID, "expired", "deferred", "held", "refused", "uncertain", "bounced", "complained")
_OUTCOMES = ("carried", "withdrawn", "excluded", "unmailable")
_REASONS = (
    "",
    "not_confirmed",
    "wrong_standing",
    "suppressed",
    "left",
    "no_consent",
    "mailbox_suppressed",
    "undeliverable",
    "not_on_allow_list",
    "region",
)


def _one_of(table, field, values):
    name = f"{table}_{field}"
    condition = Q(*((field, value) for value in values), _connector=Q.OR)
    return (
        migrations.RemoveConstraint(table, name),
        migrations.AddConstraint(table, models.CheckConstraint(condition=condition, name=name)),
    )


class Migration(migrations.Migration):
    dependencies = [("mailer", "0003_answers_passed_on")]

    operations = [
        migrations.RemoveConstraint("copy", "copy_once_per_mailbox"),
        migrations.RemoveIndex("copy", "copy_by_mailbox"),
        migrations.RemoveIndex("copy", "copy_set_aside"),
        migrations.AddField("copy", "void", models.BigIntegerField(default=0)),
        migrations.RunSQL(
            "UPDATE mailer_copy SET void = handle WHERE state IN ('withdrawn', 'cancelled')", migrations.RunSQL.noop
        ),
        migrations.AddConstraint(
            "copy",
            models.UniqueConstraint(fields=("mailing", "mailbox", "language", "void"), name="copy_once_per_mailbox"),
        ),
        migrations.AddConstraint(
            "copy",
            models.CheckConstraint(
                condition=(Q(void=0) & ~Q(state__in=_VOID)) | (Q(void=F("handle")) & Q(state__in=_VOID)),
                name="copy_void",
            ),
        ),
        migrations.AddIndex(
            "copy",
            models.Index(
                condition=Q(*(~Q(state=state) for state in _USUAL)), fields=["mailing", "state"], name="copy_set_aside"
            ),
        ),
        *_one_of("copy", "state", _STATES),
        *_one_of("delivery", "outcome", _OUTCOMES),
        *_one_of("delivery", "reason", _REASONS),
    ]
