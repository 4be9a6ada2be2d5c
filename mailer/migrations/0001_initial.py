import django.db.models.deletion
import django.db.models.functions.text
import django.db.models.manager
import mailer.core.delivery
import mailer.core.issue
import mailer.core.mailing
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Region",
            fields=[
                ("number", models.PositiveIntegerField(primary_key=True, serialize=False)),
                ("slug", models.SlugField(unique=True)),
                ("name", models.CharField(max_length=100)),
                (
                    "parent",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.region"
                    ),
                ),
                ("retired", models.BooleanField(default=False)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("parent", None), models.Q(("parent", models.F("number")), _negated=True), _connector="OR"
                        ),
                        name="region_not_own_parent",
                    )
                ],
                "indexes": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="MailingList",
            fields=[
                ("number", models.PositiveIntegerField(primary_key=True, serialize=False)),
                ("slug", models.SlugField(unique=True)),
                ("label", models.SlugField(unique=True)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "indexes": [],
                "constraints": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                ("email", models.EmailField(max_length=254, unique=True)),
                ("name", models.CharField(max_length=200)),
                ("is_active", models.BooleanField(default=True)),
                ("system_user", models.CharField(max_length=64, null=True, unique=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.text.Lower("email"), name="user_email_once_in_any_case"
                    )
                ],
                "indexes": [],
            },
        ),
        migrations.CreateModel(
            name="Mailbox",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address", models.CharField(max_length=254)),
                ("normal", models.CharField(max_length=254, unique=True)),
                ("domain", models.CharField(max_length=253)),
                ("hash", models.CharField(max_length=64, unique=True)),
                (
                    "deliverability",
                    models.CharField(
                        choices=[("unknown", "Unknown"), ("undeliverable", "Undeliverable")],
                        default="unknown",
                        max_length=16,
                    ),
                ),
                ("undeliverable_since", models.DateTimeField(null=True)),
                ("undeliverable_reason", models.CharField(default="", max_length=500)),
                ("soft_count", models.PositiveSmallIntegerField(default=0)),
                ("soft_first_on", models.DateField(null=True)),
                ("soft_last_on", models.DateField(null=True)),
                ("disabled_count", models.PositiveSmallIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("deliverability__in", ["unknown", "undeliverable"])),
                        name="mailbox_deliverability",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("deliverability", "unknown"), ("undeliverable_since__isnull", False), _connector="OR"
                        ),
                        name="mailbox_undeliverable_since_when",
                    ),
                    models.CheckConstraint(condition=models.Q(("address__contains", "@")), name="mailbox_has_an_at"),
                ],
                "indexes": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("actor", models.CharField(max_length=64)),
                ("verb", models.CharField(max_length=48)),
                ("subject_type", models.CharField(default="", max_length=24)),
                ("subject_id", models.CharField(default="", max_length=64)),
                ("region", models.PositiveIntegerField(null=True)),
                ("details", models.JSONField(default=dict)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "indexes": [models.Index(fields=["subject_type", "subject_id"], name="event_by_subject")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("actor", ""), _negated=True), name="event_names_its_actor"
                    ),
                    models.CheckConstraint(condition=models.Q(("verb", ""), _negated=True), name="event_names_its_act"),
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Seal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("chain", models.CharField(choices=[("consent", "Consent"), ("event", "Event")], max_length=16)),
                ("first_row", models.BigIntegerField()),
                ("last_row", models.BigIntegerField()),
                ("head", models.CharField(max_length=64)),
                ("sealed_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("chain__in", ["consent", "event"])), name="seal_chain"),
                    models.UniqueConstraint(fields=("chain", "first_row"), name="seal_starts_once"),
                    models.CheckConstraint(
                        condition=models.Q(("last_row__gte", models.F("first_row"))), name="seal_covers_something"
                    ),
                ],
                "indexes": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Suppression",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(choices=[("mailbox", "Mailbox"), ("person", "Person")], max_length=8)),
                ("hash", models.CharField(max_length=64)),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("complaint", "Complaint"),
                            ("all_of_us", "All Of Us"),
                            ("left_all", "Left All"),
                            ("erased", "Erased"),
                        ],
                        max_length=16,
                    ),
                ),
                ("at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["mailbox", "person"])), name="suppression_kind"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason__in", ["complaint", "all_of_us", "left_all", "erased"])),
                        name="suppression_reason",
                    ),
                    models.UniqueConstraint(fields=("kind", "hash"), name="suppression_once"),
                ],
                "indexes": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Site",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("incarnation", models.CharField(max_length=32)),
                ("lists_digest", models.CharField(default="", max_length=64)),
                ("key_fingerprints", models.JSONField(default=dict)),
                (
                    "ledger_head",
                    models.CharField(
                        default="0000000000000000000000000000000000000000000000000000000000000000", max_length=64
                    ),
                ),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="site_is_one_row")],
                "indexes": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Counter",
            fields=[
                ("name", models.CharField(max_length=16, primary_key=True, serialize=False)),
                ("value", models.BigIntegerField(default=0)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("name__in", ["changes", "sends"])), name="counter_name")
                ],
                "indexes": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Stream",
            fields=[
                ("number", models.PositiveIntegerField(primary_key=True, serialize=False)),
                (
                    "mailing_list",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.mailinglist"
                    ),
                ),
                (
                    "region",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.region"
                    ),
                ),
                ("title", models.CharField(max_length=200)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [
                    models.UniqueConstraint(fields=("mailing_list", "region"), name="stream_list_region_once"),
                    models.UniqueConstraint(
                        condition=models.Q(("region", None)), fields=("mailing_list",), name="stream_whole_list_once"
                    ),
                ],
                "indexes": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Wording",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "mailing_list",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.mailinglist"
                    ),
                ),
                ("version", models.PositiveIntegerField()),
                ("text", models.TextField()),
                ("controller", models.CharField(max_length=200)),
                ("article9", models.CharField(max_length=16)),
                ("pecr", models.CharField(max_length=16)),
                ("adopted_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [
                    models.UniqueConstraint(fields=("mailing_list", "version"), name="wording_version_once")
                ],
                "indexes": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Office",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "user",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.user"),
                ),
                ("role", models.CharField(max_length=16)),
                ("starts", models.DateField()),
                ("ends", models.DateField(null=True)),
                (
                    "deputy",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.user"
                    ),
                ),
                ("revoked_at", models.DateTimeField(null=True)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("role__in", ["chair", "secretary", "coordinator", "editor"])),
                        name="office_role",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("ends", None), ("ends__gt", models.F("starts")), _connector="OR"),
                        name="office_ends_after_start",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("deputy", None), models.Q(("deputy", models.F("user")), _negated=True), _connector="OR"
                        ),
                        name="office_deputy_is_another",
                    ),
                ],
                "indexes": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Issue",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "mailing_list",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.mailinglist"
                    ),
                ),
                (
                    "region",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.region"
                    ),
                ),
                ("state", models.CharField(default=mailer.core.issue.IssueState["DRAFT"], max_length=16)),
                (
                    "author",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.user"
                    ),
                ),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["draft", "submitted", "approved", "archived"])),
                        name="issue_state",
                    )
                ],
                "indexes": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Member",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("handle", models.BigIntegerField(unique=True)),
                ("subject", models.CharField(max_length=32, unique=True)),
                ("number", models.CharField(max_length=32, null=True, unique=True)),
                ("name", models.CharField(max_length=200)),
                ("folded_name", models.CharField(max_length=200)),
                ("person_hash", models.CharField(db_index=True, default="", max_length=64)),
                ("standing", models.CharField(max_length=16)),
                (
                    "mailbox",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.mailbox"
                    ),
                ),
                ("telephone", models.CharField(default="", max_length=40)),
                ("postal_address", models.TextField(default="")),
                ("language", models.CharField(default="en-GB", max_length=16)),
                ("custom", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("standing__in", ["member", "supporter", "claimed"])), name="member_standing"
                    ),
                    models.CheckConstraint(condition=models.Q(("name", ""), _negated=True), name="member_has_a_name"),
                    models.CheckConstraint(
                        condition=models.Q(("number", None), models.Q(("number", ""), _negated=True), _connector="OR"),
                        name="member_number_not_empty",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("mailbox__isnull", False), ("number", None)),
                        fields=("mailbox", "folded_name"),
                        name="member_without_number_once_per_mailbox",
                    ),
                ],
                "indexes": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("handle", models.BigIntegerField(unique=True)),
                ("state", models.CharField(default=mailer.core.delivery.CopyState["QUEUED"], max_length=16)),
                ("claimed_by", models.CharField(default="", max_length=64)),
                ("claim", models.BigIntegerField(null=True)),
                ("claimed_until", models.DateTimeField(null=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("first_attempt_at", models.DateTimeField(null=True)),
                ("next_attempt_at", models.DateTimeField(null=True)),
                ("decided_at", models.DateTimeField(null=True)),
                ("reply_code", models.PositiveSmallIntegerField(null=True)),
                ("reply_status", models.CharField(default="", max_length=16)),
                ("reply_text", models.CharField(default="", max_length=500)),
                ("kind", models.CharField(choices=[("farewell", "Farewell")], max_length=16)),
                (
                    "mailbox",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="mailer.mailbox"
                    ),
                ),
                ("subject", models.CharField(max_length=500)),
                ("text", models.TextField()),
                ("html", models.TextField()),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", mailer.core.delivery.CopyState["QUEUED"])),
                        fields=["id"],
                        name="notice_queue",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "queued",
                                    "claimed",
                                    "withdrawn",
                                    "cancelled",
                                    "expired",
                                    "accepted",
                                    "deferred",
                                    "held",
                                    "refused",
                                    "uncertain",
                                    "bounced",
                                    "complained",
                                ],
                            )
                        ),
                        name="notice_state",
                    ),
                    models.CheckConstraint(condition=models.Q(("kind__in", ["farewell"])), name="notice_kind"),
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="OfficeRegion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "office",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="mailer.office"
                    ),
                ),
                (
                    "region",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.region"
                    ),
                ),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [models.UniqueConstraint(fields=("office", "region"), name="office_region_once")],
                "indexes": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Revision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "issue",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.issue"),
                ),
                ("number", models.PositiveIntegerField()),
                ("subject", models.CharField(max_length=500)),
                ("preheader", models.CharField(max_length=500)),
                ("blocks", models.JSONField()),
                ("digest", models.CharField(max_length=64)),
                ("saved_by", models.CharField(max_length=64)),
                ("saved_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [models.UniqueConstraint(fields=("issue", "number"), name="revision_number_once")],
                "indexes": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="MemberRegion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "member",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="mailer.member"
                    ),
                ),
                (
                    "region",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.region"
                    ),
                ),
                ("starts", models.DateField()),
                ("ends", models.DateField(null=True)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "indexes": [models.Index(fields=["region", "member"], name="member_region_by_region")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("ends", None), ("ends__gte", models.F("starts")), _connector="OR"),
                        name="member_region_half_open",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("ends", None)), fields=("member", "region"), name="member_region_open_once"
                    ),
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Undo",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("handle", models.BigIntegerField(unique=True)),
                (
                    "member",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="mailer.member"
                    ),
                ),
                ("streams", models.JSONField()),
                ("lifts_suppression", models.BooleanField(default=False)),
                ("ends_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "indexes": [],
                "constraints": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="ConsentEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("subject", models.CharField(db_index=True, max_length=32)),
                (
                    "stream",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.stream"
                    ),
                ),
                ("kind", models.CharField(max_length=16)),
                ("at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField()),
                ("channel", models.CharField(max_length=16)),
                (
                    "wording",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.wording"
                    ),
                ),
                ("actor", models.CharField(max_length=64)),
                ("article9", models.CharField(max_length=16)),
                ("pecr", models.CharField(max_length=16)),
                ("commitment", models.CharField(default="", max_length=64)),
                ("mailing_number", models.BigIntegerField(null=True)),
                ("token_hash", models.CharField(default="", max_length=64)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["given", "withdrawn", "restored"])), name="consent_kind"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "channel__in",
                                [
                                    "paper_form",
                                    "web_form",
                                    "event",
                                    "email",
                                    "telephone",
                                    "post",
                                    "one_click",
                                    "page",
                                    "mailto",
                                    "staff",
                                    "complaint",
                                    "undo",
                                ],
                            )
                        ),
                        name="consent_channel",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("article9__in", ["9(2)(d)", "9(2)(a)"])), name="consent_article9"
                    ),
                    models.CheckConstraint(condition=models.Q(("pecr__in", ["consent"])), name="consent_pecr"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("kind", "withdrawn"),
                            models.Q(("wording__isnull", False), models.Q(("commitment", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="consent_shows_wording_and_evidence",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("actor", ""), _negated=True), name="consent_names_who_entered_it"
                    ),
                ],
                "indexes": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Mailing",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "issue",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.issue"),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.revision"
                    ),
                ),
                (
                    "region",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.region"
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.user"
                    ),
                ),
                ("scope", models.JSONField(null=True)),
                ("rule", models.JSONField()),
                ("state", models.CharField(default=mailer.core.mailing.MailingState["SCHEDULED"], max_length=16)),
                ("state_reason", models.CharField(default="", max_length=500)),
                ("wall_time", models.CharField(max_length=32)),
                ("zone", models.CharField(max_length=64)),
                ("due_at", models.DateTimeField()),
                ("starts_at", models.DateTimeField()),
                ("not_after", models.DateTimeField()),
                ("scheduled_at", models.DateTimeField()),
                ("prepared_to", models.BigIntegerField(null=True)),
                ("prepared_at", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("wait_until", models.DateTimeField(null=True)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "indexes": [models.Index(fields=["state", "starts_at"], name="mailing_by_state_and_start")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "scheduled",
                                    "preparing",
                                    "missed",
                                    "stopped",
                                    "paused",
                                    "cancelled",
                                    "sending",
                                    "sent",
                                ],
                            )
                        ),
                        name="mailing_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("starts_at__gte", models.F("due_at"))), name="mailing_starts_when_due"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("not_after__gt", models.F("due_at"))), name="mailing_not_after_due"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(
                            models.Q(
                                (
                                    "state__in",
                                    (
                                        mailer.core.mailing.MailingState["CANCELLED"],
                                        mailer.core.mailing.MailingState["MISSED"],
                                    ),
                                ),
                                _negated=True,
                            ),
                            ("started_at__isnull", False),
                            _connector="OR",
                        ),
                        fields=("issue",),
                        name="mailing_of_an_issue_once",
                    ),
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="ConsentEvidence",
            fields=[
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="mailer.consententry",
                    ),
                ),
                ("salt", models.BinaryField()),
                ("evidence", models.TextField()),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "indexes": [],
                "constraints": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "member",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="mailer.member"
                    ),
                ),
                (
                    "stream",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.stream"
                    ),
                ),
                ("state", models.CharField(max_length=8)),
                (
                    "entry",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.consententry"
                    ),
                ),
                ("since", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["active", "left"])), name="subscription_state"
                    ),
                    models.UniqueConstraint(fields=("member", "stream"), name="subscription_once"),
                ],
                "indexes": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Letter",
            fields=[
                (
                    "mailing",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="mailer.mailing",
                    ),
                ),
                ("pieces", models.TextField()),
                ("digest", models.CharField(max_length=64)),
                ("compiled_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "indexes": [],
                "constraints": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Copy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("handle", models.BigIntegerField(unique=True)),
                ("state", models.CharField(default=mailer.core.delivery.CopyState["QUEUED"], max_length=16)),
                ("claimed_by", models.CharField(default="", max_length=64)),
                ("claim", models.BigIntegerField(null=True)),
                ("claimed_until", models.DateTimeField(null=True)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("first_attempt_at", models.DateTimeField(null=True)),
                ("next_attempt_at", models.DateTimeField(null=True)),
                ("decided_at", models.DateTimeField(null=True)),
                ("reply_code", models.PositiveSmallIntegerField(null=True)),
                ("reply_status", models.CharField(default="", max_length=16)),
                ("reply_text", models.CharField(default="", max_length=500)),
                (
                    "mailing",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.mailing"
                    ),
                ),
                (
                    "mailbox",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="mailer.mailbox"
                    ),
                ),
                ("language", models.CharField(max_length=16)),
                ("segments", models.CharField(default="", max_length=200)),
                ("position", models.BigIntegerField()),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", mailer.core.delivery.CopyState["QUEUED"])),
                        fields=["mailing", "position"],
                        name="copy_queue",
                    ),
                    models.Index(
                        condition=models.Q(("next_attempt_at__isnull", False)),
                        fields=["next_attempt_at"],
                        name="copy_retries",
                    ),
                    models.Index(
                        condition=models.Q(("state", mailer.core.delivery.CopyState["CLAIMED"])),
                        fields=["claim"],
                        name="copy_by_claim",
                    ),
                    models.Index(
                        condition=models.Q(("state", mailer.core.delivery.CopyState["CLAIMED"])),
                        fields=["claimed_by"],
                        name="copy_claims",
                    ),
                    models.Index(fields=["mailing", "state"], name="copy_by_state"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "queued",
                                    "claimed",
                                    "withdrawn",
                                    "cancelled",
                                    "expired",
                                    "accepted",
                                    "deferred",
                                    "held",
                                    "refused",
                                    "uncertain",
                                    "bounced",
                                    "complained",
                                ],
                            )
                        ),
                        name="copy_state",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                (
                                    mailer.core.delivery.CopyState["WITHDRAWN"],
                                    mailer.core.delivery.CopyState["CANCELLED"],
                                ),
                            ),
                            _negated=True,
                        ),
                        fields=("mailing", "mailbox", "segments", "language"),
                        name="copy_once_per_mailbox",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", mailer.core.delivery.CopyState["CLAIMED"]), _negated=True),
                            models.Q(("claim__isnull", False), models.Q(("claimed_by", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="copy_claim_names_its_worker",
                    ),
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "mailing",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.mailing"
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="mailer.member"
                    ),
                ),
                (
                    "copy",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.copy"
                    ),
                ),
                (
                    "stream",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.stream"
                    ),
                ),
                ("outcome", models.CharField(max_length=16)),
                ("reason", models.CharField(default="", max_length=32)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "indexes": [
                    models.Index(fields=["copy"], name="delivery_by_copy"),
                    models.Index(
                        condition=models.Q(("copy", None), ("outcome", mailer.core.delivery.Outcome["CARRIED"])),
                        fields=["mailing"],
                        name="delivery_waiting",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("outcome__in", ["carried", "withdrawn", "excluded", "unmailable"])),
                        name="delivery_outcome",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "reason__in",
                                [
                                    "",
                                    "not_confirmed",
                                    "wrong_standing",
                                    "suppressed",
                                    "left",
                                    "no_consent",
                                    "mailbox_suppressed",
                                    "undeliverable",
                                    "not_on_allow_list",
                                    "region",
                                ],
                            )
                        ),
                        name="delivery_reason",
                    ),
                    models.UniqueConstraint(fields=("mailing", "member"), name="delivery_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("outcome", mailer.core.delivery.Outcome["EXCLUDED"]), _negated=True),
                            models.Q(("reason", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="delivery_excluded_says_why",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("outcome", mailer.core.delivery.Outcome["WITHDRAWN"]), _negated=True),
                            models.Q(("reason", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="delivery_withdrawn_says_why",
                    ),
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Bounce",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "copy",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mailer.copy"
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[("smtp", "Smtp"), ("maildir", "Maildir"), ("file", "File")], max_length=8
                    ),
                ),
                ("kind", models.CharField(max_length=32)),
                ("reason", models.CharField(default="", max_length=64)),
                ("reply_code", models.PositiveSmallIntegerField(null=True)),
                ("status", models.CharField(default="", max_length=16)),
                ("diagnostic", models.CharField(default="", max_length=500)),
                ("matched_by", models.CharField(default="", max_length=16)),
                ("findings", models.JSONField(default=list)),
                ("verdict", models.CharField(default="", max_length=32)),
                ("report_id", models.CharField(max_length=500, null=True)),
                ("digest", models.CharField(max_length=64, null=True, unique=True)),
                ("raw", models.BinaryField(null=True)),
                ("received_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "base_manager_name": "unscoped",
                "default_manager_name": "unscoped",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("source__in", ["smtp", "maildir", "file"])), name="bounce_source"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("copy__isnull", False), ("report_id__isnull", False)),
                        fields=("copy", "report_id"),
                        name="bounce_report_acts_once",
                    ),
                ],
                "indexes": [],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
    ]
