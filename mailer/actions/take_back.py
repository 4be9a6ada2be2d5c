"""Taking a departure back, in the database: a new, logged opt-in to exactly what was left (standards U12)."""

from datetime import datetime

from mailer.access import THE_READER
from mailer.core.consent import Article9, Entry, Kind, PecrBasis, commitment
from mailer.core.departing import Departure
from mailer.models import Member, departure
from mailer.models.changes import begin_change, name_touched
from mailer.models.ledger import Line, append, draw_salt, record
from mailer.models.outbox import unsigned


def take_back(what: Departure, now: datetime) -> bool:
    """Restore what was left, if the offer stood when it was taken. Call it inside `writing()`."""
    number = begin_change()
    offer = departure.offer_named(what.handle)
    name_touched(number, [offer.member.pk] if offer else [])
    if offer is None or offer.ends_at <= what.at or not departure.use_offer(offer, what.at):
        return False
    for stream in offer.streams:
        _restore(offer.member, stream, what, now)
    if offer.lifts_suppression:
        departure.lift_own_suppression(offer.member)
    record(
        now,
        THE_READER.reference,
        "came back",
        about="member",
        number=unsigned(offer.member.handle),
        streams=offer.streams,
        asked_at=what.at.isoformat(),
    )
    return True


def _restore(member: Member, stream: int, what: Departure, now: datetime) -> None:
    basis = departure.last_proof(member, stream)
    if basis is None:
        return
    salt, evidence = draw_salt(), f"The person undid leaving; the consent is that of line {basis.pk}."
    entry = Entry(
        subject=member.subject,
        stream=stream,
        kind=Kind.RESTORED,
        at=what.at,
        recorded_at=now,
        channel=what.channel,
        actor=THE_READER.reference,
        article9=Article9(basis.article9),
        pecr=PecrBasis(basis.pecr),
        wording=basis.wording_id,
        commitment=commitment(salt, evidence),
    )
    append([Line(member, entry, salt, evidence)])
