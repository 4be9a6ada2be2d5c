# ruff: noqa: PLW1510
"""`python -m tests.postgres [--durable] COMMAND ...`: run a command beside a PostgreSQL of its own, gone afterwards.

With `--durable` it waits for the disk at each commit, as people run it; tests are quicker without. Needs Debian's
`postgresql` package, no root and no running service; as root (in CI) the server runs as `nobody`.
Exit status 77 means: not installed.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MISSING = 77


def binaries() -> Path | None:
    """The newest installed server's folder of programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    return found[-1].parent if found else None


def main(command: list[str], *, durable: bool = False) -> int:
    """Start a cluster, run the command with MAILER_TEST_DATABASE set, stop the cluster."""
    programs = binaries()
    if programs is None:
        return MISSING
    folder = Path(tempfile.mkdtemp(prefix="mailer-pg-", dir="/tmp"))
    user = {}
    if os.geteuid() == 0:
        owner = pwd.getpwnam("nobody")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    run = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder, **user}
    data = folder / "data"
    try:
        subprocess.run([programs / "initdb", "-D", data, "-U", "mailer", "-A", "trust", "-N"], **run)
        # The disk's patience is not what tests are about; a figure to keep is.
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync={'on' if durable else 'off'}"
        subprocess.run([programs / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start"], **run)
        try:
            environment = {
                **os.environ,
                "MAILER_TEST_DATABASE": f"postgresql://mailer@/postgres?host={folder}",
            }
            return subprocess.run(command, check=False, env=environment).returncode
        finally:
            subprocess.run([programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], **run)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    is_durable = sys.argv[1:2] == ["--durable"]
    sys.exit(main(sys.argv[2:] if is_durable else sys.argv[1:], durable=is_durable))
