"""A whole site for a benchmark, in a folder that goes away: configuration, keys, list files, database, real processes.

What must run inside Django is asked of `mailer.bench.inside`, in a process of its own; worker and web are the real
commands, so that what is measured is what people run.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mailer import keys

_PATIENCE = 30.0
_CONFIG = """\
[site]
base_url = "{base_url}"
production = false
allow_list = ["@example.org", "@example.net", "@example.com", {more}]

[organisation]
name = "The Friends"
postal_address = ["The Friends", "1 Example Street", "Exampleton EX1 1AA"]
contact = "office@example.org"
privacy_notice_url = "https://www.example.org/privacy"
sender_name = "The Friends"
sender_address = "letters@example.org"
reply_to = "office@example.org"
imprint = ["Promoted by A. Example for The Friends of 1 Example Street, Exampleton EX1 1AA."]
imprint_required = true

[data]
dir = "."

[database]
url = "{database}"

[smtp]
host = "127.0.0.1"
port = {port}
ehlo_name = "localhost"
{relay}

[bounces]
domain = "bounces.example.org"

[sending]
cool_off_minutes = 0
"""
#: Where the pages of a site are said to be that nobody opens.
BASE_URL = "https://news.example.org"
_LIMITS = "[limits]\n"
_DKIM = '[dkim]\nkeys = [{selector = "bench", domain = "example.org", file = "dkim.pem"}]\n'


@dataclass(frozen=True, slots=True)
class Site:
    """A folder with a site in it."""

    folder: Path
    base_url: str

    def ask(self, what: str, *words: object) -> Any:
        """What `mailer.bench.inside` answers."""
        command = [sys.executable, "-P", "-m", "mailer.bench.inside", what, *map(str, words)]
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout)

    @property
    def environment(self) -> Mapping[str, str]:
        """That of this process without what would reach into the site."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILER_")}
        here = str(Path(__file__).parents[2])
        return kept | {
            "MAILER_CONFIG": str(self.folder / "config.toml"),
            "DJANGO_SETTINGS_MODULE": "mailer.settings",
            "PYTHONPATH": here,
        }

    def use_connections(self, most: int) -> None:
        """Set by hand how many connections there may be; 0 leaves it to Mailer again."""
        file = self.folder / "config.toml"
        kept = file.read_text(encoding="utf-8").partition(_LIMITS)[0]
        limit = f'{_LIMITS}relays = [{{name = "smtp", connections = {most}}}]\n' if most else ""
        file.write_text(kept + limit, encoding="utf-8")

    @contextmanager
    def running(self, *command: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A command of Mailer's own, ended in the end as an operator would end it."""
        log = (self.folder / f"{command[0]}.log").open("ab")
        words = [sys.executable, "-P", "-m", "mailer.cli", *command]
        process = subprocess.Popen(words, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            log.close()


@contextmanager
def scratch(
    port: int,
    *,
    members: int,
    tls: "Certificate | None" = None,
    signed: bool = False,
    database: str = "sqlite",
    base_url: str = BASE_URL,
) -> Iterator[Site]:
    """A site of so many members whose relay is on this machine."""
    with tempfile.TemporaryDirectory(prefix="mailer-bench-") as name:
        folder = Path(name)
        keys.create(folder / "keys", secrets.token_bytes)
        relay = f'tls = "implicit"\nca_file = "{tls.certificate}"' if tls else 'tls = "none"'
        text = _CONFIG.format(
            base_url=base_url,
            database=database,
            port=port,
            relay=relay,
            more=", ".join(f'"@post{number}.example.org"' for number in range(40)),
        )
        if signed:
            key = rsa.generate_private_key(65537, 2048)
            (folder / "dkim.pem").write_bytes(_pem(key))
            text += _DKIM
        (folder / "config.toml").write_text(text, encoding="utf-8")
        site = Site(folder, base_url)
        site.ask("fill", members)
        yield site


@contextmanager
def made(database: str) -> Iterator[str]:
    """SQLite as it is, and of a PostgreSQL server a database of one's own."""
    if database == "sqlite":
        yield database
        return
    with fresh_database(database) as address:
        yield address


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """An empty database on a PostgreSQL server, which goes away again."""
    import psycopg  # noqa: PLC0415 - whoever has no PostgreSQL needs no driver

    name = f"mailer_bench_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a certificate for this machine's loopback address, which signs itself."""

    certificate: Path
    key: Path


def make_certificate(folder: Path, now: datetime | None = None) -> Certificate:
    """A certificate that is good for a day."""
    now = now or datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    found = Certificate(folder / "sink.crt", folder / "sink.key")
    found.certificate.write_bytes(builder.public_bytes(Encoding.PEM))
    found.key.write_bytes(_pem(key))
    return found


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
