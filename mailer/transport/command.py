"""A command of the operator's, run to tell something: never by a shell, never for long.

The text is its standard input; what it says on stderr joins our own log. It gets nothing of our environment that
begins with MAILER_, since passwords may lie there.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from mailer.core.errors import MailerError

LONGEST = 10.0


class CommandFailed(MailerError, RuntimeError):
    """It could not be run, took too long, or ended with another status than 0."""


def run(words: Sequence[str], text: str, longest: float = LONGEST) -> None:
    """Run it and wait for its end, or end it and all that it started."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAILER_")}
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own words, as a list
            list(words),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=environ,
            encoding="utf-8",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise CommandFailed(f"{words[0]} cannot be run: {error}") from error
    try:
        # What has ended without reading does not care for the text.
        with suppress(BrokenPipeError):
            process.communicate(text, timeout=longest)
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"{words[0]} took longer than {longest:g} seconds, and was ended.") from None
    finally:
        _end(process)
    if process.returncode:
        raise CommandFailed(f"{words[0]} ended with status {process.returncode}.")


def _end(process: "subprocess.Popen[str]") -> None:
    """Nothing that it started outlives it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
