import django.db.models.deletion
from django.db import migrations, models


def _unindexed(target: str) -> models.ForeignKey:
    return models.ForeignKey(
        db_index=False,
        null=target != "mailer.mailing",
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to=target,
    )


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
        migrations.AlterField("copy", "mailing", _unindexed("mailer.mailing")),
        migrations.AddIndex("copy", models.Index(fields=["mailing", "mailbox"], name="copy_by_mailbox")),
        # Of a delivery's seven indexes three told nothing new, and nobody waits for a copy any more.
        migrations.RemoveIndex("delivery", "delivery_waiting"),
        migrations.AlterField("delivery", "mailing", _unindexed("mailer.mailing")),
        migrations.AlterField("delivery", "copy", _unindexed("mailer.copy")),
        migrations.AlterField("delivery", "stream", _unindexed("mailer.stream")),
    ]
