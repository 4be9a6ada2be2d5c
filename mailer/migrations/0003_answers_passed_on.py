"""Answers that are passed on: a one-off letter for each, and what of these letters lies on the desk."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

_MATTERS = [
    "undeliverable",
    "asks_to_leave",
    "wrong_person",
    "moved",
    "reply",
    "says_gone",
    "unclassified",
    "unread",
    "not_passed_on",
    "farewell",
]


def _its(table, on_delete):
    return models.OneToOneField(null=True, on_delete=on_delete, related_name="+", to=f"mailer.{table}")


class Migration(migrations.Migration):
    dependencies = [("mailer", "0002_engine_and_returns")]

    operations = [
        migrations.RemoveConstraint("notice", "notice_kind"),
        migrations.AlterField(
            "notice",
            "kind",
            models.CharField(choices=[("farewell", "Farewell"), ("answer", "Answer")], max_length=16),
        ),
        migrations.AddField("notice", "reply_to", models.CharField(default="", max_length=254)),
        migrations.AddField("notice", "bounce", _its("bounce", django.db.models.deletion.PROTECT)),
        migrations.AddConstraint(
            "notice",
            models.CheckConstraint(
                condition=Q(kind="farewell", bounce=None) | Q(kind="answer", bounce__isnull=False), name="notice_kind"
            ),
        ),
        migrations.RemoveConstraint("matter", "matter_kind"),
        migrations.AddField("matter", "notice", _its("notice", django.db.models.deletion.SET_NULL)),
        migrations.AddConstraint("matter", models.CheckConstraint(condition=Q(kind__in=_MATTERS), name="matter_kind")),
    ]
