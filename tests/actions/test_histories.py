"""Whatever happens in whatever order: no letter against the ledger's last word, none into another region (P8)."""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from mailer import access
from mailer.house import House
from mailer.models import (
    ConsentEntry,
    Delivery,
    Member,
    MemberRegion,
    SuppressionKind,
    SuppressionReason,
    departure,
    roll,
)
from mailer.models.base import writing
from mailer.models.ledger import lines
from mailer.models.site import Counter, bump
from mailer.transport.journal import Journal
from tests.actions.office import Office
from tests.world import TODAY, anne, bart, consent, join, move, region_number, stream, withdraw

_SLUGS = ("norfolk", "suffolk", "london")
_ACTS = st.lists(
    st.tuples(
        st.sampled_from(["join", "leave", "leave", "move house", "move box", "everything"]),
        st.integers(0, 4),
        st.sampled_from([None, *_SLUGS]),
        st.integers(0, 4),
    ),
    max_size=10,
)


@pytest.mark.usefixtures("house_of_the_class")
class TestHistories(TestCase):
    """hypothesis.extra.django rolls back after each example."""

    house: House

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(acts=_ACTS, local=st.booleans())
    def test_nobody_gets_a_letter_against_their_last_word(self, acts: list[Any], *, local: bool) -> None:
        with TemporaryDirectory() as folder:
            office = Office(self.house, Journal(Path(folder), "w"))
            self._play(office, acts, local=local)

    def _play(self, office: Office, acts: list[Any], *, local: bool) -> None:
        """Each act falls before scheduling, before preparing, before the start, or while letters leave."""
        house = self.house
        people = [
            join(house, f"Person {n}", f"box{n % 4}@example.org", regions=[_SLUGS[n % 3]], consents=self._streams(n))
            for n in range(5)
        ]
        chair, coordinator = anne(), bart()
        self._do(office, people, acts, 0)
        author = coordinator if local else chair
        issue = office.scheduled(author, *(("local-notices", "norfolk") if local else ()))
        number = stream(house, "local-notices", "norfolk") if local else stream(house)
        self._do(office, people, acts, 1)
        office.now = office.mailing(issue).starts_at - timedelta(minutes=1)
        office.ring()
        self._do(office, people, acts, 2)
        office.now = office.mailing(issue).starts_at
        office.ring()
        for when in (1, 2):
            office.relay.meanwhile[when] = lambda when=when: self._do(office, people, acts, 2 + when)
        allowed: list[set[str]] = []
        handed: list[str] = []
        look = office.relay.next_for

        def watched(recipient: str) -> Any:
            allowed.append(self._allowed(number, local=local))
            handed.append(recipient)
            return look(recipient)

        office.relay.next_for = watched  # type: ignore[method-assign]
        office.send_all()
        for recipient, boxes in zip(handed, allowed, strict=True):
            assert recipient in boxes
        # One that was announced and taken back may be announced again; what counts is what the relay has.
        assert set(office.relay.copies.values()) <= {1}
        report = office.report(access.actor_by_email(_email(author), TODAY), issue)
        assert report.state == "sent"
        assert sum(report.outcomes.values()) == report.candidates == Delivery.unscoped.count()

    def _streams(self, n: int) -> list[int]:
        numbers = [stream(self.house)] if n % 2 == 0 else []
        return [*numbers, stream(self.house, "local-notices", _SLUGS[n % 3])]

    def _do(self, office: Office, people: list[Member], acts: list[Any], phase: int) -> None:
        for what, who, where, when in acts:
            if when == phase:
                with writing():
                    bump(Counter.CHANGES)
                    self._act(office, people[who], what, where)

    def _act(self, office: Office, member: Member, what: str, where: str | None) -> None:
        house = self.house
        number = stream(house, "local-notices", where) if where else stream(house)
        last = ConsentEntry.unscoped.filter(subject=member.subject, stream=number).order_by("pk").last()
        match what:
            case "join":
                consent(house, member, number, office.now)
            case "leave" if last is not None:
                withdraw(house, member, number, office.now)
            case "move house":
                roll.set_regions(member, [region_number(where or "essex")], TODAY)
            case "move box":
                move(house, member, f"box{(where or 'x')[0]}@example.org")
            case "everything":
                departure.suppress_person(member, SuppressionReason.LEFT_ALL, office.now)

    def _allowed(self, number: int, *, local: bool) -> set[str]:
        """The mailboxes that may get it at this moment, worked out by hand from ledger, regions and suppressions."""
        boxes = set()
        norfolk = region_number("norfolk")
        gone = roll.suppressed_hashes(SuppressionKind.PERSON)
        for member in Member.unscoped.select_related("mailbox"):
            said = list(lines(member.subject).filter(stream=number))
            latest = max(said, key=lambda line: (line.at, line.kind == "withdrawn"), default=None)
            lives = MemberRegion.unscoped.filter(member=member, ends=None).values_list("region", flat=True)
            if latest is None or latest.kind == "withdrawn" or member.person_hash in gone:
                continue
            if local and norfolk not in lives:
                continue
            boxes.add(member.mailbox.address)
        return boxes


def _email(author: access.Actor) -> str:
    return "bart@example.org" if "Bart" in author.name else "anne@example.org"
