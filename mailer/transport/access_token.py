"""The access token of a mailbox or a relay that wants one instead of a password (OAuth, standards T20).

Tokens live for an hour or so, and somebody else renews them: a file that another program rewrites, or a command that
prints one. So it is read anew for each session, and stands in no text of ours.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from mailer.core.errors import MailerError

_SECONDS = 30
#: Who knows the token of this minute: a file, or a command word by word.
Source: TypeAlias = Path | tuple[str, ...]


class NoTokenError(MailerError, ValueError):
    """There is no token to be had."""


class Token:
    """The token of one login: what the source gives now, and at most once something newer."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.value = fetch(source)
        self.is_renewed = False

    def renew(self) -> None:
        """Ask the source again, since the server refused what it gave."""
        value = fetch(self._source)
        if value == self.value:
            raise NoTokenError(f"{_name(self._source)} still gives the same one")
        self.value, self.is_renewed = value, True


def fetch(source: Source) -> str:
    """The token of this minute."""
    return from_file(source) if isinstance(source, Path) else from_command(source)


def from_file(path: Path) -> str:
    """The token that a file holds."""
    try:
        return _one_word(path.read_text(encoding="ascii"), str(path))
    except OSError as error:
        raise NoTokenError(f"no access token can be read from {path}: {error.strerror}") from None
    except UnicodeError:
        raise NoTokenError(f"what {path} holds is no access token") from None


def from_command(command: Sequence[str]) -> str:
    """The token that a command prints; no shell reads it."""
    name = command[0]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603 - the operator's own, from config.toml
    except subprocess.TimeoutExpired:
        raise NoTokenError(f"{name} printed no access token within {_SECONDS} seconds") from None
    except OSError as error:
        raise NoTokenError(f"{name} cannot be run for an access token: {error.strerror}") from None
    if done.returncode:
        raise NoTokenError(f"{name} ended with status {done.returncode} instead of an access token")
    return _one_word(done.stdout.decode("ascii", "replace"), name)


def _name(source: Source) -> str:
    """How a person knows it; the other words of a command may be secret."""
    return str(source) if isinstance(source, Path) else source[0]


def _one_word(text: str, where: str) -> str:
    token = text.strip()
    if not token.isascii() or len(token.split()) != 1 or not token.isprintable():
        raise NoTokenError(f"what {where} gives is no access token: that is one word of ASCII")
    return token
