"""An address that was given up is written to again: only because a named person says that it works (standards B15).

That it was given up was a fact about the address. Who left, or called a letter unwanted, made a choice: that stays, and
nobody but they can undo it (B13).
"""

from datetime import datetime

from mailer import access
from mailer.access import Actor, NotFound
from mailer.core.alarm import discreet
from mailer.core.errors import MailerError
from mailer.core.listfile import Office as Role
from mailer.house import House
from mailer.models import Mailbox, desk, returns
from mailer.models.base import writing
from mailer.models.ledger import record


class RestoreRefused(MailerError, ValueError):
    """The address cannot be restored, or not like this."""


def restore_mailbox(actor: Actor, house: House, who: str, reason: str, now: datetime) -> str:
    """Write to an address again, named by itself or by a member's number; the address."""
    actor.needs(Role.SECRETARY, Role.COORDINATOR)
    mailbox = desk.mailbox_of(access.members(actor, house.today(now)), who)
    if mailbox is None:
        raise NotFound(f"No member of yours has the number or e-mail address {who!r}.")
    with writing():
        restore(actor, mailbox, reason, now)
    return str(mailbox.address)


def restore(actor: Actor, mailbox: Mailbox, reason: str, now: datetime) -> None:
    """The same for a mailbox; call it inside `writing()`."""
    if not reason.strip():
        raise RestoreRefused("Say why you know that the address works: --reason.")
    if returns.complained(mailbox):
        raise RestoreRefused(
            "Somebody at this address called a letter of ours unwanted. That is their choice, and stays:"
            " only they themselves can ask for letters again."
        )
    if not returns.restore(mailbox.pk):
        raise RestoreRefused("This address was not given up: it is written to already.")
    desk.note_restored(mailbox.pk, reason, actor.reference, now)
    record(now, actor.reference, "mailbox restored", about="mailbox", number=mailbox.pk, reason=discreet(reason))
