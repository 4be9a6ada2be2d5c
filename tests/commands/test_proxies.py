"""Who is believed about the visitor, and who is not."""

from typing import Any

import pytest

from mailer.commands.proxies import TrustedProxies

PROXY = ("127.0.0.1", "10.0.0.0/8")


def seen(peer: str, trusted: tuple[str, ...] = PROXY, **headers: str) -> dict[str, Any]:
    environ: dict[str, Any] = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", **headers}
    TrustedProxies(lambda _, __: [], trusted)(environ, None)
    return environ


def test_a_trusted_proxy_is_believed() -> None:
    environ = seen("127.0.0.1", HTTP_X_FORWARDED_FOR="203.0.113.9", HTTP_X_FORWARDED_PROTO="https")
    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == ("203.0.113.9", "https")


@pytest.mark.parametrize("trusted", [(), PROXY])
def test_a_stranger_is_not(trusted: tuple[str, ...]) -> None:
    environ = seen("198.51.100.1", trusted, HTTP_X_FORWARDED_FOR="203.0.113.9", HTTP_X_FORWARDED_PROTO="https",
                   HTTP_X_FORWARDED_HOST="evil.example", HTTP_FORWARDED="for=1.2.3.4")  # fmt: skip
    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == ("198.51.100.1", "http")
    assert [name for name in environ if "FORWARDED" in name] == []


def test_of_a_chain_only_what_our_own_proxies_added_counts() -> None:
    environ = seen("127.0.0.1", HTTP_X_FORWARDED_FOR="1.2.3.4, 203.0.113.9, 10.1.2.3")
    assert environ["REMOTE_ADDR"] == "203.0.113.9"


@pytest.mark.parametrize("chain", ["", " , ", "10.0.0.1", "not an address", "203.0.113.9, <script>"])
def test_a_chain_that_names_nobody_leaves_the_proxy(chain: str) -> None:
    assert seen("127.0.0.1", HTTP_X_FORWARDED_FOR=chain)["REMOTE_ADDR"] == "127.0.0.1"


@pytest.mark.parametrize("scheme", ["", "gopher", "https, http"])
def test_a_scheme_that_is_none_changes_nothing(scheme: str) -> None:
    assert seen("127.0.0.1", HTTP_X_FORWARDED_PROTO=scheme)["wsgi.url_scheme"] == "http"
