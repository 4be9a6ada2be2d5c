"""A shell with a site behind it: its house, and who acts there. Django is set up before this is imported."""

from dataclasses import dataclass
from functools import cached_property

from mailer import access
from mailer.access import Actor
from mailer.actions.set_up import check_keys
from mailer.commands.shell import Shell, login
from mailer.house import House, open_house


@dataclass
class Desk(Shell):
    """One call of a command that needs the database."""

    @cached_property
    def house(self) -> House:
        """The house of this site. Keys that its database does not know are refused: they would revive who left."""
        house = open_house(self.config)
        check_keys(house)
        return house

    @cached_property
    def actor(self) -> Actor:
        """Who acts: the user named with --by, else the one whom an office was mapped to for this login."""
        today = self.house.today(self.now)
        return access.actor_by_email(self.by, today) if self.by else access.actor_by_login(login(), today)

    @property
    def operator(self) -> Actor:
        """Whoever has a shell on this machine."""
        return access.the_operator(login())
