"""Proving a consent: the lines of the ledger about one member, with words, evidence and the chain (standards P7)."""

from dataclasses import dataclass
from datetime import datetime

from mailer import access
from mailer.access import Actor
from mailer.actions.seal_ledger import last_head
from mailer.core.consent import GENESIS, proves
from mailer.core.listfile import Office as Role
from mailer.house import House
from mailer.models import ConsentEntry, ConsentEvidence, dossier, ledger

_WHO = {"self": "the person", "clock": "the clock"}


@dataclass(frozen=True, slots=True)
class ProvenLine:
    """One line of the ledger. `evidence` None means that it was erased; `matches` None that nothing can be compared."""

    number: int
    stream: int
    title: str
    kind: str
    at: datetime
    recorded_at: datetime
    channel: str
    entered_by: str
    article9: str
    pecr: str
    wording_version: int | None
    wording: str | None
    controller: str | None
    evidence: str | None
    matches: bool | None
    sealed: bool
    mailing: int | None

    @property
    def evidence_says(self) -> str:
        """Whether the evidence is what the line committed to, in words."""
        return {True: "as committed", False: "NOT WHAT WAS COMMITTED", None: "nothing to compare"}[self.matches]


@dataclass(frozen=True, slots=True)
class Proof:
    """All lines about one member, and whether the chain over the whole ledger holds."""

    member: str
    subject: str
    lines: tuple[ProvenLine, ...]
    holds: bool
    chain_says: str


def prove(actor: Actor, house: House, name: str, now: datetime) -> Proof:
    """Everything the ledger says of one member."""
    actor.needs(Role.CHAIR, Role.SECRETARY)
    member = access.member(actor, name, house.today(now))
    sealed = dossier.sealed_up_to()
    lines = tuple(_line(row, evidence, sealed) for row, evidence in dossier.lines_of(member.subject))
    fault = _fault_of_chain(house)
    mismatched = [str(line.number) for line in lines if line.matches is False]
    if fault is None and mismatched:
        fault = f"The evidence of line {', '.join(mismatched)} is not what was committed to."
    told = f"The chain holds up to line {sealed}." if sealed else "Nothing has been sealed yet; the worker does it."
    return Proof(member.name, member.subject, lines, fault is None, fault or told)


def _fault_of_chain(house: House) -> str | None:
    if broken := ledger.broken_seal():
        return f"THE CHAIN IS BROKEN: lines {broken.first_row} to {broken.last_row} are not those that were sealed."
    head = dossier.sealed_head() or GENESIS
    if head != dossier.kept_head():
        return "THE CHAIN IS BROKEN: its head is not the one that the site keeps."
    outside = last_head(house)
    if outside is not None and outside != head:
        return "The head of the chain is not the one written outside the database: an older database was restored."
    return None


def _line(row: ConsentEntry, evidence: ConsentEvidence | None, sealed: int) -> ProvenLine:
    entry = ledger.as_entry(row)
    wording = row.wording
    matches = proves(entry, bytes(evidence.salt), evidence.evidence) if evidence else None
    return ProvenLine(
        number=row.pk,
        stream=entry.stream,
        title=row.stream.title,
        kind=entry.kind,
        at=entry.at,
        recorded_at=entry.recorded_at,
        channel=entry.channel,
        entered_by=_who(entry.actor),
        article9=entry.article9,
        pecr=entry.pecr,
        wording_version=wording.version if wording else None,
        wording=wording.text if wording else None,
        controller=wording.controller if wording else None,
        evidence=evidence.evidence if evidence else None,
        matches=matches,
        sealed=row.pk <= sealed,
        mailing=entry.mailing,
    )


def _who(reference: str) -> str:
    kind, _, number = reference.partition(":")
    if kind == "user" and number.isdigit():
        return f"{dossier.user_name(int(number)) or 'a user no longer known'} ({reference})"
    return _WHO.get(reference, reference)
