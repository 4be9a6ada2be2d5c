"""Named factories: an issue with its first revision, a mailing, a user with an office."""

from collections.abc import Iterable
from datetime import date, datetime

from mailer.core.audience import Rule
from mailer.core.listfile import Office as Role
from mailer.core.schedule import LocalTime
from mailer.models.issue import Issue, Revision
from mailer.models.mailing import Mailing
from mailer.models.user import Office, OfficeRegion, User


def create_issue(
    list_id: int,
    region: int | None,
    author: int | None,
    *,
    subject: str,
    preheader: str,
    blocks: list[dict[str, object]],
    digest: str,
    saved_by: str,
    now: datetime,
    corrects: int | None = None,
) -> int:
    """An issue and its first revision; its number."""
    issue: Issue = Issue.unscoped.create(
        mailing_list_id=list_id, region_id=region, author_id=author, corrects_id=corrects, created_at=now
    )
    Revision.unscoped.create(
        issue=issue,
        number=1,
        subject=subject,
        preheader=preheader,
        blocks=blocks,
        digest=digest,
        saved_by=saved_by,
        saved_at=now,
    )
    return int(issue.pk)


def create_mailing(
    issue: Issue,
    revision: Revision,
    rule: Rule,
    *,
    author: int | None,
    scope: Iterable[int] | None,
    due: LocalTime,
    starts_at: datetime,
    not_after: datetime,
    now: datetime,
) -> Mailing:
    """A sending that waits for its time."""
    mailing: Mailing = Mailing.unscoped.create(
        issue=issue,
        revision=revision,
        region_id=issue.region_id,
        author_id=author,
        scope=None if scope is None else sorted(scope),
        rule=rule.to_json(),
        wall_time=due.wall,
        zone=due.zone,
        due_at=due.utc,
        starts_at=starts_at,
        not_after=not_after,
        scheduled_at=now,
    )
    return mailing


def grant_office(
    email: str,
    name: str,
    role: Role,
    regions: Iterable[int],
    *,
    starts: date,
    ends: date | None,
    system_user: str | None,
) -> int:
    """Give a role for a term to the user with this e-mail address, who is made if need be; the office's number."""
    # One person however they write it: addresses of users are kept, and looked up, in lower case.
    user, _ = User.objects.get_or_create(email=email.lower(), defaults={"name": name})
    if system_user is not None:
        User.objects.filter(system_user=system_user).update(system_user=None)
        User.objects.filter(pk=user.pk).update(system_user=system_user)
    office: Office = Office.unscoped.create(user=user, role=role, starts=starts, ends=ends)
    OfficeRegion.unscoped.bulk_create(OfficeRegion(office=office, region_id=number) for number in regions)
    return int(office.pk)


def revoke_office(number: int, now: datetime) -> bool:
    """End an office at once; False if there is none, or it was revoked before."""
    return Office.unscoped.filter(pk=number, revoked_at=None).update(revoked_at=now) == 1


def offices() -> list[tuple[Office, tuple[str, ...]]]:
    """Every office with the slugs of its regions."""
    return [
        (
            office,
            tuple(OfficeRegion.unscoped.filter(office=office).values_list("region__slug", flat=True)),
        )
        for office in Office.unscoped.select_related("user").order_by("pk")
    ]
