"""Indexes that answer what is asked of everyone whom a mailing may be for, and none that others begin with."""

import django.db.models.deletion
from django.db import migrations, models


def _without_index(table, field, on_delete):
    key = models.ForeignKey(f"mailer.{field}", on_delete, related_name="+", db_index=False)
    return migrations.AlterField(table, field, key)


class Migration(migrations.Migration):
    dependencies = [("mailer", "0004_cheaper_copies")]

    operations = [
        migrations.AddIndex(
            "memberregion",
            models.Index(fields=["member", "region", "starts", "ends"], name="member_region_by_member"),
        ),
        _without_index("memberregion", "member", django.db.models.deletion.CASCADE),
        _without_index("memberregion", "region", django.db.models.deletion.PROTECT),
        _without_index("subscription", "member", django.db.models.deletion.CASCADE),
    ]
