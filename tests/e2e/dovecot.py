"""A real Dovecot of our own: in a folder that goes away, on loopback, with IMAP to read from and LMTP to deliver to.

It is started and stopped by its own configuration, so no other Dovecot on the machine is touched, and it needs no root.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from mailer.transport.imap_session import Account
from tests.needs import needs

#: What a test needs that runs one.
NEEDED = [needs("dovecot-imapd", "/usr/lib/dovecot/imap"), needs("dovecot-lmtpd", "/usr/lib/dovecot/lmtp")]
PASSWORD = "a password for loopback"
_START_SECONDS = 20
_CONF = """\
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
auth_verbose = yes
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
mail_location = maildir:{mail}/%u
first_valid_uid = 1
recipient_delimiter = +
mail_plugins = quota
mail_fsync = never
auth_mechanisms = plain login
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users/%u
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {folder}/users/%u
  default_fields = uid={uid} gid={gid} home={mail}/%u
}}
plugin {{
  quota = count:User quota
  quota_vsizes = yes
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
}}
protocol lmtp {{
  postmaster_address = postmaster@example.net
}}
service imap-login {{
  chroot =
  process_min_avail = 1
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""


@dataclass(frozen=True)
class Dovecot:
    """A running server: its ports, the authority that signed its certificate, and where mail lies."""

    imap: int
    imaps: int
    lmtp: int
    ca_file: Path
    users: Path
    mail: Path
    log: Path

    def mailbox(self, user: str, quota: str = "") -> Account:
        """A new user's mailbox, over TLS; a quota is a rule of Dovecot's, as "*:bytes=10"."""
        file = self.users / user
        file.write_text(f"{user}:{PASSWORD}::::::{f'userdb_quota_rule={quota}' if quota else ''}\n")
        file.chmod(0o644)
        return Account("localhost", self.imaps, "implicit", user, PASSWORD, ca_file=self.ca_file, timeout=10)

    def files(self, user: str, folder: str = "") -> list[Path]:
        """The messages that lie in a folder of a user's, as "Mailer/Read", in the order of their arrival."""
        place = self.mail / user / (f".{folder.replace('/', '.')}" if folder else "")
        return sorted(file for part in ("new", "cur") for file in (place / part).glob("*"))


@contextmanager
def running(separator: str = "/") -> Iterator[Dovecot]:
    """Start it without users, and stop it again."""
    folder = Path(tempfile.mkdtemp(prefix="mailer-dovecot-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        server = _configure(folder, separator)
        command = ["/usr/sbin/dovecot", "-F", "-c", str(folder / "dovecot.conf")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_until_it_answers(server, process)
            yield server
        finally:
            process.terminate()
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _configure(folder: Path, separator: str) -> Dovecot:
    mail = folder / "mail"
    mail.mkdir()
    root = os.geteuid() == 0
    me = pwd.getpwuid(os.geteuid())
    owner = pwd.getpwnam("nobody") if root else me
    if root:
        shutil.chown(mail, owner.pw_uid, owner.pw_gid)
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for number, part in enumerate(certificate.cert_chain_pems):
        part.write_to_path(folder / "cert.pem", append=number > 0)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    users = folder / "users"
    users.mkdir()
    group = subprocess.run(["id", "-gn"], capture_output=True, text=True, check=True).stdout.strip()
    imap, imaps, lmtp = _free_ports(3)
    (folder / "dovecot.conf").write_text(
        _CONF.format(
            folder=folder,
            mail=mail,
            uid=owner.pw_uid,
            gid=owner.pw_gid,
            internal="dovecot" if root else me.pw_name,
            internal_group="dovecot" if root else group,
            login="dovenull" if root else me.pw_name,
            separator=separator,
            imap=imap,
            imaps=imaps,
            lmtp=lmtp,
        )
    )
    return Dovecot(imap, imaps, lmtp, folder / "ca.pem", users, mail, folder / "log")


def _free_ports(count: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(server.getsockname()[1]) for server in servers]
    for server in servers:
        server.close()
    return ports


def _wait_until_it_answers(server: Dovecot, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with socket.create_connection(("127.0.0.1", server.imap), timeout=_START_SECONDS) as line:
                line.recv(1)
        except OSError:
            log = server.log.read_text() if server.log.exists() else ""
            assert process.poll() is None, f"dovecot ended with {process.returncode}: {log}"
            assert time.monotonic() < deadline, log
            time.sleep(0.05)
        else:
            return
