"""The demo's wall: from the moment it stands, this process reaches nothing off loopback and asks no name server.

It is an audit hook of the interpreter: it sees every socket, whichever library opened it, and cannot be taken down.
"""

import ipaddress
import sys
from typing import Any

from mailer.core.errors import MailerError

_WITH_ADDRESS = frozenset({"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"})
_WITH_NAME = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})


class OffLoopback(MailerError, PermissionError):
    """Something in the demo tried to reach beyond this machine."""


def install() -> None:
    """Put the wall up, for the rest of this process."""
    sys.addaudithook(_refuse)


def is_this_machine(host: object) -> bool:
    """Whether a host as sockets are given it is a loopback address or its one well-known name."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str):
        return False
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _WITH_ADDRESS:
        address = arguments[1]
        # A path is a socket of this machine; None is a socket that is connected, which was asked about then.
        if isinstance(address, tuple) and not is_this_machine(address[0]):
            raise OffLoopback(f"The demo reaches nothing but this machine: {event} to {address[0]} was refused.")
    elif event in _WITH_NAME and _is_a_name(arguments[0]):
        raise OffLoopback(f"The demo asks no name server: looking up {arguments[0]} was refused.")


def _is_a_name(host: object) -> bool:
    """Whether somebody would have to be asked where this is: a number says so itself."""
    if host is None or is_this_machine(host):
        return False
    try:
        ipaddress.ip_address(host.decode("ascii", "replace") if isinstance(host, bytes) else str(host))
    except ValueError:
        return True
    return False
