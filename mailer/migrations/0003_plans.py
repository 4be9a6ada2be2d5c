import django.db.models.manager
from django.db import migrations, models

TABLE = {"abstract": False, "base_manager_name": "unscoped", "default_manager_name": "unscoped"}
MANAGERS = [("unscoped", django.db.models.manager.Manager())]


class Migration(migrations.Migration):
    dependencies = [("mailer", "0002_engine")]

    operations = [
        migrations.CreateModel(
            name="Quota",
            fields=[
                ("scope", models.CharField(max_length=270, primary_key=True, serialize=False)),
                ("used", models.JSONField(default=dict)),
            ],
            options=TABLE,
            managers=MANAGERS,
        ),
        migrations.CreateModel(
            name="Destination",
            fields=[
                ("domain", models.CharField(max_length=253, primary_key=True, serialize=False)),
                ("rest_until", models.DateTimeField()),
                ("times", models.PositiveIntegerField(default=1)),
                ("reason", models.CharField(max_length=500)),
            ],
            options=TABLE,
            managers=MANAGERS,
        ),
        migrations.CreateModel(
            name="RelayState",
            fields=[
                ("name", models.CharField(max_length=63, primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=32)),
                ("reason", models.CharField(max_length=500)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField(null=True)),
                ("times", models.PositiveIntegerField(default=1)),
                ("credentials", models.CharField(max_length=64)),
            ],
            options=TABLE,
            managers=MANAGERS,
        ),
    ]
