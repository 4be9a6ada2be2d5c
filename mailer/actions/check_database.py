"""What a check asks of the database: tables, guards, keys, list files, and whether it may be sent from."""

from dataclasses import dataclass
from datetime import datetime

from django.core.management import call_command

from mailer.actions.adopt_lists import complaints, is_adopted
from mailer.actions.face_restore import why_not
from mailer.core.complaint import Complaint
from mailer.house import House
from mailer.keys import fingerprints
from mailer.models import guards, setting_up


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What was found; each field is empty or True where all is well."""

    migrated: bool
    missing_guards: tuple[str, ...] = ()
    guards_hold: bool = True
    wrong_keys: tuple[str, ...] = ()
    unknown_keys: tuple[str, ...] = ()
    contradictions: tuple[Complaint, ...] = ()
    adopted: bool = True
    standstill: str = ""


def look_at_database(house: House, now: datetime) -> DatabaseState:
    """Look at everything that can be looked at; raises DatabaseError if nobody answers."""
    if not _is_migrated():
        return DatabaseState(migrated=False)
    known, have = setting_up.known_fingerprints(), fingerprints(house.keys)
    return DatabaseState(
        migrated=True,
        missing_guards=guards.missing(),
        guards_hold=guards.refuses_a_change(),
        wrong_keys=tuple(sorted(name for name, print_ in known.items() if have.get(name) != print_)),
        unknown_keys=tuple(sorted(have.keys() - known.keys())),
        contradictions=complaints(house, now),
        adopted=is_adopted(house),
        standstill=why_not(house) or "",
    )


def _is_migrated() -> bool:
    try:
        call_command("migrate", check_unapplied=True, verbosity=0, stdout=_Nowhere(), stderr=_Nowhere())
    except SystemExit:
        return False
    return True


class _Nowhere:
    """Where Django may say what we say better."""

    def write(self, _text: str) -> int:
        return 0

    def isatty(self) -> bool:
        return False

    def flush(self) -> None: ...
