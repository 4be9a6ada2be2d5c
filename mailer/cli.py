"""The command `mailer`: the whole command plan on one page, as urls.py is the whole address plan.

Exit status: 0 done, 1 refused with a reason in plain words on stderr, 2 wrong usage (design.md section 5). What a
command does lies in commands/ and is imported when it is called, so that `mailer init` needs no site, `mailer demo`
makes its own, and Django is set up once and only for those that need it. docs/commands.md says what each answers.
"""

import io
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mailer.core.errors import MailerError
from mailer.core.listfile import Office
from mailer.core.matter import Judgement

if TYPE_CHECKING:
    from mailer.commands.desk import Desk
    from mailer.commands.shell import Shell

_ANY_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_JSON = click.Option(["--json", "as_json"], is_flag=True, help="Answer in JSON; docs/commands.md has the shapes.")
_BY = click.Option(["--by"], metavar="EMAIL", help="Who acts; else the user mapped to your login name.")
_ISSUE = click.Argument(["issue"], type=click.IntRange(1))
_LIST = click.Argument(["list_"], metavar="LIST")
_WHO = click.Argument(["who"])
_REGION = click.Option(["--region"], help="The region, for a list that has one stream per region.")
_DAY = click.DateTime(["%Y-%m-%d"])


class Refused(click.ClickException):
    """A refusal in plain words on stderr, and status 1."""

    def show(self, file: Any = None) -> None:
        """The words alone."""
        click.echo(self.message, err=True, file=file)


class _FromAPipe(click.Command):
    """With `-` a mail server waits for our answer. Whatever goes wrong, it is told to try again later (75, EX_TEMPFAIL
    of sysexits(3)): any other status would make it answer a report with a report.
    """

    def invoke(self, ctx: click.Context) -> Any:
        if Path("-") not in ctx.params["paths"]:
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except click.exceptions.Exit:
            raise
        except (MailerError, click.ClickException) as refused:
            reason = str(refused)
        except Exception as fault:  # noqa: BLE001 - a fault of ours must not cost the report either
            reason = f"{type(fault).__name__}: {fault}"
        click.echo(reason, err=True)
        return ctx.exit(os.EX_TEMPFAIL)


class _Main(click.Group):
    """Turns every refusal of ours into status 1 and words; a fault of ours keeps its traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        _speak_utf8()
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except MailerError as error:
            raise Refused(str(error)) from error


def _speak_utf8() -> None:
    """A name must not end a command: pipes get UTF-8, and a terminal that cannot show a letter shows a sign for it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace", encoding=None if stream.isatty() else "utf-8")


def _call(does: str, *, django: bool) -> Callable[..., None]:
    """What click calls: sets up what the command needs, then calls `module:function` of commands/."""
    module, _, function = does.partition(":")

    def call(*, as_json: bool, by: str | None = None, **options: Any) -> None:
        shell = _desk(as_json, by) if django else _shell(as_json)
        door = getattr(import_module(f"mailer.commands.{module}"), function)
        do = partial(door, shell, **options)
        click.get_current_context().exit((_guarded(do) if django else do()) or 0)

    call.does = does  # type: ignore[attr-defined]  # a test follows every line of the plan
    return call


def _shell(as_json: bool) -> "Shell":
    from mailer.commands.shell import Shell  # noqa: PLC0415 - `mailer --help` loads no tables and bars

    return Shell(as_json)


def _desk(as_json: bool, by: str | None) -> "Desk":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailer.settings")
    import django  # noqa: PLC0415 - only commands that touch the database pay for it, and need a site

    django.setup()
    from mailer.commands.desk import Desk  # noqa: PLC0415 - it knows tables: Django comes first

    return Desk(as_json, by)


def _guarded(do: Callable[[], int | None]) -> int | None:
    from django.db import DatabaseError  # noqa: PLC0415 - as above

    from mailer.actions.let_go import let_go  # noqa: PLC0415 - as above

    try:
        return do()
    except DatabaseError as error:
        reason = str(error).strip().partition("\n")[0]
        raise Refused(
            f"The database cannot be used: {reason}\nIf this is a new site or a new version, run `mailer migrate`;"
            " `mailer check` says more."
        ) from error
    finally:
        let_go()


def _plan(
    group: click.Group,
    name: str,
    does: str,
    *params: click.Parameter,
    words: str,
    django: bool = True,
    command: type[click.Command] = click.Command,
) -> None:
    call = _call(does, django=django)
    group.add_command(command(name, callback=call, params=[*params, _JSON], help=words))


def _group(name: str, words: str) -> click.Group:
    group = click.Group(name, help=words)
    main.add_command(group)
    return group


def _option(*names: str, **more: Any) -> click.Option:
    return click.Option(names, **more)


