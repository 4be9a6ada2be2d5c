"""Changes that no mailing can ask for any more are let go, so that their table does not grow for ever."""

from mailer.models.base import writing
from mailer.models.changes import forget_old_changes


def forget_old() -> int:
    """Let them go; how many."""
    with writing():
        return forget_old_changes()
