"""A real Postfix of our own: in a folder that goes away, on loopback, as relay with TLS and as the receiving side.

It is started and stopped by its own configuration folder, so no other Postfix on the machine is touched. Starting one
needs root (its master changes users); elsewhere the test is skipped and says so.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

_DAEMONS = Path("/usr/lib/postfix/sbin")
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""
_MAIN = """\
compatibility_level = 3.6
queue_directory = {spool}
data_directory = {data}
daemon_directory = {daemons}
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {spool}/log
maillog_file_prefixes = {spool}
myhostname = mx.example.net
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_tls_cert_file = {folder}/cert.pem
smtpd_tls_key_file = {folder}/key.pem
smtpd_tls_security_level = encrypt
smtputf8_enable = no
virtual_mailbox_base = {mail}
virtual_mailbox_domains = example.net, bounces.example.org
virtual_mailbox_maps = regexp:{folder}/boxes
virtual_alias_domains = example.com
virtual_alias_maps = regexp:{folder}/aliases
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
transport_maps = regexp:{folder}/transport
default_transport = error:5.1.2 nothing leaves this machine
bounce_queue_lifetime = 0
minimal_backoff_time = 1s
queue_run_delay = 2s
"""
#: Who exists, where reports go, and an address that is accepted first and found missing afterwards.
_MAPS = {
    "boxes": "/^ann@example\\.net$/ ann/\n/^b\\+.*@bounces\\.example\\.org$/ bounces/\n",
    "aliases": "/^later@example\\.com$/ gone@missing.example.net\n",
    "transport": "/@missing\\.example\\.net$/ error:5.1.1 User unknown in missing.example.net\n",
}


@dataclass(frozen=True)
class Postfix:
    """A running relay: its port, the authority that signed its certificate, and the mailboxes behind it."""

    folder: Path
    port: int
    ca_file: Path
    mail: Path
    log: Path

    def letters(self, box: str) -> list[bytes]:
        """What lies in a mailbox, as delivered."""
        return [file.read_bytes() for file in sorted((self.mail / box / "new").glob("*"))]


@contextmanager
def running(main: str = "", master: str = "", maps: Mapping[str, str] = _MAPS) -> Iterator[Postfix]:
    """Start it, and stop it again. What is added to main.cf stands last there, so it counts; `{folder}` is its own."""
    folder = Path(tempfile.mkdtemp(prefix="mailer-postfix-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        server = _configure(folder, main, master, maps)
        _postfix(folder, "start")
        try:
            yield server
        finally:
            _postfix(folder, "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _configure(folder: Path, main: str, master: str, maps: Mapping[str, str]) -> Postfix:
    mail, spool, data = (folder / name for name in ("mail", "spool", "data"))
    for place in (mail, spool, data):
        place.mkdir()
    owner = "postfix"
    shutil.chown(data, owner)
    shutil.chown(mail, "nobody")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for number, part in enumerate(certificate.cert_chain_pems):
        part.write_to_path(folder / "cert.pem", append=number > 0)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name, content in maps.items():
        (folder / name).write_text(content)
    port = _free_port()
    (folder / "main.cf").write_text(
        (_MAIN + main).format(
            folder=folder,
            spool=spool,
            data=data,
            mail=mail,
            daemons=_DAEMONS,
            uid=mail.stat().st_uid,
            gid=mail.stat().st_gid or 65534,
        )
    )
    (folder / "master.cf").write_text((_MASTER + master).format(port=port, folder=folder))
    return Postfix(folder, port, folder / "ca.pem", mail, spool / "log")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _postfix(folder: Path, command: str) -> None:
    environment = {**os.environ, "MAIL_CONFIG": str(folder)}
    done = subprocess.run(
        ["/usr/sbin/postfix", "-c", str(folder), command], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        log = folder / "spool" / "log"
        raise RuntimeError(f"postfix {command}: {done.stderr}\n{log.read_text() if log.exists() else ''}")
