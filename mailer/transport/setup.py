"""The dialogue before the first MAIL, without a socket: each part yields what to say and is sent the answer.

Whoever owns the wire drives it; a line of None means: only listen. Law of the file: AUTH by a mechanism from
the list offered last (T18), which a Relay allows only inside TLS or on loopback; its answers are about the
relay, never about a member (T19); no credentials in any text, even when the server repeats them.
"""

from base64 import b64encode
from collections.abc import Generator
from dataclasses import replace
from typing import TypeAlias, TypeVar

from mailer.core.reply import Capabilities, Reply, Step
from mailer.transport.relay import FaultKind, Relay, RelayFault

_Result = TypeVar("_Result")
Dialogue: TypeAlias = Generator[tuple[Step, bytes | None], Reply, _Result]

#: "A password transition is needed" (RFC 4954 section 6): a 4xx that no waiting mends.
_PASSWORD_TRANSITION = 432


def greet(relay: Relay) -> Dialogue[None]:
    """Hear the server's greeting."""
    reply = yield Step.CONNECT, None
    _must_be(2, reply, relay, Step.CONNECT)


def ask_for_tls(relay: Relay) -> Dialogue[None]:
    """EHLO and STARTTLS, in the clear; what was offered here is forgotten (T15)."""
    offered = yield from _say_ehlo(relay)
    if not offered.starttls:
        raise RelayFault(
            f"The mail relay {relay} does not offer STARTTLS, so nothing was sent. Somebody may have removed"
            " the offer on the way. If the relay has none, use its port 465 with tls = 'implicit'.",
            kind=FaultKind.TLS, retry_later=True, step=Step.STARTTLS,
        )  # fmt: skip
    reply = yield Step.STARTTLS, b"STARTTLS"
    _must_be(2, reply, relay, Step.STARTTLS, FaultKind.TLS)


def introduce(relay: Relay) -> Dialogue[Capabilities]:
    """EHLO, AUTH if there is a user, EHLO again; the last list is the one that counts."""
    offered = yield from _say_ehlo(relay)
    if not relay.user:
        return offered
    yield from _log_in(relay, offered.auth)
    return (yield from _say_ehlo(relay))


def _say_ehlo(relay: Relay) -> Dialogue[Capabilities]:
    reply = yield Step.EHLO, b"EHLO " + relay.ehlo_name.encode("ascii")
    _must_be(2, reply, relay, Step.EHLO)
    return Capabilities.of(reply)


def _log_in(relay: Relay, offered: frozenset[str]) -> Dialogue[None]:
    if "PLAIN" in offered:
        lines = [b"AUTH PLAIN " + _base64(f"\0{relay.user}\0{relay.password}")]
    elif "LOGIN" in offered:
        lines = [b"AUTH LOGIN", _base64(relay.user), _base64(relay.password)]
    else:
        raise RelayFault(
            f"The mail relay {relay} offers neither AUTH PLAIN nor AUTH LOGIN, so we cannot log in.",
            kind=FaultKind.AUTH, retry_later=False, step=Step.AUTH,
        )  # fmt: skip
    for number, line in enumerate(lines, start=1):
        reply = _without_secrets((yield Step.AUTH, line), relay)
        _must_be(2 if number == len(lines) else 3, reply, relay, Step.AUTH, FaultKind.AUTH)


def _base64(text: str) -> bytes:
    return b64encode(text.encode())


def _without_secrets(reply: Reply, relay: Relay) -> Reply:
    plain = f"\0{relay.user}\0{relay.password}"
    secrets = (relay.password, _base64(relay.password).decode(), _base64(plain).decode())
    if any(secret in reply.text for secret in secrets):
        return replace(reply, text="(withheld, since the server repeated the password)")
    return reply


def _must_be(
    digit: int, reply: Reply, relay: Relay, step: Step, refusal: FaultKind = FaultKind.REFUSED_GREETING
) -> None:
    if reply.first_digit == digit:
        return
    kind = refusal if reply.first_digit in (4, 5) else FaultKind.PROTOCOL
    if reply.code == 421:
        kind = FaultKind.BUSY
    raise RelayFault(
        f"The mail relay {relay} answered at {step}: {reply}.",
        kind=kind,
        # A fault of TLS never costs a member anything, and may be gone when the certificate is renewed (T14).
        retry_later=kind in (FaultKind.BUSY, FaultKind.TLS, FaultKind.PROTOCOL)
        or (reply.first_digit == 4 and reply.code != _PASSWORD_TRANSITION),
        step=step,
        reply=reply,
    )
