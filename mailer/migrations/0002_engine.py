import django.db.models.deletion
import django.db.models.manager
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mailer", "0001_initial")]

    operations = [
        migrations.RemoveIndex("copy", "copy_claims"),
        migrations.RemoveIndex("copy", "copy_by_state"),
        migrations.AddIndex(
            "copy",
            models.Index(
                condition=models.Q(
                    state__in=(
                        "bounced",
                        "cancelled",
                        "complained",
                        "deferred",
                        "expired",
                        "held",
                        "refused",
                        "uncertain",
                        "withdrawn",
                    )
                ),
                fields=["mailing", "state"],
                name="copy_set_aside",
            ),
        ),
        migrations.AddField("mailing", "checked_at_change", models.BigIntegerField(null=True)),
        migrations.AddField("mailing", "checked_on", models.DateField(null=True)),
        migrations.CreateModel(
            name="Change",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.BigIntegerField()),
                (
                    "member",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="mailer.member",
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "indexes": [
                    models.Index(fields=["number"], name="change_by_number"),
                    models.Index(fields=["member", "number"], name="change_by_member"),
                ],
            },
            managers=[("unscoped", django.db.models.manager.Manager())],
        ),
    ]
