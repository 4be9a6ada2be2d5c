"""`mailer site`: whether this site may send, and what to do after a restore, a copy or a move."""

import secrets

from mailer.actions import face_restore
from mailer.actions.replay_departures import people_waited_for, replay_departures
from mailer.commands.desk import Desk


def status(desk: Desk) -> int:
    """Say why nothing is sent, if so; status 1 then. Changes nothing."""
    reason, waiting = face_restore.why_not(desk.house), people_waited_for()
    desk.say(reason or "This site and its journal folder agree.")
    if waiting:
        desk.say(f"Departures of people whom this database does not know: {waiting}.")
        desk.say("Whoever of them comes back by an import is taken off at once.")
    desk.answer({"may_send": reason is None, "reason": reason or "", "departures_of_people_not_known": waiting})
    return 0 if reason is None else 1


def adopt(desk: Desk, *, reason: str) -> None:
    """Go on with this database on this machine."""
    kind = face_restore.adopt(desk.house, desk.operator, reason, incarnation=secrets.token_hex(16), now=desk.now)
    desk.say("This is now the site that goes on. Nothing was started again: see each mailing, then")
    desk.say("`mailer issue resume` it, and `mailer issue again` for the copies that are uncertain, or cancel it.")
    desk.answer({"adopted": True, "was": kind})


def replay(desk: Desk) -> None:
    """Carry out departures that were written down on this host."""
    count = replay_departures(desk.house, desk.now)
    desk.say(f"Written down here, and carried out only now: {count}.")
    desk.answer({"carried_out": count})
