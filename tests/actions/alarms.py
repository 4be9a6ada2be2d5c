"""What the tests of alarms share: what rings, and a relay's fault."""

from mailer.core.alarm import AlarmKind
from mailer.core.reply import Step
from mailer.models import alarm
from mailer.transport.relay import FaultKind, RelayFault

DISK = AlarmKind.DISK_LOW
HOST = "host-a"
RELAY = "smtp.example.net:587"


def ringing() -> list[tuple[str, str]]:
    """Kind and subject of what rings, longest first."""
    return [(row.kind, row.about) for row in alarm.ringing()]


def fault(kind: FaultKind) -> RelayFault:
    """A relay that could not be used."""
    return RelayFault("It does not.", kind=kind, retry_later=True, step=Step.CONNECT)
