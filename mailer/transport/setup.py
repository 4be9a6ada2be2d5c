"""The dialogue before the first MAIL, without a socket: each part yields what to say and is sent the answer.

Whoever owns the wire drives it; a line of None means: only listen. Law of the file: AUTH by a mechanism from
the list offered last (T18), which a Relay allows only inside TLS or on loopback; its answers are about the
relay, never about a member (T19); a refused access token is renewed once (T20, RFC 7628 section 3); no
credentials in any text, even when the server repeats them.
"""

from base64 import b64encode
from collections.abc import Generator
from typing import TypeAlias, TypeVar

from mailer.core.reply import Capabilities, Reply, Step
from mailer.transport.access_token import NoTokenError, Token
from mailer.transport.relay import FaultKind, Relay, RelayFault

_Result = TypeVar("_Result")
Dialogue: TypeAlias = Generator[tuple[Step, bytes | None], Reply, _Result]

#: "A password transition is needed" (RFC 4954 section 6): a 4xx that no waiting mends.
_PASSWORD_TRANSITION = 432
#: The ways to log in by a token, the standard one first, and the line that ends each after its error challenge:
#: a ^A in base64 (RFC 7628 section 3.2.3), or nothing at all.
_BY_TOKEN = {"OAUTHBEARER": b"AQ==", "XOAUTH2": b""}
#: So many characters of a secret in a reply are the secret itself: servers repeat long lines cut off.
_TELLING = 16


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


def introduce(relay: Relay, token: Token | None) -> Dialogue[Capabilities]:
    """EHLO, AUTH if there is a user, EHLO again; the last list is the one that counts."""
    offered = yield from _say_ehlo(relay)
    if not relay.user:
        return offered
    yield from _log_in(relay, offered.auth) if token is None else _log_in_by_token(relay, offered.auth, token)
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
        reply = _without_secrets((yield Step.AUTH, line), relay.password, f"\0{relay.user}\0{relay.password}")
        _must_be(2 if number == len(lines) else 3, reply, relay, Step.AUTH, FaultKind.AUTH)


def _log_in_by_token(relay: Relay, offered: frozenset[str], token: Token) -> Dialogue[None]:
    mechanism = next((name for name in _BY_TOKEN if name in offered), None)
    if mechanism is None:
        raise RelayFault(
            f"The mail relay {relay} offers neither AUTH OAUTHBEARER nor AUTH XOAUTH2, so it takes no access token.",
            kind=FaultKind.AUTH, retry_later=False, step=Step.AUTH,
        )  # fmt: skip
    reply = yield from _show(relay, mechanism, token.value)
    if reply.first_digit == 5 and not token.is_renewed:
        _renew(relay, token, reply)
        reply = yield from _show(relay, mechanism, token.value)
    _must_be(2, reply, relay, Step.AUTH, FaultKind.AUTH)


def _show(relay: Relay, mechanism: str, token: str) -> Dialogue[Reply]:
    """Say the token in one line; a challenge tells what is wrong with it in JSON, and the refusal follows."""
    words = _bearer(relay, mechanism, token)
    reply = yield Step.AUTH, f"AUTH {mechanism} ".encode() + _base64(words)
    if reply.first_digit == 3:
        reply = yield Step.AUTH, _BY_TOKEN[mechanism]
    return _without_secrets(reply, token, words)


def _bearer(relay: Relay, mechanism: str, token: str) -> str:
    if mechanism == "XOAUTH2":
        return f"user={relay.user}\1auth=Bearer {token}\1\1"
    user = relay.user.replace("=", "=3D").replace(",", "=2C")  # a saslname (RFC 5801 section 4)
    return f"n,a={user},\1host={relay.host}\1port={relay.port}\1auth=Bearer {token}\1\1"


def _renew(relay: Relay, token: Token, refusal: Reply) -> None:
    try:
        token.renew()
    except NoTokenError as error:
        raise RelayFault(
            f"The mail relay {relay} refused our access token, and it cannot be renewed: {error}. It said: {refusal}.",
            kind=FaultKind.AUTH, retry_later=False, step=Step.AUTH, reply=refusal,
        ) from None  # fmt: skip


def _base64(text: str) -> bytes:
    return b64encode(text.encode())


def _without_secrets(reply: Reply, secret: str, sent: str) -> Reply:
    """The reply, or its code alone if it repeats a part of the secret, as it is or as it was sent."""
    forms = (secret, _base64(secret).decode(), _base64(sent).decode())
    if any(_holds_a_part(reply.text, form) for form in forms):
        return reply._replace(text="(withheld, since the server repeated the password or token)")
    return reply


def _holds_a_part(text: str, secret: str) -> bool:
    starts = range(max(1, len(secret) - _TELLING + 1))
    return any(secret[start : start + _TELLING] in text for start in starts)


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
