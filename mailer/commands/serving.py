"""`mailer web` and `mailer run`: the pages, and two supervised processes."""

import os
import signal
import socket
import sys
from types import FrameType
from typing import Any
from urllib.parse import urlsplit
from wsgiref.util import setup_testing_defaults

import click
from django.core.wsgi import get_wsgi_application
from waitress.server import create_server

from mailer.actions.let_go import let_go
from mailer.actions.write_down import hold_room
from mailer.commands.desk import Desk
from mailer.commands.finisher import Finisher
from mailer.commands.proxies import TrustedProxies, WsgiApp
from mailer.commands.supervisor import Child, Supervisor
from mailer.commands.watchman import Watchman
from mailer.config import Config
from mailer.core.configkind import is_loopback
from mailer.core.errors import MailerError

_THREADS = 8
#: More than these would take turns at SQLite's one write lock.
_MOST_WORKERS = 4
_PORT = 8000


class CannotListen(MailerError, OSError):
    """Nothing can be served there."""


def web(desk: Desk, *, listen: str | None) -> None:
    """Serve the pages until SIGTERM or Ctrl-C."""
    host, port = _place(desk.house.config, listen)
    app = TrustedProxies(get_wsgi_application(), desk.config.site.trusted_proxies)
    _warm_up(app, desk.config.site.host)
    try:
        bound = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise CannotListen(
            f"Cannot answer at {host}:{port}: {error.strerror}. Name another place with --listen."
        ) from error
    server = create_server(app, sockets=[bound], threads=_THREADS, ident="", clear_untrusted_proxy_headers=False)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    url = f"http://{f'[{host}]' if ':' in host else host}:{server.effective_port}/"
    desk.tell(f"Pages at {url}", {"event": "listening", "url": url})
    hold_room(desk.house)
    watchman = Watchman(desk, desk.house)
    watchman.start()
    finisher = Finisher(desk.house, desk.clock)
    finisher.start()
    server.run()
    watchman.stop()
    finisher.stop()
    server.close()


def _warm_up(app: WsgiApp, host: str) -> None:
    """Ask for a page before anybody else does: the first loads half a second of code, in which others would queue."""
    environ: dict[str, Any] = {"PATH_INFO": "/state", "HTTP_HOST": host}
    setup_testing_defaults(environ)
    for _ in app(environ, lambda *_: None):
        pass
    let_go()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    # waitress takes this for the wish to stop: it ends its threads and returns.
    raise SystemExit(0)


def run(desk: Desk, *, listen: str | None) -> int:
    """Run web and worker, start again what dies, and end both when told to."""
    _place(desk.house.config, listen)
    command = [sys.executable, "-P", "-m", "mailer.cli"]
    more = ["--json"] if desk.as_json else []
    place = ["--listen", listen] if listen else []
    workers = [
        Child(f"worker {number}" if number > 1 else "worker", [*command, "worker", *more])
        for number in range(1, workers_of(desk.house.config, len(os.sched_getaffinity(0))) + 1)
    ]
    return Supervisor([Child("web", [*command, "web", *place, *more]), *workers], desk.tell).run()


def workers_of(config: Config, cores: int) -> int:
    """How many sending processes: one for each core, unless somebody said otherwise."""
    return config.sending.workers or min(cores, _MOST_WORKERS)


def _place(config: Config, listen: str | None) -> tuple[str, int]:
    """Where to answer: as told, else where base_url points if that is this machine, else behind a proxy on it."""
    if listen is not None:
        host, colon, port = listen.rpartition(":")
        if not (colon and port.isdigit() and int(port) < 65536):
            raise click.BadParameter("expected HOST:PORT, such as 127.0.0.1:8000", param_hint="--listen")
        return host.strip("[]") or "127.0.0.1", int(port)
    base = urlsplit(config.site.base_url)
    if is_loopback(base.hostname or ""):
        return ("127.0.0.1" if base.hostname == "localhost" else base.hostname or ""), base.port or 80
    return "127.0.0.1", _PORT
