import django.db.models.manager
from django.db import migrations, models

_SOURCES = ["smtp", "maildir", "imap", "file", "pipe", "webhook"]


class Migration(migrations.Migration):
    dependencies = [("mailer", "0005_departures")]

    operations = [
        migrations.CreateModel(
            name="ReportSource",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("place", models.CharField(max_length=255, unique=True)),
                ("validity", models.BigIntegerField(default=0)),
                ("uid", models.BigIntegerField(default=0)),
                ("claimed_until", models.DateTimeField(null=True)),
                ("rests_until", models.DateTimeField(null=True)),
                ("refusals", models.PositiveSmallIntegerField(default=0)),
                ("read_at", models.DateTimeField(null=True)),
                ("trouble", models.CharField(default="", max_length=500)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
            },
            managers=[("unscoped", django.db.models.manager.Manager())],
        ),
        migrations.RemoveConstraint(model_name="bounce", name="bounce_source"),
        migrations.AlterField(
            model_name="bounce",
            name="source",
            field=models.CharField(choices=[(word, word.capitalize()) for word in _SOURCES], max_length=8),
        ),
        migrations.AddConstraint(
            model_name="bounce",
            constraint=models.CheckConstraint(condition=models.Q(("source__in", _SOURCES)), name="bounce_source"),
        ),
    ]
