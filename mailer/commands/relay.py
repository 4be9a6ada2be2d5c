"""`mailer relay`: how each relay stands, what is left of its limits, which destinations rest; and letting one go on."""

from dataclasses import asdict
from datetime import datetime

from mailer.actions import steer_relay
from mailer.actions.steer_relay import BULK_SENDER, RelayReport
from mailer.commands.desk import Desk
from mailer.core.domain import organisational
from mailer.core.schedule import brief


def status(desk: Desk) -> None:
    """Everything about relays and destinations, on one page."""
    house, now = desk.house, desk.now
    relays, resting = steer_relay.relays(house, now), steer_relay.resting_destinations(now)
    volumes, quiet = steer_relay.volumes(now), house.config.sending.quiet_hours
    for relay in relays:
        _say(desk, relay)
    desk.table(
        "",
        ("relay", "in any", "#used", "#limit", "#kept for confirmations"),
        [(each.name, row.window, row.used, row.limit, row.kept) for each in relays for row in each.windows],
    )
    desk.say(f"Quiet hours: {quiet}.")
    desk.table(
        "Destinations that asked us to slow down",
        ("domain", "rests until", "#times", "said"),
        [(each.domain, _time(desk, each.until), each.times, each.reason) for each in resting],
    )
    if volumes:
        sender = organisational(house.mail_domain)
        desk.say(f"Letters of {sender} in the last 24 hours; with {BULK_SENDER:,} one is a bulk sender to a provider.")
    desk.table(
        "",
        ("provider", "#letters", f"#of {BULK_SENDER:,}"),
        [(each.domain, f"{each.letters:,}", f"{each.letters / BULK_SENDER:.0%}") for each in volumes],
    )
    desk.answer(
        {
            "relays": [asdict(each) for each in relays],
            "quiet_hours": str(quiet),
            "resting": [asdict(each) for each in resting],
            "volumes": {each.domain: each.letters for each in volumes},
            "bulk_sender": BULK_SENDER,
        }
    )


def resume(desk: Desk, *, name: str) -> None:
    """Try a relay again at once."""
    done = steer_relay.resume(desk.operator, desk.house, name, desk.now)
    desk.say(f"The relay {name} is tried again at once." if done else f"The relay {name} was not kept back.")
    desk.answer({"relay": name, "resumed": done})


def _say(desk: Desk, relay: RelayReport) -> None:
    takes = f", for {', '.join(relay.senders)}" if relay.senders else ""
    line = f"{relay.name} ({relay.address}{takes}): {relay.state}"
    if relay.state == "resting":
        line += f" until {_time(desk, relay.until)}, since {_time(desk, relay.since)}: {relay.reason}"
    if relay.state == "paused":
        line += (
            f" since {_time(desk, relay.since)}: {relay.reason} It waits for `mailer relay resume {relay.name}`,"
            " or for another password in the configuration."
        )
    desk.say(line)


def _time(desk: Desk, moment: datetime | None) -> str:
    return brief(moment, desk.config.organisation.time_zone, desk.now) if moment else ""
