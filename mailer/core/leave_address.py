"""The address to which a mail program writes to leave: one for each copy, signed (standards L10; RFC 2369, 6068)."""

from mailer.core.token import Keyring, Purpose

_BEGINS = "leave+"


def leave_mailto(keyring: Keyring, handle: int, domain: str) -> str:
    """The URI for List-Unsubscribe; nothing in it but our own letters and digits."""
    return f"mailto:{_BEGINS}{keyring.sign_folded(Purpose.MAILTO, handle)}@{domain}?subject=unsubscribe"


def read_leave_address(keyring: Keyring, address: str, domain: str) -> int | None:
    """The copy that is left by writing to this address, or None for what we never gave out."""
    local, _, host = address.partition("@")
    ours = local[: len(_BEGINS)].lower() == _BEGINS and host.lower() == domain.lower()
    return keyring.read_folded(Purpose.MAILTO, local[len(_BEGINS) :]) if ours else None
