"""The sending engine and what comes back: changes by member, limits, relays, alarms, departures, sources, the desk."""

import django.db.models.deletion
import django.db.models.manager
from django.db import migrations, models
from django.db.models import Q

_TABLE = {"abstract": False, "base_manager_name": "unscoped", "default_manager_name": "unscoped"}
_SET_ASIDE = (
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
_ALARMS = [
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
]
_HALTS = ["older database restored", "site copied or moved", "database of another site"]
_SOURCES = ["smtp", "maildir", "imap", "file", "pipe", "webhook"]
_MATTERS = [
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


def _id():
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


def _to(table, on_delete=django.db.models.deletion.PROTECT, **more):
    return models.ForeignKey(on_delete=on_delete, related_name="+", to=f"mailer.{table}", **more)


def _managers():
    return [("unscoped", django.db.models.manager.Manager())]


def _create(name, fields, constraints=(), indexes=()):
    # An option that is empty is left out: the models that have none do not mention it.
    more = {word: list(each) for word, each in (("constraints", constraints), ("indexes", indexes)) if each}
    return migrations.CreateModel(name, fields, options={**_TABLE, **more}, managers=_managers())


def _without_index(table, field, **more):
    """A foreign key that keeps its constraint and loses the index of its own: nothing else of the table is touched.

    AlterField would make SQLite copy the whole table, which is the largest there is.
    """

    def drop(apps, editor):
        model = apps.get_model("mailer", table)
        column, named = model._meta.get_field(field).column, {index.name for index in model._meta.indexes}
        with editor.connection.cursor() as cursor:
            there = editor.connection.introspection.get_constraints(cursor, model._meta.db_table)
        for name, each in there.items():
            if each["index"] and not each["unique"] and each["columns"] == [column] and name not in named:
                editor.execute(f"DROP INDEX {editor.quote_name(name)}")

    return migrations.SeparateDatabaseAndState(
        [migrations.RunPython(drop, migrations.RunPython.noop)],
        [migrations.AlterField(table, field, _to(field, db_index=False, **more))],
    )


class Migration(migrations.Migration):
    dependencies = [("mailer", "0001_initial")]

    operations = [
        # The queue: no index that every letter passes but is asked for by nobody.
        migrations.RemoveIndex("copy", "copy_claims"),
        migrations.RemoveIndex("copy", "copy_by_state"),
        migrations.RemoveIndex("delivery", "delivery_waiting"),
        _without_index("copy", "mailing"),
        _without_index("delivery", "mailing"),
        _without_index("delivery", "copy", null=True),
        _without_index("delivery", "stream", null=True),
        migrations.AddIndex(
            "copy", models.Index(condition=Q(state__in=_SET_ASIDE), fields=["mailing", "state"], name="copy_set_aside")
        ),
        migrations.AddIndex("copy", models.Index(fields=["mailing", "mailbox"], name="copy_by_mailbox")),
        # One copy for a mailbox and language, whatever is in it.
        migrations.RemoveConstraint("copy", "copy_once_per_mailbox"),
        migrations.AddConstraint(
            "copy",
            models.UniqueConstraint(
                condition=Q(("state__in", ("withdrawn", "cancelled")), _negated=True),
                fields=("mailing", "mailbox", "language"),
                name="copy_once_per_mailbox",
            ),
        ),
        # Whom a change is about, and up to which change a mailing was checked.
        migrations.AddField("mailing", "checked_at_change", models.BigIntegerField(null=True)),
        migrations.AddField("mailing", "checked_on", models.DateField(null=True)),
        _create(
            "Change",
            [
                ("id", _id()),
                ("number", models.BigIntegerField()),
                ("member", _to("member", django.db.models.deletion.CASCADE, db_index=False, null=True)),
            ],
            indexes=[
                models.Index(fields=["number"], name="change_by_number"),
                models.Index(fields=["member", "number"], name="change_by_member"),
            ],
        ),
        migrations.AddField("issue", "corrects", _to("issue", null=True)),
        # Limits, destinations and relays.
        _create(
            "Quota",
            [
                ("scope", models.CharField(max_length=270, primary_key=True, serialize=False)),
                ("used", models.JSONField(default=dict)),
            ],
        ),
        _create(
            "Destination",
            [
                ("domain", models.CharField(max_length=253, primary_key=True, serialize=False)),
                ("rest_until", models.DateTimeField()),
                ("times", models.PositiveIntegerField(default=1)),
                ("reason", models.CharField(max_length=500)),
            ],
        ),
        _create(
            "RelayState",
            [
                ("name", models.CharField(max_length=63, primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=32)),
                ("reason", models.CharField(max_length=500)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField(null=True)),
                ("times", models.PositiveIntegerField(default=1)),
                ("credentials", models.CharField(max_length=64)),
            ],
        ),
        # Alarms, and who is at work.
        _create(
            "Alarm",
            [
                ("id", _id()),
                ("kind", models.CharField(max_length=24)),
                ("about", models.CharField(default="", max_length=300)),
                ("since", models.DateTimeField()),
                ("words", models.CharField(default="", max_length=500)),
                ("told_at", models.DateTimeField(null=True)),
                ("tried_at", models.DateTimeField(null=True)),
                ("cleared_at", models.DateTimeField(null=True)),
                ("over", models.BooleanField(default=False)),
            ],
            constraints=[
                models.CheckConstraint(condition=Q(kind__in=_ALARMS), name="alarm_kind"),
                models.UniqueConstraint(condition=Q(over=False), fields=("kind", "about"), name="alarm_once"),
                models.CheckConstraint(
                    condition=Q(over=False) | Q(cleared_at__isnull=False), name="alarm_over_is_cleared"
                ),
            ],
        ),
        _create(
            "WorkerRow",
            [
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
            constraints=[
                models.CheckConstraint(condition=Q(state__in=["working", "idle", "waiting"]), name="worker_state")
            ],
        ),
        # Departures outside the database, and a site that stands still.
        _create(
            "CarriedOut",
            [
                ("seed", models.BigIntegerField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
            ],
        ),
        _create(
            "ReadTo",
            [
                ("file", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("offset", models.BigIntegerField()),
                ("tail", models.CharField(max_length=32)),
            ],
        ),
        _create(
            "Stranded",
            [
                ("seed", models.BigIntegerField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("line", models.TextField()),
            ],
        ),
        _create(
            "Halt",
            [
                ("id", _id()),
                ("kind", models.CharField(max_length=32)),
                ("at", models.DateTimeField()),
                ("faced_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.CharField(default="", max_length=64)),
                ("reason", models.CharField(default="", max_length=500)),
            ],
            constraints=[
                models.CheckConstraint(condition=Q(kind__in=_HALTS), name="halt_kind"),
                models.UniqueConstraint(condition=Q(ended_at=None), fields=("kind",), name="halt_once_at_a_time"),
            ],
        ),
        # Where reports come from, and what they did.
        _create(
            "ReportSource",
            [
                ("id", _id()),
                ("place", models.CharField(max_length=255, unique=True)),
                ("validity", models.BigIntegerField(default=0)),
                ("uid", models.BigIntegerField(default=0)),
                ("claimed_until", models.DateTimeField(null=True)),
                ("rests_until", models.DateTimeField(null=True)),
                ("refusals", models.PositiveSmallIntegerField(default=0)),
                ("read_at", models.DateTimeField(null=True)),
                ("trouble", models.CharField(default="", max_length=500)),
            ],
        ),
        migrations.RemoveConstraint("bounce", "bounce_source"),
        migrations.AlterField(
            "bounce",
            "source",
            models.CharField(choices=[(word, word.capitalize()) for word in _SOURCES], max_length=8),
        ),
        migrations.AddField("bounce", "behind", models.CharField(default="", max_length=16)),
        migrations.AddField("bounce", "klass", models.CharField(default="", max_length=32)),
        migrations.AddField("bounce", "mailing", _to("mailing", db_index=False, null=True)),
        migrations.AddConstraint(
            "bounce", models.CheckConstraint(condition=Q(source__in=_SOURCES), name="bounce_source")
        ),
        migrations.AddIndex("bounce", models.Index(fields=["mailing", "klass"], name="bounce_by_mailing")),
        migrations.AddIndex("bounce", models.Index(fields=["received_at"], name="bounce_by_time")),
        # The desk, and domains that take no letter of ours.
        _create(
            "DomainRun",
            [
                ("id", _id()),
                ("mailing", _to("mailing", django.db.models.deletion.CASCADE, db_index=False)),
                ("domain", models.CharField(max_length=253)),
                ("by_report", models.BooleanField()),
                ("in_a_row", models.PositiveIntegerField()),
            ],
            constraints=[
                models.UniqueConstraint(fields=("mailing", "by_report", "domain"), name="domain_run_once"),
                models.CheckConstraint(condition=Q(in_a_row__gt=0), name="domain_run_is_one"),
            ],
        ),
        _create(
            "Matter",
            [
                ("id", _id()),
                ("kind", models.CharField(max_length=16)),
                ("mailbox", _to("mailbox", django.db.models.deletion.CASCADE, null=True)),
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
            constraints=[
                models.CheckConstraint(condition=Q(kind__in=_MATTERS), name="matter_kind"),
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
            ],
            indexes=[models.Index(condition=Q(closed_at=None), fields=["opened_at"], name="matter_open")],
        ),
        *(migrations.RunSQL(statement, migrations.RunSQL.noop) for statement in _FILL_IN),
    ]