main = _Main(
    "mailer",
    help="Newsletters for member organisations. Start with `mailer init`, or see it work with `mailer demo`.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_plan(main, "init", "init:init", click.Argument(["folder"], type=click.Path(file_okay=False, path_type=Path),
      default=Path(), metavar="[DIR]"), django=False,
      words="Make a new site: config.toml, lists/, templates/email/ and keys. Never overwrites.")  # fmt: skip
_plan(main, "migrate", "migrate:migrate", words="Bring the database up to this version and to the list files.")
_plan(main, "check", "check:check", _option("--live", is_flag=True, help="Also connect to the relay; nothing is sent."),
      django=False, words="Say everything that is wrong with this site, all at once.")  # fmt: skip

_plan(main, "state", "state:state",
      _option("--clock-is-right", is_flag=True, help="Say that this machine's clock is right now, though it was not."),
      words="Whether sending works: alarms, workers, mailings.")  # fmt: skip

_LISTEN = _option("--listen", metavar="HOST:PORT", help="Where to answer; else by site.base_url, on this machine only.")
_plan(main, "web", "serving:web", _LISTEN, words="Serve the pages.")
_plan(main, "run", "serving:run", _LISTEN, words="Run web and worker, and start again what dies.")


@main.command("worker", params=[_JSON], help="Prepare and send what is due, until it is stopped.")
def worker(*, as_json: bool) -> None:
    """The door of the clock: doors do not import each other, so this page opens it."""
    desk = _desk(as_json, None)
    from mailer.worker import run  # noqa: PLC0415 - Django comes first

    click.get_current_context().exit(_guarded(lambda: run(desk.house, desk.tell)) or 0)


@main.command("demo", params=[_option("--once", is_flag=True, help="Tell the story once and end."), _JSON],
              help="The whole story on example people, in a directory and with a mail server of its own.")  # fmt: skip
def demo(*, once: bool, as_json: bool) -> None:
    """The demo makes its own site before it sets Django up."""
    from mailer.demo.story import run  # noqa: PLC0415 - it needs what no other command does

    click.get_current_context().exit(run(once=once, as_json=as_json))


@main.command("bench", params=[click.Argument(["name"], type=click.Choice(
              ["send", "build", "dkim", "claim", "audience", "leave", "million", "bounces", "scale"])),
              click.Option(["--corpus"], type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
              help="For bounces: mails with their truths; else our own specimens."), _JSON],
              help="Measure this machine, each figure beside a peer or a limit in the same run.")  # fmt: skip
def bench(*, name: str, corpus: Path | None, as_json: bool) -> None:
    """The laboratory lies above the doors; it makes sites of its own."""
    from mailer.bench.command import run  # noqa: PLC0415 - it needs what no other command does

    click.get_current_context().exit(run(name, corpus=corpus, as_json=as_json))


_members = _group("members", "The member list.")
_plan(_members, "import", "members:import_file", click.Argument(["file"], type=_ANY_FILE), _BY,
      _option("--dry-run", is_flag=True, help="Only show what would change."),
      words="Read the secretary's file (CSV; docs/members-file.md).")  # fmt: skip
_plan(_members, "show", "members:show", _WHO, _BY, words="One member, by number or by an e-mail that names only one.")
_plan(_members, "proof", "members:proof", _WHO, _BY, words="Every line of the consent ledger about one member.")

_plan(main, "audience", "audience:audience", _LIST, _REGION, _BY, _option("--why", metavar="MEMBER"),
      words="Who would get a letter of a list today, and why not.")  # fmt: skip

_issue = _group("issue", "Pieces of writing, and sending them.")
_plan(_issue, "new", "issue:new", _LIST, click.Argument(["file"], type=_ANY_FILE), _REGION, _BY,
      words="Make an issue of a Markdown file.")  # fmt: skip
_plan(_issue, "render", "issue:render", _ISSUE, _BY, _option("--as", "as_member", metavar="MEMBER"),
      _option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="DIR"),
      words="Write the .html, .txt and .eml files that a member would get.")  # fmt: skip
_plan(_issue, "test", "issue:test", _ISSUE, _BY, _option("--to", required=True, metavar="ADDRESS"),
      words="Send one marked test to the address of somebody who holds an office.")  # fmt: skip
_plan(_issue, "schedule", "issue:schedule", _ISSUE, _BY, _option("--at", required=True, metavar='"2026-12-01 09:00"'),
      _option("--not-after", metavar='"2026-12-02 18:00"', help="Send nothing later than this."),
      words="Say when it goes, in the organisation's time zone.")  # fmt: skip
