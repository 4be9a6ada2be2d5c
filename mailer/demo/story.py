"""`mailer demo`: the whole story on example people, told in a few lines and one table, and pages to look at it.

Exit status 1 if a sum does not close, a letter went to somebody who should have none, or the story cannot be played.
"""

import os
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import django

from mailer.core.errors import MailerError
from mailer.demo import guard, people
from mailer.demo.server import DemoServer
from mailer.demo.site import FOLDER, DemoSite, leave_environment, make_site

#: The same people every time, so that what one reads about the demo is what one sees.
_SEED = 20


def run(*, once: bool, as_json: bool, folder: Path = FOLDER) -> int:
    """Play the story, tell it, and unless `once` serve its pages until Ctrl-C."""
    guard.install()
    try:
        cast = people.cast(Random(_SEED), datetime.now(UTC).date())  # noqa: S311 - a cast is no secret
        with closing(make_site(folder)) as site, DemoServer(site.caught, site.bounces, cast.behaviours) as server:
            _make_django_ready(site, server.port)
            from mailer.demo.play import play  # noqa: PLC0415 - what it stands on can be imported only now

            return play(site, server, cast, once=once, as_json=as_json)
    except KeyboardInterrupt:
        return 0
    except MailerError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _make_django_ready(site: DemoSite, smtp_port: int) -> None:
    """The demo's own configuration is the only one there is, whatever site the caller stands in."""
    leave_environment()
    os.environ["MAILER_CONFIG"] = str(site.configure(smtp_port))
    os.environ["DJANGO_SETTINGS_MODULE"] = "mailer.settings"
    django.setup()
