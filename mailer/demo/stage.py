"""The demo's stage: site, mail server, cast, clock and sender. It is imported when Django is ready, not before."""

import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic

from django.conf import settings
from django.core.management import call_command

from mailer.actions.hand_over import Sender
from mailer.actions.pulse import Pulse
from mailer.actions.set_up import prepare_database
from mailer.core.dkim import Signer
from mailer.core.watch import SignOfLife
from mailer.demo.clock import DemoClock
from mailer.demo.people import Cast
from mailer.demo.server import DemoServer
from mailer.demo.site import DemoSite
from mailer.house import House, open_house
from mailer.transport.journal import Journal
from mailer.transport.pool import Pool
from mailer.transport.smtp import connect

#: The story begins an hour ago: its clock is moved on in it, and letters should not come from the future.
_BEGAN = timedelta(hours=1)


@dataclass(frozen=True)
class Stage:
    """Everything the story is played with."""

    site: DemoSite
    server: DemoServer
    cast: Cast
    clock: DemoClock
    house: House
    sender: Sender

    def regions_within(self, slug: str) -> frozenset[str]:
        """The region and those that lie in it."""
        tree = self.house.library.regions
        return frozenset(tree.by_number[number].slug for number in tree.subtree(slug))


def draw() -> int:
    """A random 64-bit handle."""
    return secrets.randbits(64)


def set_up(site: DemoSite, server: DemoServer, cast: Cast) -> Stage:
    """Make the database, and a sender that hands over to the demo's own mail server by real SMTP."""
    clock = DemoClock(datetime.now(UTC).replace(second=0, microsecond=0) - _BEGAN)
    call_command("migrate", verbosity=0)
    house = open_house(settings.CONFIG)
    prepare_database(house, now=clock.now(), incarnation=secrets.token_hex(16))
    return Stage(site, server, cast, clock, house, _sender(house, clock))


def _sender(house: House, clock: DemoClock) -> Sender:
    dkim = house.config.dkim
    signers = [Signer.from_pem(key.file.read_bytes(), domain=key.domain, selector=key.selector) for key in dkim.keys]
    return Sender(
        house=house,
        journal=Journal(house.journals, "demo"),
        wire_to=lambda via: Pool(lambda: connect(via.relay).lane, monotonic),
        clock=clock.now,
        ticks=monotonic,
        draw=draw,
        pulse=Pulse(SignOfLife("demo", "demo", os.getpid(), "", clock.now())),
        signers=signers,
    )
