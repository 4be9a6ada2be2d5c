import django.db.models.manager
from django.db import migrations, models

_OPTIONS = {"abstract": False, "base_manager_name": "unscoped", "default_manager_name": "unscoped"}


def _managers():
    return [("unscoped", django.db.models.manager.Manager())]


class Migration(migrations.Migration):
    dependencies = [("mailer", "0004_alarms")]

    operations = [
        migrations.CreateModel(
            name="CarriedOut",
            fields=[
                ("seed", models.BigIntegerField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
            ],
            options=_OPTIONS,
            managers=_managers(),
        ),
        migrations.CreateModel(
            name="ReadTo",
            fields=[
                ("file", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("offset", models.BigIntegerField()),
                ("tail", models.CharField(max_length=32)),
            ],
            options=_OPTIONS,
            managers=_managers(),
        ),
        migrations.CreateModel(
            name="Stranded",
            fields=[
                ("seed", models.BigIntegerField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("line", models.TextField()),
            ],
            options=_OPTIONS,
            managers=_managers(),
        ),
        migrations.CreateModel(
            name="Halt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=32)),
                ("at", models.DateTimeField()),
                ("faced_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.CharField(default="", max_length=64)),
                ("reason", models.CharField(default="", max_length=500)),
            ],
            options={
                **_OPTIONS,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("kind__in", ["older database restored", "site copied or moved", "database of another site"])
                        ),
                        name="halt_kind",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)), fields=("kind",), name="halt_once_at_a_time"
                    ),
                ],
            },
            managers=_managers(),
        ),
    ]
