import django.db.models.deletion
import django.db.models.manager
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mailer", "0003_plans")]

    operations = [
        migrations.AddField(
            model_name="issue",
            name="corrects",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.issue"
            ),
        ),
        migrations.CreateModel(
            name="Alarm",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=24)),
                ("about", models.CharField(default="", max_length=300)),
                ("since", models.DateTimeField()),
                ("words", models.CharField(default="", max_length=500)),
                ("told_at", models.DateTimeField(null=True)),
                ("tried_at", models.DateTimeField(null=True)),
                ("cleared_at", models.DateTimeField(null=True)),
                ("over", models.BooleanField(default=False)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "relay_down",
                                    "relay_password",
                                    "relay_tls",
                                    "relay_quota",
                                    "mailing_paused",
                                    "backlog",
                                    "no_worker",
                                    "clock_off",
                                    "disk_low",
                                    "returns_silent",
                                    "restored",
                                    "database_away",
                                ],
                            )
                        ),
                        name="alarm_kind",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("over", False)), fields=("kind", "about"), name="alarm_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("over", False), ("cleared_at__isnull", False), _connector="OR"),
                        name="alarm_over_is_cleared",
                    ),
                ],
            },
            managers=[("unscoped", django.db.models.manager.Manager())],
        ),
        migrations.CreateModel(
            name="WorkerRow",
            fields=[
                ("name", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("host", models.CharField(max_length=64)),
                ("pid", models.PositiveIntegerField()),
                ("version", models.CharField(max_length=32)),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("state", models.CharField(max_length=16)),
                ("reason", models.CharField(default="", max_length=500)),
                ("handed_over", models.BigIntegerField(default=0)),
                ("rate", models.FloatField(default=0)),
                ("handed_at", models.DateTimeField(null=True)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["working", "idle", "waiting"])), name="worker_state"
                    )
                ],
            },
            managers=[("unscoped", django.db.models.manager.Manager())],
        ),
    ]
