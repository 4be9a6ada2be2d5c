"""`mailer migrate`: tables, guards, the site's row and the list files, in one go and as often as wanted."""

import secrets

from django.core.management import call_command

from mailer.actions.face_restore import why_not
from mailer.actions.set_up import prepare_database
from mailer.commands.desk import Desk
from mailer.house import open_house


def migrate(desk: Desk) -> None:
    """Bring the database up to this version and to the list files."""
    house = open_house(desk.config)
    call_command("migrate", interactive=False, verbosity=0)
    done = prepare_database(house, now=desk.now, incarnation=secrets.token_hex(16), actor=desk.operator)
    desk.say("The database is ready: a new site." if done.new_site else "The database is up to date.")
    if done.lists_changed:
        desk.say(f"Adopted {len(house.library.lists)} lists and {len(house.library.regions.all)} regions.")
        if not done.new_site:
            desk.say("Workers that still run with the old files refuse to send: start them again.")
    reason = why_not(house)
    if reason:
        desk.warn(reason)
    desk.answer({"new_site": done.new_site, "lists_changed": done.lists_changed})
