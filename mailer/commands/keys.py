"""`mailer keys export`: the sheet from which a site's keys can be typed in again."""

from mailer import keys
from mailer.commands.shell import Shell


def export(shell: Shell) -> None:
    """Print it; this is the one place where keys are shown."""
    sheet = keys.sheet(keys.load(shell.config.data.keys))
    shell.say(sheet.rstrip("\n"))
    shell.answer({"sheet": sheet})
