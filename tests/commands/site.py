"""A site of its own in a folder of its own, made and used by the command alone, as an operator would.

With MAILER_TEST_DATABASE it has a PostgreSQL database of its own, else its SQLite file.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

#: Seconds after which a test gives up waiting for what must happen; never how long something takes.
DEADLINE = 30.0
#: The members of every site: so many agreed to the newsletter, and so many never did.
CONSENTING, SILENT = 40, 5
COMMAND = (sys.executable, "-P", "-W", "error", "-m", "mailer.cli")
LETTER = """---
subject: News from the Friends in November
preheader: The hall is mended, the tea is on, and we need two more people for Saturday.
---

Dear friends, the hall is mended.
"""
_HEADER = (
    "number,name,e-mail,standing,regions,chairs-newsletter consent date,chairs-newsletter consent channel,"
    "chairs-newsletter consent wording,chairs-newsletter consent evidence"
)


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for something to become true, and fail loudly if it does not."""
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {DEADLINE:.0f} s in vain: {what}"
        time.sleep(0.01)
    return found


def members_csv(consenting: int, silent: int = 0) -> str:
    """So many members who agreed to the newsletter, and so many who never did."""
    agreed = [
        f"A{n},Ann Number{n},a{n}@example.org,member,London,2025-03-04,event,1,sheet {n}" for n in range(consenting)
    ]
    others = [f"S{n},Sam Number{n},s{n}@example.org,member,London,,,," for n in range(silent)]
    return "\n".join((_HEADER, *agreed, *others)) + "\n"


@dataclass
class Site:
    """A folder with config.toml, and the command called in it."""

    folder: Path
    database: str = ""

    @property
    def environ(self) -> dict[str, str]:
        """What the command finds in its environment: nothing of the test's own site."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("MAILER_", "DJANGO_"))}
        if self.database:
            own["MAILER_DATABASE__URL"] = os.environ["MAILER_TEST_DATABASE"].replace("/postgres?", f"/{self.database}?")
        return own

    def call(self, *arguments: str, text: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Call `mailer` and wait for its end."""
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.environ,
            input=text,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    def done(self, *arguments: str) -> str:
        """What a command that must succeed says."""
        ended = self.call(*arguments)
        assert ended.returncode == 0, ended.stderr + ended.stdout
        return ended.stdout

    def told(self, *arguments: str) -> dict[str, Any]:
        """What a command that must succeed answers in JSON."""
        answer = json.loads(self.done(*arguments, "--json"))
        assert isinstance(answer, dict)
        return answer

    @contextmanager
    def running(self, *arguments: str, command: Sequence[str] = COMMAND) -> Iterator["subprocess.Popen[str]"]:
        """A long-lived command, ended with the block if it still runs; what it says lies in `<folder>/said.txt`."""
        with (self.folder / "said.txt").open("a") as said:
            process = subprocess.Popen(
                [*command, *arguments],
                cwd=self.folder,
                env=self.environ,
                stdout=subprocess.PIPE,
                stderr=said,
                encoding="utf-8",
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()
                if process.stdout:
                    process.stdout.close()

    def set(self, section: str, **values: str) -> None:
        """Change keys of config.toml; the values are TOML."""
        file = self.folder / "config.toml"
        text = file.read_text()
        for key, value in values.items():
            pattern = rf"(?ms)(^\[{section}\]$.*?^{key} = )[^#\n]*"
            text, count = re.subn(pattern, lambda found, value=value: f"{found[1]}{value}  ", text, count=1)
            assert count, f"config.toml has no {section}.{key}"
        file.write_text(text)

    def use_relay(self, port: int) -> None:
        """Hand letters to this server."""
        self.set("smtp", port=str(port))

    def schedule_now(self) -> None:
        """The site's one issue is due this minute."""
        for _ in range(2):  # a minute may pass between our looking and the command's
            minute = datetime.now(ZoneInfo("Europe/London")).strftime("%Y-%m-%d %H:%M")
            ended = self.call("issue", "schedule", "1", "--at", minute)
            if ended.returncode == 0:
                return
        raise AssertionError(ended.stderr)

    def report(self) -> dict[str, Any]:
        """The figures of the one sending of the site's one issue."""
        mailing = self.told("issue", "report", "1")["mailings"][0]
        assert isinstance(mailing, dict)
        return mailing


def say(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """The next thing that a long-lived command with --json says."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "it ended without a word"
    event = json.loads(line)
    assert isinstance(event, dict)
    return event


def make_site(folder: Path) -> Site:
    """Made by the command from nothing to an issue that waits. Anne chairs it, and has no time to think again."""
    site = Site(folder, new_database())
    Site(folder.parent).done("init", str(folder))
    site.set("sending", cool_off_minutes="0")
    site.done("migrate")
    site.done("office", "grant", "anne@example.org", "chair", "--name", "Anne Chair", "--from", "2026-01-01",
              "--system-user", login())  # fmt: skip
    (folder / "members.csv").write_text(members_csv(CONSENTING, SILENT))
    assert site.told("members", "import", "members.csv")["new"] == CONSENTING + SILENT
    (folder / "letter.md").write_text(LETTER)
    assert site.told("issue", "new", "chairs-newsletter", "letter.md")["issue"] == 1
    return site


def copy_site(site: Site, folder: Path) -> Site:
    """The same site once more, with a database of its own."""
    shutil.copytree(site.folder, folder)
    return Site(folder, new_database(template=site.database))


def login() -> str:
    """Who the command will think we are."""
    from mailer.commands.shell import login as ours

    return ours()


def new_database(template: str = "template1") -> str:
    """The name of a new database on the tests' PostgreSQL server; none on SQLite, where the file makes itself."""
    server = os.environ.get("MAILER_TEST_DATABASE", "")
    if not server.startswith("postgresql:"):
        return ""
    import psycopg

    name = f"site_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")  # type: ignore[arg-type]
    return name
