"""From a Relay to a Session: the connection, TLS, and the dialogue of setup.py (T14, T15, T17-T20, M5).

Law of the file: whatever fails here is a RelayFault, with all that is known about it as data; nothing secret
has been sent when it is raised, unless the server had proved its name.
"""

from typing import TypeVar

from mailer.core.reply import Capabilities, ProtocolError, Reply, Step
from mailer.transport.access_token import NoTokenError, Token
from mailer.transport.connection import Connection, describe
from mailer.transport.relay import FaultKind, Relay, RelayFault
from mailer.transport.session import Session
from mailer.transport.setup import Dialogue, ask_for_tls, greet, introduce

_Result = TypeVar("_Result")
#: How a server parts with somebody whose login it has refused, when it does not let them try again.
_PARTED = (FaultKind.UNREACHABLE, FaultKind.BUSY)


def connect(relay: Relay) -> Session:
    """Connect, secure, greet and log in; anew where the server hung up over a token that has been renewed since."""
    token = _token(relay)
    try:
        return _connect(relay, token)
    except RelayFault as fault:
        is_renewed = token is not None and token.is_renewed
        if not (is_renewed and fault.step is Step.AUTH and fault.kind in _PARTED):
            raise
    return _connect(relay, token)


def _token(relay: Relay) -> Token | None:
    """Fetched before the connection is made. Where there is none nobody has refused us, so it is tried again."""
    if relay.token_from is None:
        return None
    try:
        return Token(relay.token_from)
    except NoTokenError as error:
        raise RelayFault(
            f"We cannot log in at the mail relay {relay}: {error}.",
            kind=FaultKind.AUTH, retry_later=True, step=Step.AUTH,
        ) from None  # fmt: skip


def _connect(relay: Relay, token: Token | None) -> Session:
    try:
        connection = Connection.open(relay)
    except OSError as error:
        raise _unreachable(relay, Step.CONNECT, error) from error
    try:
        return Session(connection, _set_up(relay, connection, token), relay.timeouts)
    except BaseException:
        connection.close()
        raise


def _set_up(relay: Relay, connection: Connection, token: Token | None) -> Capabilities:
    if relay.tls == "implicit":
        _secure(relay, connection, Step.CONNECT)
    _drive(relay, connection, greet(relay))
    if relay.tls == "starttls-required":
        _drive(relay, connection, ask_for_tls(relay))
        _secure(relay, connection, Step.STARTTLS)
    return _drive(relay, connection, introduce(relay, token))


def _secure(relay: Relay, connection: Connection, step: Step) -> None:
    try:
        connection.start_tls(relay)
    except (OSError, ProtocolError) as error:
        reason = getattr(error, "verify_message", "") or str(error) or describe(error)
        raise RelayFault(
            f"No safe connection to the mail relay {relay}, so nothing was sent: {reason}",
            kind=FaultKind.TLS, retry_later=True, step=step,
        ) from error  # fmt: skip


def _drive(relay: Relay, connection: Connection, dialogue: Dialogue[_Result]) -> _Result:
    try:
        step, line = next(dialogue)
        while True:
            step, line = dialogue.send(_heard(relay, connection, step, line))
    except StopIteration as end:
        result: _Result = end.value
        return result


def _heard(relay: Relay, connection: Connection, step: Step, line: bytes | None) -> Reply:
    try:
        return connection.ask(line, relay.timeouts.of(step))
    except OSError as error:
        raise _unreachable(relay, step, error) from error
    except ProtocolError as error:
        # At AUTH the nonsense may be an echo of our password or token, and so may be the exception that quotes it.
        said = "" if step is Step.AUTH else f" {error}"
        raise RelayFault(
            f"The mail relay {relay} does not speak SMTP at {step}.{said}",
            kind=FaultKind.PROTOCOL, retry_later=True, step=step,
        ) from None  # fmt: skip


def _unreachable(relay: Relay, step: Step, error: OSError) -> RelayFault:
    return RelayFault(
        f"The mail relay {relay} cannot be reached ({step}): {describe(error)}",
        kind=FaultKind.UNREACHABLE, retry_later=True, step=step,
    )  # fmt: skip
