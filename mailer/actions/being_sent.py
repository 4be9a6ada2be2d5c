"""The mailings that a sender has in hand, each read once: all but its state is fixed while it is sent."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from mailer.core.batch import Copier
from mailer.core.letter import Letter
from mailer.models import Mailing, steering


@dataclass
class BeingSent:
    """`make` gives what makes the copies of a mailing out of its compiled letter."""

    make: Callable[[Mailing, Letter], Copier]
    _mailings: dict[int, Mailing] = field(default_factory=dict)
    _copiers: dict[int, Copier] = field(default_factory=dict)

    def mailing(self, number: int, in_hand: Collection[int]) -> Mailing:
        """The mailing with this number; whenever another comes in, all but those in hand are let go."""
        found = self._mailings.get(number)
        if found is None:
            self._mailings = {each: mailing for each, mailing in self._mailings.items() if each in in_hand}
            self._copiers = {each: made for each, made in self._copiers.items() if each in in_hand}
            found = self._mailings[number] = steering.in_hand(number)
        return found

    def copier(self, mailing: Mailing) -> Copier:
        """What makes its copies."""
        found = self._copiers.get(mailing.pk)
        if found is None:
            letter = Letter.from_json(json.loads(steering.letter_of(mailing.pk).pieces))
            found = self._copiers[mailing.pk] = self.make(mailing, letter)
        return found
