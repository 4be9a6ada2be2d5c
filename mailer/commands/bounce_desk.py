"""`mailer bounces log, desk, judge, restore, specimen`: what came back, looked up and decided by people."""

import sys
from dataclasses import replace
from datetime import datetime, timedelta

from mailer.actions.bounce_desk import judge_matter, on_desk
from mailer.actions.list_bounces import as_specimen, bounce_log
from mailer.actions.restore_mailbox import restore_mailbox
from mailer.commands.desk import Desk
from mailer.commands.shell import draw_handle
from mailer.core.matter import Judgement
from mailer.core.sought import Sought


def log(
    desk: Desk, *, region: str | None, since: datetime | None, until: datetime | None, **sought: int | str | None
) -> None:
    """What came back, newest first."""
    zone, day = desk.house.zone, timedelta(days=1)
    wanted = replace(
        Sought(**sought),  # type: ignore[arg-type]  # the options of cli.py have the names and types of its fields
        since=since.replace(tzinfo=zone) if since else None,
        until=(until + day).replace(tzinfo=zone) if until else None,
    )
    found = bounce_log(desk.actor, desk.house, wanted, desk.now, region=region)
    desk.table(
        "",
        ("#number", "when", "kind", "reason", "status", "source", "#issue", "#copy", "verdict", "said"),
        [
            (
                each.number,
                f"{each.received_at.astimezone(zone):%Y-%m-%d %H:%M}",
                f"{each.kind} ({each.behind})" if each.behind else each.kind,
                each.reason,
                each.status or each.reply_code or "",
                each.source,
                each.issue or "",
                each.matched or "",
                each.verdict,
                each.diagnostic,
            )
            for each in found
        ],
    )
    desk.say(f"{len(found)} reports, refusals and letters.")
    for each in found:
        desk.answer(each.to_json())


def show(desk: Desk, *, region: str | None) -> None:
    """What waits for a person, oldest first."""
    found = on_desk(desk.actor, desk.house, desk.now, region=region)
    desk.table(
        "",
        ("#number", "since", "whom", "address", "what", "said"),
        [
            (
                each.number,
                f"{each.since.astimezone(desk.house.zone):%Y-%m-%d}",
                ", ".join(f"{name} {number}".strip() for number, name in each.members)
                or each.sender
                or "nobody of ours",
                each.address,
                each.in_words,
                each.said,
            )
            for each in found
        ],
    )
    desk.say(f"{len(found)} wait. `mailer bounces judge NUMBER --as ... --note ...` closes one.")
    for each in found:
        desk.answer(each.to_json())


def judge(desk: Desk, *, number: int, judgement: str, note: str) -> None:
    """Close a matter with what was found out."""
    judge_matter(desk.actor, desk.house, number, Judgement(judgement), note, now=desk.now, draw=draw_handle)
    desk.say(f"Matter {number} is closed: {judgement}.")
    desk.answer({"number": number, "judgement": judgement})


def restore(desk: Desk, *, who: str, reason: str) -> None:
    """Write to an address again that was given up."""
    address = restore_mailbox(desk.actor, desk.house, who, reason, desk.now)
    desk.say(f"{address} is written to again.")
    desk.answer({"address": address, "restored": True})


def specimen(desk: Desk, *, number: int) -> None:
    """Print what came back, with everything replaced that leads to a person."""
    scrubbed = as_specimen(desk.actor, desk.house, number, desk.now)
    desk.warn("Read it before you give it away: a machine took out what it could recognise.")
    if not desk.as_json:
        sys.stdout.buffer.write(scrubbed)
    desk.answer({"number": number, "message": scrubbed.decode()})
