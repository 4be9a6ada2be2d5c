"""Backups as people make them, and what is done with them: put back, or brought up elsewhere."""

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

from tests.chaos.fleet import Fleet
from tests.commands.site import Site, new_database
from tests.postgres import binaries


def take(running: Fleet, file: Path) -> Fleet:
    """A backup of the database while workers work in it, and a fleet that has it as its own, to be asked."""
    if running.is_on_sqlite:
        folder = file / "var"
        folder.mkdir(parents=True)
        source, target = sqlite3.connect(running.file), sqlite3.connect(folder / running.file.name)
        source.backup(target)
        source.close()
        target.close()
        return Fleet([Site(file)], running.nursery)
    _program("pg_dump", "--format=custom", f"--file={file}", running.url)
    return Fleet([Site(file, _restored(file))], running.nursery)


def put_back(running: Fleet, kept: Fleet) -> None:
    """The database is that of the backup now; whoever works in it meanwhile is not asked."""
    if running.is_on_sqlite:
        for end in ("-wal", "-shm"):
            running.file.with_name(running.file.name + end).unlink(missing_ok=True)
        shutil.copyfile(kept.file, running.file)
        return
    import psycopg

    with psycopg.connect(os.environ["MAILER_TEST_DATABASE"], autocommit=True) as connection:
        name = running.site.database
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[arg-type]
        connection.execute(f'ALTER DATABASE "{kept.site.database}" RENAME TO "{name}"')  # type: ignore[arg-type]


def twin(running: Fleet, folder: Path) -> Fleet:
    """Everything once more, as it is at this moment."""
    hosts = []
    for number, host in enumerate(running.hosts):
        shutil.copytree(host.folder, folder / f"host{number}")
    if running.is_on_sqlite:
        return Fleet([Site(folder / "host0")], running.nursery)
    dump = folder / "dump"
    _program("pg_dump", "--format=custom", f"--file={dump}", running.url)
    name = _restored(dump)
    hosts = [Site(folder / f"host{number}", name) for number in range(len(running.hosts))]
    return Fleet(hosts, running.nursery)


def _restored(dump: Path) -> str:
    name = new_database()
    site = Site(dump, name)
    _program("pg_restore", f"--dbname={site.environ['MAILER_DATABASE__URL']}", str(dump))
    return name


def _program(name: str, *words: str) -> None:
    folder = binaries()
    assert folder is not None
    subprocess.run([folder / name, *words], check=True)
