"""Making a database ready: migrations, guards, the site's row, the list files, and that the keys are those it knows."""

from dataclasses import dataclass
from datetime import datetime

from mailer.access import THE_CLOCK, Actor
from mailer.actions.adopt_lists import adopt
from mailer.core.errors import MailerError
from mailer.house import House
from mailer.keys import fingerprints
from mailer.models import guards, halt, setting_up
from mailer.models.base import writing
from mailer.models.ledger import record


class WrongKeys(MailerError, ValueError):
    """The key files are not those that this database was made with."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was done: whether the site is new, and whether the list files brought something new."""

    new_site: bool
    lists_changed: bool


def prepare_database(house: House, *, now: datetime, incarnation: str, actor: Actor = THE_CLOCK) -> Prepared:
    """After the tables are migrated: put the guards back, make the site's row, adopt the list files."""
    guards.install()
    with writing():
        new = setting_up.ensure_site(incarnation, fingerprints(house.keys), now)
        if new:
            record(now, actor.reference, halt.MADE, about="site", incarnation=incarnation)
    check_keys(house)
    return Prepared(new, adopt(house, actor, now))


def check_keys(house: House) -> None:
    """Refuse keys that this database does not know: links, return paths and suppression would break silently."""
    known, have = setting_up.known_fingerprints(), fingerprints(house.keys)
    wrong = sorted(name for name, print_ in known.items() if have.get(name) != print_)
    if wrong:
        raise WrongKeys(
            f"The key files {', '.join(wrong)} in {house.config.data.keys} are missing, or are not those of this"
            " database. Put the right ones back (from the printed sheet, or from a backup of the keys)."
        )
    if have != known:
        # A further token key: links made with the older ones go on working.
        with writing():
            setting_up.keep_fingerprints(have)
