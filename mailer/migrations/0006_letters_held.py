"""One more alarm: letters that wait for a person while their mailing goes on."""

from django.db import migrations, models
from django.db.models import Q

_ALARMS = (
    "relay_down",
    "relay_password",
    "relay_tls",
    "relay_quota",
    "mailing_paused",
    "letters_held",
    "backlog",
    "no_worker",
    "clock_off",
    "disk_low",
    "returns_silent",
    "restored",
    "database_away",
)


class Migration(migrations.Migration):
    dependencies = [("mailer", "0005_less_to_look_up")]

    operations = [
        migrations.RemoveConstraint("alarm", "alarm_kind"),
        migrations.AddConstraint("alarm", models.CheckConstraint(condition=Q(kind__in=_ALARMS), name="alarm_kind")),
    ]
