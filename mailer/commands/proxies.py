"""The visitor behind a web server of ours: believed only from the addresses in site.trusted_proxies.

Anybody can write X-Forwarded-For. From a peer that is not named, all such headers are dropped before Django sees them.
"""

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT",
              "HTTP_X_REAL_IP", "HTTP_FORWARDED")  # fmt: skip

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


class TrustedProxies:
    """WSGI: the peer and the scheme as a trusted proxy tells them."""

    def __init__(self, app: WsgiApp, trusted: Sequence[str]) -> None:
        self._app = app
        self._networks = tuple(ip_network(each, strict=False) for each in trusted)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        said = {name: environ.pop(name, "") for name in _FORWARDED}
        if self._is_trusted(environ.get("REMOTE_ADDR", "")):
            visitor = self._visitor(said["HTTP_X_FORWARDED_FOR"])
            if visitor:
                environ["REMOTE_ADDR"] = visitor
            if said["HTTP_X_FORWARDED_PROTO"] in {"http", "https"}:
                environ["wsgi.url_scheme"] = said["HTTP_X_FORWARDED_PROTO"]
        return self._app(environ, start_response)

    def _visitor(self, chain: str) -> str | None:
        """The last address in the chain that is no proxy of ours: what stands before it anybody may have written."""
        for hop in reversed([part.strip() for part in chain.split(",") if part.strip()]):
            if not self._is_trusted(hop):
                return hop if _address(hop) else None
        return None

    def _is_trusted(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
