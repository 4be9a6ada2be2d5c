from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mailer", "0007_desk")]

    operations = [
        # One copy for a mailbox and language, whatever is in it. Partial indexes: no table is rebuilt.
        migrations.RemoveConstraint("copy", "copy_once_per_mailbox"),
        migrations.AddConstraint(
            "copy",
            models.UniqueConstraint(
                condition=models.Q(("state__in", ("withdrawn", "cancelled")), _negated=True),
                fields=("mailing", "mailbox", "language"),
                name="copy_once_per_mailbox",
            ),
        ),
    ]
