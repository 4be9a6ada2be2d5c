"""Playing the demo: the pages go up, the story is told as it happens, its sums are drawn, and the pages stay."""

import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.wsgi import get_wsgi_application
from waitress.server import create_server

from mailer.demo import telling
from mailer.demo.acts import Story
from mailer.demo.diary import Diary
from mailer.demo.people import Cast
from mailer.demo.proof import closing
from mailer.demo.server import DemoServer
from mailer.demo.site import DemoSite
from mailer.demo.stage import Stage, set_up

#: How often, in seconds, bell and sender look around while the pages are read.
_PACE = 1.0


def play(site: DemoSite, server: DemoServer, cast: Cast, *, once: bool, as_json: bool) -> int:
    """The exit status."""
    with _pages(site):
        stage = set_up(site, server, cast)
        story, diary = Story(stage), Diary(site.folder)
        console = telling.console(silent=as_json)
        console.print(_OPENING)
        for line in story.acts():
            diary.write(line)
            console.print(line, soft_wrap=True, markup=False)
        end = closing(stage, story)
        diary.close(story.sendings, end)
        if as_json:
            _say(end)
        else:
            telling.end(console, [sending.name for sending in story.sendings], end)
            console.print(_where(stage, once=once), style="bold", soft_wrap=True, markup=False)
        if not once:
            _go_on(story)
    return 0 if end["ok"] else 1


_OPENING = "The Fair Care Network is invented, and nothing here leaves this computer."


def _where(stage: Stage, *, once: bool) -> str:
    return f"The letters lie in {stage.site.caught}" if once else f"See each letter: {stage.site.pages} (Ctrl-C ends)"


def _say(end: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(end)}\n")
    sys.stdout.flush()


def _go_on(story: Story) -> None:
    """Until Ctrl-C: whoever leaves by a link is heard, and a household gets its farewell."""
    never = threading.Event()
    while not never.wait(_PACE):
        story.go_on()


@contextmanager
def _pages(site: DemoSite) -> Iterator[None]:
    """Serve the pages on threads of their own, from before the first letter on."""
    logging.getLogger("waitress").setLevel(logging.ERROR)
    application = get_wsgi_application()
    server = create_server(application, sockets=[site.listening], threads=4, clear_untrusted_proxy_headers=True)
    threading.Thread(target=server.run, name="pages", daemon=True).start()
    try:
        yield
    finally:
        server.close()
