"""Which machine this is, so that a copied one does not take itself for the original."""

from pathlib import Path

from mailer.core.standing import Machine
from mailer.transport.journal import this_boot

_NAMES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_CARDS = Path("/sys/class/net")
#: The kernel's word for an address that the hardware, or whoever made the virtual machine, gave the card.
_PERMANENT = "0"


def this_machine(data: Path) -> Machine:
    """The machine, and the place of the data directory on it."""
    place = data.stat()
    return Machine(_name(), this_boot(), _addresses(), place.st_dev, place.st_ino)


def _name() -> str:
    return next((text for path in _NAMES if (text := _text(path))), "")


def _addresses() -> frozenset[str]:
    """Of cards that a machine has, and not of what programs make and remake: bridges, tunnels, containers."""
    try:
        cards = [card for card in _CARDS.iterdir() if (card / "device").exists()]
    except OSError:
        return frozenset()
    own = [card for card in cards if _text(card / "addr_assign_type") == _PERMANENT]
    return frozenset(filter(None, (_text(card / "address") for card in own)))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
