"""Someone who signs in, and the offices they hold."""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from mailer.core.listfile import Office as Role
from mailer.models.base import Table, one_of
from mailer.models.region import Region


class UserManager(BaseUserManager["User"]):
    """Named `objects` because sign-in libraries ask for it; users are no members' data."""


class User(AbstractBaseUser):
    """A person with an e-mail address who may hold offices."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200)
    is_active = models.BooleanField(default=True)
    #: The login name of the machine's user for whom commands act as this person when `--by` is not given.
    system_user = models.CharField(max_length=64, null=True, unique=True)

    objects = UserManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        constraints = (models.UniqueConstraint(Lower("email"), name="user_email_once_in_any_case"),)


class Office(Table):
    """A role held for a term. A lapsed office stops nothing already due; a revoked one does."""

    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    role = models.CharField(max_length=16)
    starts = models.DateField()
    ends = models.DateField(null=True)
    deputy = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta(Table.Meta):
        constraints = (
            one_of("office_role", "role", Role),
            models.CheckConstraint(condition=Q(ends=None) | Q(ends__gt=F("starts")), name="office_ends_after_start"),
            models.CheckConstraint(condition=Q(deputy=None) | ~Q(deputy=F("user")), name="office_deputy_is_another"),
        )


class OfficeRegion(Table):
    """A region of a coordinator's office."""

    office = models.ForeignKey(Office, models.CASCADE, related_name="+")
    region = models.ForeignKey(Region, models.PROTECT, related_name="+")

    class Meta(Table.Meta):
        constraints = (models.UniqueConstraint(fields=("office", "region"), name="office_region_once"),)