_plan(_issue, "stop", "issue:stop", _ISSUE, _BY, words="Send nothing more until it is resumed.")
_plan(_issue, "resume", "issue:resume", _ISSUE, _BY, words="Go on where it was stopped or paused.")
_plan(_issue, "cancel", "issue:cancel", _ISSUE, _BY, words="Never send what has not been handed over.")
_plan(_issue, "again", "issue:again", _ISSUE, _BY, words="Send again to those of whom we are uncertain.")
_plan(_issue, "correct", "issue:correct", _ISSUE, click.Argument(["file"], type=_ANY_FILE), _BY,
      words="Make an issue of a Markdown file that goes only to those who have ISSUE.")  # fmt: skip
_plan(_issue, "status", "issue:status", _ISSUE, _BY,
      _option("--watch", is_flag=True, help="Follow it until it is over, or waits for a person."),
      words="How it stands, how fast it goes, and when it ends.")  # fmt: skip
_plan(_issue, "report", "issue:report", _ISSUE, _BY,
      _option("--people", is_flag=True, help="Also who has no letter, or none yet, and why."),
      words="What became of everyone.")  # fmt: skip

_office = _group("office", "Who may do what.")
_plan(_office, "grant", "office:grant", click.Argument(["email"]),
      click.Argument(["role"], type=click.Choice([role.value for role in Office])),
      _option("--name", default="", help="The holder's name."),
      _option("--region", "regions", multiple=True, help="Of a coordinator; may be given several times."),
      _option("--from", "starts", type=_DAY, help="First day; else today."),
      _option("--until", "ends", type=_DAY, help="The day on which it is over; else open."),
      _option("--system-user", metavar="LOGIN", help="Commands of this login act as the holder."),
      words="Give a role for a term.")  # fmt: skip
_plan(_office, "list", "office:list_offices", words="Every office there is or was.")
_plan(_office, "revoke", "office:revoke", click.Argument(["number"], type=click.IntRange(1)),
      words="End an office now; what only it could reach is not sent.")  # fmt: skip

_bounces = _group("bounces", "What came back.")
_plan(_bounces, "read", "bounces:read", click.Argument(["paths"], nargs=-1, required=True, type=click.Path(
      exists=True, allow_dash=True, path_type=Path), metavar="PATH..."), command=_FromAPipe,
      words="Read reports from files, mboxes or Maildirs; with -, the one that a mail server hands over.")  # fmt: skip
_plan(_bounces, "poll", "bounces:poll", words="Look once into the Maildir and the mailbox of config.toml.")
_plan(_bounces, "log", "bounce_desk:log", _BY, _option("--issue", type=click.IntRange(1), help="Of one issue only."),
      _option("--mailing", type=click.IntRange(1), help="Of one sending only."),
      _option("--domain", help="Of addresses in one domain."), _option("--reason"), _option("--kind"),
      _option("--region", help="Of members who live in it, or in a region within it."),
      _option("--since", type=_DAY, help="From this day on."), _option("--until", type=_DAY, help="Up to this day."),
      words="What came back, newest first.")  # fmt: skip
_NUMBER = click.Argument(["number"], type=click.IntRange(1))
_plan(_bounces, "desk", "bounce_desk:show", _REGION, _BY, words="What about an address waits for a person.")
_plan(_bounces, "judge", "bounce_desk:judge", _NUMBER, _BY,
      _option("--as", "judgement", required=True, type=click.Choice([each.value for each in Judgement])),
      _option("--note", required=True, help="What you found out."), words="Close a matter of the desk.")  # fmt: skip
_plan(_bounces, "restore", "bounce_desk:restore", _WHO, _BY,
      _option("--reason", required=True, help="Why you know that the address works."),
      words="Write to an address again that was given up.")  # fmt: skip
_plan(_bounces, "specimen", "bounce_desk:specimen", _NUMBER, _BY,
      words="Print what came back, without anything that leads to a person.")  # fmt: skip

_site = _group("site", "Whether this site may send; after a restore, a copy or a move.")
_plan(_site, "status", "site:status", words="Why nothing is sent, if so.")
_plan(_site, "adopt", "site:adopt", _option("--reason", required=True, help="What happened; kept in the audit log."),
      words="Go on with this database on this machine; mailings stay stopped.")  # fmt: skip
_plan(_site, "replay", "site:replay", words="Carry out departures that were written down on this host.")

_relay = _group("relay", "The relays that letters are handed to.")
_plan(_relay, "status", "relay:status", words="How each stands, what is left of its limits, what rests.")
_plan(_relay, "resume", "relay:resume", click.Argument(["name"]),
      words="Try a relay again that rests or waits for a person.")  # fmt: skip

_keys = _group("keys", "The keys of this site.")
_plan(_keys, "export", "keys:export", django=False, words="Print the sheet to keep under lock.")

if __name__ == "__main__":
    main()
