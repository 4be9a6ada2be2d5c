"""The demo's stage: its mail server, its site, its pages and its sender, put up in the order in which they need each other.

Django is made ready here, so nothing that needs it is imported before `set_up` has come that far.
"""

import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mailer.demo import people
from mailer.demo.clock import DemoClock
from mailer.demo.people import Cast
from mailer.demo.server import DemoServer
from mailer.demo.site import DemoSite, leave_environment

if TYPE_CHECKING:
    from mailer.actions.hand_over import Sender
    from mailer.house import House

#: The same people every time, so that what one reads about the demo is what one sees.
_SEED = 20
#: The story began an hour ago, so that it can be moved on and still end now.
_BEGAN = timedelta(hours=1)


@dataclass
class Stage:
    """Everything the story is played with."""

    site: DemoSite
    server: DemoServer
    cast: Cast
    clock: DemoClock
    house: "House"
    sender: "Sender"

    def draw(self) -> int:
        """A random 64-bit handle."""
        return secrets.randbits(64)


@contextmanager
def set_up(site: DemoSite) -> Iterator[Stage]:
    """Put up the stage, and take it down again."""
    start = datetime.now(UTC).replace(second=0, microsecond=0) - _BEGAN
    cast = people.cast(Random(_SEED), start.date())
    with DemoServer(site.caught, site.bounces, cast.behaviours) as server:
        _configure(site, server)
        with _serving(site):
            yield _stage(site, server, cast, DemoClock(start))


def _configure(site: DemoSite, server: DemoServer) -> None:
    leave_environment()
    os.environ["MAILER_CONFIG"] = str(site.configure(server.port))
    os.environ["DJANGO_SETTINGS_MODULE"] = "mailer.settings"
    import django

    django.setup()


def _stage(site: DemoSite, server: DemoServer, cast: Cast, clock: DemoClock) -> Stage:
    from django.conf import settings
    from django.core.management import call_command

    from mailer.actions.hand_over import Sender
    from mailer.actions.set_up import prepare_database
    from mailer.core.dkim import Signer
    from mailer.house import open_house
    from mailer.transport.journal import Journal
    from mailer.transport.relay import Relay
    from mailer.transport.smtp import connect
    from time import monotonic

    call_command("migrate", verbosity=0)
    house = open_house(settings.CONFIG)
    prepare_database(house, now=clock.now(), incarnation=secrets.token_hex(16))
    smtp = house.config.smtp
    relay = Relay(smtp.host, smtp.port, smtp.tls.value, smtp.ehlo_name)
    signers = [
        Signer.from_pem(key.file.read_bytes(), domain=key.domain, selector=key.selector) for key in house.config.dkim.keys
    ]
    journal = Journal(house.journals, "demo")
    sender = Sender(
        house, journal, lambda: connect(relay), clock.now, monotonic, lambda: secrets.randbits(64), signers
    )
    return Stage(site, server, cast, clock, house, sender)


@contextmanager
def _serving(site: DemoSite) -> Iterator[None]:
    """The pages, on their own thread, from before the first letter on."""
    from django.core.wsgi import get_wsgi_application
    from waitress.server import create_server

    logging.getLogger("waitress").setLevel(logging.ERROR)
    pages = create_server(get_wsgi_application(), sockets=[site.listening], threads=4, clear_untrusted_proxy_headers=True)
    thread = threading.Thread(target=pages.run, name="pages", daemon=True)
    thread.start()
    try:
        yield
    finally:
        pages.close()
        thread.join(timeout=2)
