"""`mailer check`: everything that is wrong, all at once; status 1 if anything is."""

import os
from dataclasses import asdict

from mailer import checks
from mailer.commands.shell import Shell
from mailer.config import ConfigError
from mailer.house import open_house


def check(shell: Shell, *, live: bool) -> int:
    """Files first; the database only if they are right; the relay and the mailbox only if asked for."""
    notes: list[str] = []
    try:
        config = shell.config
    except ConfigError as error:
        found = checks.about_configuration(error)
    else:
        found = checks.of_files(config)
        if not found:
            _set_up_django()
            found = list(checks.of_database(open_house(config), shell.now))
        if live and not any(finding.id == checks.Fault.RELAY for finding in found):
            found += [*checks.of_relay(config), *checks.of_mailbox(config)]
            notes = list(checks.unproved(config))
    for finding in found:
        shell.say(finding)
    for note in notes:
        shell.say(f"Not proved: {note}")
    told = "The relay answered; nothing was sent." if live else "Add --live to try the relay."
    shell.say(f"{len(found)} to mend." if found else f"All is well. {told}")
    shell.answer({"ok": not found, "complaints": [asdict(each) for each in found], "unproved": notes})
    return 1 if found else 0


def _set_up_django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailer.settings")
    import django  # noqa: PLC0415 - a site whose files are wrong cannot set Django up

    django.setup()
