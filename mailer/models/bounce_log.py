"""What came back, for looking at."""

from django.db.models import Q, QuerySet

from mailer.models.bounce import Bounce
from mailer.models.mailing import Mailing


def newest_first(mailings: QuerySet[Mailing], issue: int | None, *, unmatched: bool) -> QuerySet[Bounce]:
    """Bounces of copies of these mailings, of one issue if asked, and those that nobody could match if asked."""
    ours = Q(copy__mailing__in=mailings.values("pk"))
    if issue is not None:
        ours &= Q(copy__mailing__issue=issue)
    found: QuerySet[Bounce] = Bounce.unscoped.filter(ours | Q(copy=None) if unmatched else ours)
    return found.select_related("copy__mailing").defer("raw").order_by("-received_at", "-pk")
