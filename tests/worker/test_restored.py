"""A real worker on a database that is older than what it sent, and on a copy of a site: nobody gets two (U14, P13)."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.commands.site import Site, copy_site, new_database, say, until
from tests.transport.helpers import MakeWire
from tests.worker.sending import PEOPLE, ends_well, finish, interrupted


def backed_up(site: Site) -> Site:
    """The same site with a copy of its database, which goes on from here."""
    if site.database:
        return Site(site.folder, new_database(template=site.database))
    copy(site.folder / "var/mailer.sqlite3", site.folder / "backup.sqlite3")
    return site


def restored(backup: Site) -> Site:
    """The site with the older database."""
    if not backup.database:
        copy(backup.folder / "backup.sqlite3", backup.folder / "var/mailer.sqlite3")
    return backup


def copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def refuses_to_send(site: Site) -> None:
    """A worker stops the mailing, says why, and hands nothing over."""
    with site.running("worker", "--json") as process:
        assert say(process)["event"] == "working"
        until(lambda: site.report()["state"] == "stopped", "the mailing is stopped")
        until(lambda: "queued" not in site.report()["copies"], "what may have been sent is in doubt")
        process.send_signal(signal.SIGTERM)
        ends_well(process)
    assert site.call("site", "status").returncode == 1


def test_an_older_database_doubles_nobody(site: Site, wire: MakeWire) -> None:
    server = interrupted(site, wire)
    backup = backed_up(site)
    finish(site)
    sent = dict(server.copies)
    older = restored(backup)
    refuses_to_send(older)
    assert sum(older.report()["copies"].values()) == PEOPLE
    older.done("site", "adopt", "--reason", "restored Tuesday's backup")
    older.done("issue", "resume", "1")
    finish(older)
    assert server.copies == sent
    assert set(sent.values()) == {1}


def test_a_copy_of_a_site_sends_nothing_by_itself(site: Site, wire: MakeWire, tmp_path: Path) -> None:
    server = interrupted(site, wire)
    copied = copy_site(site, tmp_path / "copy")
    if copied.database:
        return  # a second host on PostgreSQL is no copy; that of the database is not noticed (decision 5)
    refuses_to_send(copied)
    finish(site)
    assert set(server.copies.values()) == {1}
