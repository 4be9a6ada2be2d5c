"""Taking the list files into the database: lists, regions, streams, wordings, and the digest that workers compare.

A region that still has members cannot vanish, and words that changed need a new version (design.md section 1).
"""

from datetime import datetime

from mailer.access import Actor
from mailer.core.adoption import complain_about_changes
from mailer.core.complaint import Complaint, ListFileError
from mailer.house import House
from mailer.models import adoption
from mailer.models.base import writing
from mailer.models.ledger import record


def complaints(house: House, now: datetime) -> tuple[Complaint, ...]:
    """What the files contradict of what the database has promised."""
    known = adoption.adopted(house.today(now))
    return tuple(complain_about_changes(known, house.library.lists.values(), house.library.regions))


def adopt(house: House, actor: Actor, now: datetime) -> bool:
    """Bring the database up to the files; False if it was already. Raises ListFileError with every contradiction."""
    library = house.library
    with writing():
        if adoption.digest() == library.digest:
            return False
        if found := complaints(house, now):
            raise ListFileError(found)
        adoption.bring_up_to(
            library.lists.values(), library.streams.values(), library.regions, digest=library.digest, now=now
        )
        record(now, actor.reference, "lists adopted", about="site", digest=library.digest)
    return True


def is_adopted(house: House) -> bool:
    """Whether the files this process has read are those that the database adopted last."""
    return adoption.digest() == house.library.digest
