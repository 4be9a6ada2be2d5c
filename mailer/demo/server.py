"""The demo's own mail server: it accepts, refuses, defers and answers later as it is told, on loopback only.

Law of the file: it binds nothing but a loopback address and connects to nothing. What it accepts lies in
`caught/` as a Maildir would hold it; what other people's servers would send back lies in the bounce Maildir,
once `deliver_bounces` is called. There is no clock and no timer here.
"""

import ipaddress
import itertools
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from mailer.core.errors import MailerError
from mailer.demo import postmaster

HOST = "127.0.0.1"
NAME = "mail.example.net"
SIZE_LIMIT = 10 * 1024 * 1024


class NotLoopbackError(MailerError, ValueError):
    """The demo's server was asked to listen where others could reach it."""


class Behaviour(StrEnum):
    """How the server behind an address treats a letter."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    REFUSE_FULL = "refuse_full"
    DEFER = "defer"
    DEFER_ALWAYS = "defer_always"
    BOUNCE_LATER = "bounce_later"
    DELAY = "delay"
    AWAY = "away"
    COMPLAIN = "complain"


_REFUSALS = {
    Behaviour.REFUSE: "550 5.1.1 User unknown",
    Behaviour.REFUSE_FULL: "552 5.2.2 Mailbox full",
    Behaviour.DEFER: "451 4.7.1 Greylisted, try again later",
    Behaviour.DEFER_ALWAYS: "451 4.7.1 Try again later",
}

_ANSWERS: dict[Behaviour, Callable[..., bytes]] = {
    Behaviour.BOUNCE_LATER: partial(
        postmaster.delivery_status,
        status="5.1.1",
        diagnostic="550 5.1.1 User unknown in virtual mailbox table",
    ),
    Behaviour.DELAY: postmaster.full_mailbox_delay,
    Behaviour.AWAY: postmaster.out_of_office,
    Behaviour.COMPLAIN: postmaster.complaint,
}


@dataclass(frozen=True, slots=True)
class _Owed:
    """An answer that the server behind the address still has to write."""

    behaviour: Behaviour
    recipient: str
    return_path: str
    letter: bytes


class DemoServer:
    """`with DemoServer(caught, bounces, behaviours) as server:` listens on `server.port`."""

    def __init__(self, caught: Path, bounces: Path, behaviours: Mapping[str, Behaviour], *, host: str = HOST) -> None:
        if not ipaddress.ip_address(host).is_loopback:
            raise NotLoopbackError(f"{host} is not a loopback address; the demo's mail server uses 127.0.0.1")
        self._caught, self._bounces = _maildir(caught), _maildir(bounces)
        self._behaviours = {address.lower(): behaviour for address, behaviour in behaviours.items()}
        self._lock = threading.Lock()
        self._counted: Counter[str] = Counter()
        self._by_list: Counter[str] = Counter()
        self._deferred: set[str] = set()
        self._owed: list[_Owed] = []
        self._numbers = itertools.count(1)
        self._controller = _Controller(self, host)

    def __enter__(self) -> "DemoServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()

    @property
    def port(self) -> int:
        return int(self._controller.port)

    @property
    def server_counted(self) -> int:
        """Copies accepted in all."""
        return sum(self.counted_by_recipient.values())

    @property
    def counted_by_recipient(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counted)

    @property
    def counted_by_list(self) -> dict[str, int]:
        """Copies accepted, by the identifier in their List-Id; those of no list under the empty text."""
        with self._lock:
            return dict(self._by_list)

    def deliver_bounces(self, now: datetime) -> int:
        """Let the other servers write what they owe; how many answers now lie in the bounce Maildir."""
        with self._lock:
            owed, self._owed = self._owed, []
        for debt in owed:
            number = next(self._numbers)
            answer = _ANSWERS[debt.behaviour](
                debt.letter,
                recipient=debt.recipient,
                return_path=debt.return_path,
                now=now,
                boundary=f"=_report.{number:06d}.{now:%Y%m%d%H%M%S}",
            )
            _write(self._bounces, f"bounce.{number:06d}", answer)
        return len(owed)

    def answer_to(self, recipient: str) -> str:
        """The reply to RCPT. A deferral happens once, then the address accepts."""
        behaviour = self._behaviour(recipient)
        with self._lock:
            if behaviour is Behaviour.DEFER and recipient in self._deferred:
                return "250 2.1.5 OK"
            self._deferred.add(recipient)
        return _REFUSALS.get(behaviour, "250 2.1.5 OK")

    def accept(self, sender: str, recipients: list[str], letter: bytes) -> None:
        """Keep one file a recipient, with the trace that a final delivery writes (RFC 5321 section 4.4)."""
        for recipient in recipients:
            trace = f"Return-Path: <{sender}>\r\nDelivered-To: {recipient}\r\n".encode()
            _write(self._caught, f"letter.{next(self._numbers):06d}", trace + letter)
            behaviour = self._behaviour(recipient)
            with self._lock:
                self._counted[recipient] += 1
                self._by_list[_list_id(letter)] += 1
                if sender and behaviour in _ANSWERS:  # nothing is sent about what came from nobody (T22)
                    self._owed.append(_Owed(behaviour, recipient, sender, letter))

    def _behaviour(self, recipient: str) -> Behaviour:
        return self._behaviours.get(recipient.lower(), Behaviour.ACCEPT)


class _Handler:
    """What aiosmtpd asks us."""

    def __init__(self, server: DemoServer) -> None:
        self._server = server

    async def handle_RCPT(  # noqa: N802 - aiosmtpd finds its hooks by name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self._server.answer_to(address)
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return reply

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        letter = content if isinstance(content, bytes) else (content or "").encode()
        sender = envelope.mail_from or ""
        self._server.accept("" if sender == "<>" else sender, envelope.rcpt_tos, letter)
        return "250 2.0.0 OK"


class _Controller(Controller):
    """aiosmtpd's thread, on a port that the system chooses."""

    def __init__(self, server: DemoServer, host: str) -> None:
        super().__init__(
            _Handler(server),
            hostname=host,
            port=0,
            server_hostname=NAME,  # else aiosmtpd asks the resolver for a name
            ident="ESMTP demo",
            enable_SMTPUTF8=True,
            data_size_limit=SIZE_LIMIT,
        )

    def _create_server(self) -> Any:  # aiosmtpd offers no other way to bind before it tries the port
        family = socket.AF_INET6 if ":" in self.hostname else socket.AF_INET
        listening = socket.create_server((self.hostname, 0), family=family)
        self.port = listening.getsockname()[1]
        return self.loop.create_server(self._factory_invoker, sock=listening)


def _list_id(letter: bytes) -> str:
    head = letter.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ")
    found = re.search(rb"(?im)^List-Id:[^\r\n]*<([^<>\r\n]+)>", head)
    return found[1].decode("ascii", "replace") if found else ""


def _maildir(path: Path) -> Path:
    for folder in ("tmp", "new", "cur"):
        (path / folder).mkdir(parents=True, exist_ok=True)
    return path


def _write(maildir: Path, name: str, octets: bytes) -> None:
    """Whole or not at all: whoever looks into new/ never sees half a letter."""
    unfinished = maildir / "tmp" / name
    unfinished.write_bytes(octets)
    unfinished.rename(maildir / "new" / name)
