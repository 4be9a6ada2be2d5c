"""The demo's own site: a directory made anew each time, with its configuration, its keys and a free port.

Law of the file: it removes nothing but a directory that carries the demo's own mark and that no demo is using; it takes
nothing from the site of the person who calls it, neither configuration nor environment.
"""

import fcntl
import os
import secrets
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailer import keys
from mailer.core.errors import MailerError

FOLDER = Path("var") / "demo"
MARK = "this-is-the-demo"
HOST = "127.0.0.1"
FIRST_PORT = 8000
_PORTS_TRIED = 100

_CONFIG = """\
# Written by `mailer demo`, which makes this directory anew each time. Nothing here is meant to be kept.

[site]
base_url = "{base_url}"
production = false
allow_list = ["@example.org", "@example.net", "@example.com"]

[organisation]
name = "The Fair Care Network"
postal_address = ["The Fair Care Network", "3 Lantern Row", "Exampleton EX1 1AA"]
contact = "office@example.org"
privacy_notice_url = "https://www.example.org/privacy"
sender_name = "The Network"
sender_address = "letters@example.org"
reply_to = "office@example.org"
imprint = ["Promoted by A. Example for The Fair Care Network, both of 3 Lantern Row, Exampleton EX1 1AA."]
imprint_required = true
time_zone = "Europe/London"

[data]
dir = "."

[smtp]
host = "{host}"
port = {smtp_port}
tls = "none"
ehlo_name = "localhost"

[bounces]
domain = "bounces.example.org"
maildir = "bounces"

[dkim]
keys = [
    {{selector = "rsa1", domain = "example.org", file = "dkim-rsa.pem"}},
    {{selector = "ed1", domain = "example.org", file = "dkim-ed25519.pem"}},
]

[sending]
cool_off_minutes = 0
"""


class DemoRefused(MailerError, RuntimeError):
    """The demo cannot be made here."""


@dataclass(frozen=True, slots=True)
class DemoSite:
    """The folder of a demo, the socket its pages will be served on, and the lock that says somebody uses it."""

    folder: Path
    listening: socket.socket
    lock: int

    @property
    def base_url(self) -> str:
        """Where the pages are."""
        return f"http://{HOST}:{self.listening.getsockname()[1]}"

    @property
    def pages(self) -> str:
        """The page that shows what happened."""
        return f"{self.base_url}/demo/"

    @property
    def caught(self) -> Path:
        """Where the demo's mail server keeps what it accepted."""
        return self.folder / "caught"

    @property
    def bounces(self) -> Path:
        """Where reports come back to."""
        return self.folder / "bounces"

    def close(self) -> None:
        """Let go of the port and the folder; what lies in it stays until the next demo."""
        self.listening.close()
        os.close(self.lock)

    def configure(self, smtp_port: int) -> Path:
        """Write the configuration; the file."""
        file = self.folder / "config.toml"
        file.write_text(_CONFIG.format(base_url=self.base_url, host=HOST, smtp_port=smtp_port), encoding="utf-8")
        return file


def make_site(folder: Path) -> DemoSite:
    """Make the demo's directory anew, with keys, and find a port for its pages."""
    lock = _make_anew(folder.absolute())
    keys.create(folder / "keys", secrets.token_bytes)
    _write_key(folder / "dkim-rsa.pem", generate_private_key(65537, 2048))
    _write_key(folder / "dkim-ed25519.pem", Ed25519PrivateKey.generate())
    return DemoSite(folder.absolute(), listen(FIRST_PORT), lock)


def listen(first: int) -> socket.socket:
    """A socket on loopback: the first port that is free, or any if a whole range is taken."""
    for port in [*range(first, first + _PORTS_TRIED), 0]:
        try:
            return socket.create_server((HOST, port))
        except OSError:
            continue
    raise DemoRefused(f"No port of {HOST} is free.")


def leave_environment() -> None:
    """Forget every override that was meant for another site: a configured relay among them."""
    for name in [name for name in os.environ if name.startswith("MAILER_")]:
        del os.environ[name]


def _make_anew(folder: Path) -> int:
    """Remove what an earlier demo left, make the folder, and hold its mark locked; the lock's descriptor."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise DemoRefused(f"{folder} is not a folder of the demo's: move it away, and start the demo again.")
    if folder.exists() and any(folder.iterdir()):
        _remove(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / MARK, os.O_RDWR | os.O_CREAT, 0o600)
    _hold(lock, folder)
    return lock


def _remove(folder: Path) -> None:
    try:
        mark = os.open(folder / MARK, os.O_RDWR | os.O_NOFOLLOW)
    except OSError as error:
        raise DemoRefused(
            f"{folder} was not made by the demo (it has no file {MARK}), so it is left alone."
            " Move it away, or call the demo from another folder."
        ) from error
    try:
        _hold(mark, folder)
        shutil.rmtree(folder)
    finally:
        os.close(mark)


def _hold(mark: int, folder: Path) -> None:
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise DemoRefused(
            f"A demo is running already in {folder}. End it with Ctrl-C where it runs, or look at its pages."
        ) from error


def _write_key(file: Path, key: RSAPrivateKey | Ed25519PrivateKey) -> None:
    file.touch(mode=0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
