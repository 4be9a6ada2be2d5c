"""Telling people of alarms, by ways that do not depend on the relay that may have failed (issue 3, "Control").

There are two: letters to named addresses by a relay that is used for nothing else, and a command of the operator's. An
alarm is told when one of them took it; what neither took is tried again. Without any, the log is told.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mailer.actions.compose import DrawWord, signing
from mailer.actions.use_relay import signers_of
from mailer.core.address import normal, parse
from mailer.core.alarm import AlarmKind, Message, Telling, message, telling
from mailer.core.delivery import CopyState, judge
from mailer.core.dkim import DkimError
from mailer.core.envelope import Envelope
from mailer.core.errors import MailerError
from mailer.core.message import AUTO_GENERATED, OneOff, format_date, one_off
from mailer.core.schedule import describe
from mailer.house import House
from mailer.models import Alarm, alarm
from mailer.models.base import writing
from mailer.transport import command
from mailer.transport.relay import Relay, Timeouts
from mailer.transport.session import HandsOverOne
from mailer.transport.smtp import connect

_LOG = logging.getLogger("mailer.alarms")
#: Whoever tells must not be held up: what is not taken soon is tried again later.
_SOON = Timeouts(
    connect=5, greeting=10, command=10, mail=10, rcpt=10, data=10, block=10, final_dot=20, quit=2
)  # fmt: skip


class NotTold(MailerError, RuntimeError):
    """Nobody took it."""


@dataclass(frozen=True, slots=True)
class Teller:
    """Who tells, with the outside as arguments; `clock` gives aware UTC."""

    house: House
    clock: Callable[[], datetime]
    draw_word: DrawWord
    connect: Callable[[Relay], HandsOverOne] = connect
    run: Callable[[tuple[str, ...], str], None] = command.run

    def tell_all(self) -> int:
        """Tell what is to be told now; how much that was."""
        count = 0
        for each in alarm.not_over():
            now = self.clock()
            kind = AlarmKind(each.kind)
            what = telling(kind, since=each.since, told_at=each.told_at, cleared_at=each.cleared_at, now=now)
            if what is not None and _begin(each, now):
                count += self._tell(what, kind, each, now)
        return count

    def _tell(self, what: Telling, kind: AlarmKind, each: Alarm, now: datetime) -> bool:
        if what is not Telling.NOTHING and not self._by_all_ways(self._message(what, kind, each, now)):
            return False
        with writing():
            if what in (Telling.OVER, Telling.NOTHING):
                alarm.lay_to_rest(each)
            else:
                alarm.note_told(each, now)
        return what is not Telling.NOTHING

    def _message(self, what: Telling, kind: AlarmKind, each: Alarm, now: datetime) -> Message:
        config = self.house.config
        zone = config.organisation.time_zone
        return message(
            what,
            kind,
            each.words,
            since=describe(each.since, zone),
            ended=describe(each.cleared_at or now, zone),
            state_url=f"{config.site.base_url}/state",
        )

    def _by_all_ways(self, told: Message) -> bool:
        alerts = self.house.config.alerts
        _LOG.warning("%s: %s", told.subject, " ".join(told.text.split()))
        ways: list[Callable[[Message], None]] = []
        if alerts.command:
            ways.append(self._by_command)
        if alerts.addresses:
            ways.append(self._by_letter)
        # Each is tried, whatever became of the other.
        took = [self._took(way, told) for way in ways]
        return any(took) or not ways

    def _took(self, way: Callable[[Message], None], told: Message) -> bool:
        try:
            way(told)
        except (MailerError, OSError) as error:
            _LOG.error("an alarm was not told, and will be tried again: %s", error)
            return False
        return True

    def _by_command(self, told: Message) -> None:
        self.run(self.house.config.alerts.command, f"{told.subject}\n\n{told.text}")

    def _by_letter(self, told: Message) -> None:
        config = self.house.config
        session = self.connect(_relay(self.house))
        try:
            refused = [said for to in config.alerts.addresses if (said := self._refusal(session, to, told))]
        finally:
            session.quit()
        for said in refused:
            _LOG.error("an alarm was not told: %s", said)
        if len(refused) == len(config.alerts.addresses):
            raise NotTold("none of alerts.addresses was reached")

    def _refusal(self, session: HandsOverOne, to: str, told: Message) -> str:
        """Hand it over for one address; why it was not taken, "" if it was."""
        if self.house.allow_list is not None and not self.house.allow_list.allows(normal(parse(to))):
            return f"{to} is not on site.allow_list, and this is not the production site"
        answer = session.hand_over(self._envelope(to, told))
        return "" if judge(answer).state is CopyState.ACCEPTED else f"{to}: {answer.reply or answer.note}"

    def _envelope(self, to: str, told: Message) -> Envelope:
        house, organisation, word = self.house, self.house.config.organisation, self.draw_word()
        letter = OneOff(
            from_name=organisation.sender_name,
            from_address=organisation.sender_address,
            reply_to=organisation.reply_to,
            to_name="",
            to_address=to,
            subject=told.subject,
            text=told.text,
            html=told.html,
            message_id=f"alarm.{word}@{house.mail_domain}",
            date=format_date(self.clock().astimezone(house.zone)),
            boundary=f"=_{word}",
            automatic=AUTO_GENERATED,
        )
        try:
            signers = signers_of(house.config)
        except (DkimError, OSError) as error:
            raise NotTold(f"a DKIM key cannot be read: {error}") from error
        # The null reverse-path, so that nothing ever answers it (T22).
        payload = one_off(letter, signing(signers, self.clock))
        return Envelope("", to, (payload,), smtputf8=not to.isascii())


def _begin(each: Alarm, now: datetime) -> bool:
    with writing():
        return alarm.begin_telling(each, now)


def _relay(house: House) -> Relay:
    """The relay that only alarms use."""
    alerts = house.config.alerts
    return Relay(
        host=alerts.host,
        port=alerts.port,
        tls=alerts.tls.value,
        ehlo_name=house.config.smtp.ehlo_name,
        user=alerts.user,
        password=alerts.password,
        timeouts=_SOON,
    )
