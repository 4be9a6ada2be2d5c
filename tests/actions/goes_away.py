"""The ways in which somebody goes away from a mailing, each with the outcome and the reason that follow."""

from collections.abc import Callable

from mailer.models import Member, SuppressionReason, departure, returns
from tests.actions.office import Office
from tests.world import move, stream, withdraw

Way = tuple[Callable[[Office, Member], object], tuple[str, str]]
WAYS: dict[str, Way] = {
    "left": (lambda o, m: withdraw(o.house, m, stream(o.house), o.now), ("withdrawn", "left")),
    "everything": (
        lambda o, m: departure.suppress_person(m, SuppressionReason.LEFT_ALL, o.now),
        ("withdrawn", "suppressed"),
    ),
    "complained": (
        lambda o, m: departure.suppress_mailbox(m.mailbox.pk, SuppressionReason.COMPLAINT, o.now),
        ("withdrawn", "mailbox_suppressed"),
    ),
    "dead": (
        lambda o, m: returns.make_undeliverable(m.mailbox.pk, "gone", o.now),
        ("withdrawn", "undeliverable"),
    ),
    "boxless": (lambda o, m: move(o.house, m, None), ("unmailable", "")),
}
