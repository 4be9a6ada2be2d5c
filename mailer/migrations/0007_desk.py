import django.db.models.deletion
import django.db.models.manager
from django.db import migrations, models
from django.db.models import Q

_TABLE = {"abstract": False, "base_manager_name": "unscoped", "default_manager_name": "unscoped"}
_KINDS = [
    "undeliverable",
    "asks_to_leave",
    "wrong_person",
    "moved",
    "reply",
    "says_gone",
    "unclassified",
    "unread",
]
_JUDGEMENTS = ["", "leave", "leave-everything", "undeliverable", "restore", "moved", "passed-on", "ignore"]

#: What came back before this version: whose mailing it was about, and whose fault it was, as far as the row tells.
_FILL_IN = (
    "UPDATE mailer_bounce SET klass = kind,"
    " mailing_id = (SELECT c.mailing_id FROM mailer_copy c WHERE c.id = mailer_bounce.copy_id)"
    " WHERE copy_id IS NOT NULL",
    "UPDATE mailer_bounce SET kind = 'soft' WHERE source = 'smtp' AND kind NOT IN ('hard', 'soft', 'complaint')",
    "UPDATE mailer_bounce SET klass = '' WHERE klass IN ('autoreply', 'challenge', 'none')",
    "UPDATE mailer_bounce SET klass = 'success' WHERE klass = 'delivered'",
    "INSERT INTO mailer_matter (kind, mailbox_id, said, sender, opened_at, judgement, note, closed_by)"
    " SELECT 'undeliverable', id, undeliverable_reason, '', undeliverable_since, '', '', ''"
    " FROM mailer_mailbox WHERE deliverability = 'undeliverable'",
)


def _id() -> models.BigAutoField:
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


def _to(table: str, *, on_delete: object = django.db.models.deletion.PROTECT, **more: object) -> models.ForeignKey:
    return models.ForeignKey(on_delete=on_delete, related_name="+", to=f"mailer.{table}", **more)


class Migration(migrations.Migration):
    dependencies = [("mailer", "0006_sources")]

    operations = [
        migrations.AddField("bounce", "behind", models.CharField(default="", max_length=16)),
        migrations.AddField("bounce", "klass", models.CharField(default="", max_length=32)),
        migrations.AddField("bounce", "mailing", _to("mailing", db_index=False, null=True)),
        migrations.AddIndex("bounce", models.Index(fields=["mailing", "klass"], name="bounce_by_mailing")),
        migrations.AddIndex("bounce", models.Index(fields=["received_at"], name="bounce_by_time")),
        migrations.CreateModel(
            name="DomainRun",
            fields=[
                ("id", _id()),
                ("mailing", _to("mailing", on_delete=django.db.models.deletion.CASCADE, db_index=False)),
                ("domain", models.CharField(max_length=253)),
                ("by_report", models.BooleanField()),
                ("in_a_row", models.PositiveIntegerField()),
            ],
            options={
                **_TABLE,
                "constraints": (
                    models.UniqueConstraint(fields=("mailing", "by_report", "domain"), name="domain_run_once"),
                    models.CheckConstraint(condition=Q(in_a_row__gt=0), name="domain_run_is_one"),
                ),
            },
            managers=[("unscoped", django.db.models.manager.Manager())],
        ),
        migrations.CreateModel(
            name="Matter",
            fields=[
                ("id", _id()),
                ("kind", models.CharField(max_length=16)),
                ("mailbox", _to("mailbox", on_delete=django.db.models.deletion.CASCADE, null=True)),
                ("copy", _to("copy", null=True)),
                ("bounce", _to("bounce", null=True)),
                ("said", models.CharField(default="", max_length=500)),
                ("sender", models.CharField(default="", max_length=254)),
                ("opened_at", models.DateTimeField()),
                ("judgement", models.CharField(default="", max_length=16)),
                ("note", models.CharField(default="", max_length=500)),
                ("closed_at", models.DateTimeField(null=True)),
                ("closed_by", models.CharField(default="", max_length=64)),
            ],
            options={
                **_TABLE,
                "constraints": (
                    models.CheckConstraint(condition=Q(kind__in=_KINDS), name="matter_kind"),
                    models.CheckConstraint(condition=Q(judgement__in=_JUDGEMENTS), name="matter_judgement"),
                    models.CheckConstraint(
                        condition=Q(closed_at=None, judgement="", closed_by="")
                        | (Q(closed_at__isnull=False) & ~Q(judgement="") & ~Q(closed_by="")),
                        name="matter_closed_says_how_and_by_whom",
                    ),
                    models.UniqueConstraint(
                        fields=("mailbox", "kind"),
                        condition=Q(
                            closed_at=None,
                            mailbox__isnull=False,
                            kind__in=("undeliverable", "says_gone", "unclassified"),
                        ),
                        name="matter_of_an_address_once",
                    ),
                ),
                "indexes": [
                    models.Index(condition=Q(closed_at=None), fields=["opened_at"], name="matter_open"),
                ],
            },
            managers=[("unscoped", django.db.models.manager.Manager())],
        ),
        *(migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in _FILL_IN),
    ]
