"""The first relay that is well takes the letters; what is wrong with one is known to all, and mended or waited for."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mailer.access import the_operator
from mailer.actions.choose_relay import Chosen, Waiting, relay_for
from mailer.actions.steer_relay import NoSuchRelay, failed, heard, is_well, relays, resume
from mailer.actions.use_relay import Unsigned, all_must_be_signed, routes_of
from mailer.config.relays import RelayLimits
from mailer.core.limits import Limits
from mailer.core.quiet import quiet_hours
from mailer.core.reply import Answer, Step, parse
from mailer.house import House
from mailer.models import Event, RelayState
from mailer.transport.relay import FaultKind, RelayFault
from tests.actions.relays import spare, with_relays, with_token
from tests.world import NOW

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
OURS = "example.org"


def fault(kind: FaultKind, said: str = "", *, retry_later: bool = True) -> RelayFault:
    reply = parse(f"{said}\r\n".encode()) if said else None
    return RelayFault(f"It is {kind}.", kind=kind, retry_later=retry_later, step=Step.CONNECT, reply=reply)


def name_at(house: House, now: datetime = NOW, domain: str = OURS) -> str:
    chosen = relay_for(house, domain, now)
    assert isinstance(chosen, Chosen)
    return chosen.name


def test_the_relay_of_the_configuration_is_chosen_with_its_limits(house: House) -> None:
    house = with_relays(house, limits=[RelayLimits(name="smtp", per_day=500, connections=2)])
    chosen = relay_for(house, OURS, NOW)
    assert chosen == Chosen("smtp", routes_of(house.config)[0].relay, Limits(per_day=500, connections=2))


@pytest.mark.parametrize("kind", [FaultKind.BUSY, FaultKind.UNREACHABLE, FaultKind.PROTOCOL])
def test_another_takes_over_until_the_rest_of_the_first_is_over(house: House, kind: FaultKind) -> None:
    house = with_relays(house, spare("spare"), spare("third"))
    failed(house, "smtp", fault(kind), NOW)
    assert name_at(house) == "spare"
    failed(house, "spare", fault(kind), NOW)
    assert name_at(house) == "third"
    assert name_at(house, NOW + MINUTE) == "smtp"
    again = relay_for(house, OURS, NOW + MINUTE)
    assert isinstance(again, Chosen)
    assert again.was_ill
    failed(house, "smtp", fault(kind), NOW + MINUTE)
    assert name_at(house, NOW + 2 * MINUTE) == "spare"
    is_well("spare", NOW + 2 * MINUTE)
    assert name_at(house, NOW + 3 * MINUTE) == "smtp"


def test_while_one_that_was_ill_is_asked_another_goes_on(house: House) -> None:
    house = with_relays(house, spare("spare"), spare("third"))
    failed(house, "smtp", fault(FaultKind.UNREACHABLE), NOW)
    failed(house, "spare", fault(FaultKind.UNREACHABLE), NOW)
    later = NOW + 2 * MINUTE
    chosen = relay_for(house, OURS, later)
    assert isinstance(chosen, Chosen)
    assert (chosen.name, chosen.meanwhile and chosen.meanwhile.name) == ("smtp", "third")
    is_well("smtp", later)
    chosen = relay_for(house, OURS, later)
    assert isinstance(chosen, Chosen)
    assert (chosen.name, chosen.meanwhile) == ("smtp", None)


def test_without_another_one_waits_for_the_soonest(house: House) -> None:
    failed(house, "smtp", fault(FaultKind.BUSY), NOW)
    assert relay_for(house, OURS, NOW) == Waiting(NOW + MINUTE, "The relay smtp: It is busy.")
    house = with_relays(house, spare("spare"))
    failed(house, "spare", fault(FaultKind.TLS), NOW)
    assert relay_for(house, OURS, NOW) == Waiting(NOW + MINUTE, "The relay smtp: It is busy.")


@pytest.mark.parametrize(
    "said", ["535 5.7.8 Wrong", "530 5.7.0 Log in", "534 5.7.9 Weak", "538 5.7.11 TLS", "432 4.7.12 New"]
)
def test_a_refused_login_waits_for_a_person(house: House, said: str) -> None:
    failed(house, "smtp", fault(FaultKind.AUTH, said, retry_later=said.startswith("4")), NOW)
    waiting = relay_for(house, OURS, NOW + timedelta(days=300))
    assert waiting == Waiting(None, "The relay smtp: It is auth.")
    assert [each.state for each in relays(house, NOW)] == ["paused"]
    assert resume(the_operator("ann"), house, "smtp", NOW)
    assert name_at(house) == "smtp"
    assert not resume(the_operator("ann"), house, "smtp", NOW)
    assert [event.verb for event in Event.unscoped.filter(subject_type="relay").order_by("pk")] == [
        "relay paused",
        "relay resumed",
    ]


def test_a_login_that_fails_for_now_is_tried_again(house: House) -> None:
    failed(house, "smtp", fault(FaultKind.AUTH, "454 4.7.0 Later"), NOW)
    assert relay_for(house, OURS, NOW) == Waiting(NOW + MINUTE, "The relay smtp: It is auth.")


def test_another_password_in_the_configuration_is_tried_at_once(house: House) -> None:
    old, new = with_relays(house, password="hunter2"), with_relays(house, password="hunter3")
    failed(old, "smtp", fault(FaultKind.AUTH, "535 5.7.8 Wrong", retry_later=False), NOW)
    assert isinstance(relay_for(old, OURS, NOW), Waiting)
    assert name_at(new) == "smtp"
    assert [each.state for each in relays(new, NOW)] == ["well"]
    is_well("smtp", NOW)
    assert name_at(old) == "smtp"


def test_a_token_that_was_only_renewed_is_no_other_login(house: House, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old")
    by_password = with_relays(house, password="hunter2")
    house = with_token(house, token_file=tmp_path / "token")
    failed(house, "smtp", fault(FaultKind.AUTH, "535 5.7.8 Expired", retry_later=False), NOW)
    (tmp_path / "token").write_text("new")
    assert isinstance(relay_for(house, OURS, NOW), Waiting)
    for other in (with_token(house, token_file=tmp_path / "other"), with_token(house, token_command=("give", "one"))):
        assert name_at(other) == "smtp"
    assert name_at(by_password) == "smtp"


def test_no_table_holds_a_token(house: House, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("ya29.secret")
    failed(with_token(house, token_file=tmp_path / "token"), "smtp", fault(FaultKind.AUTH, retry_later=False), NOW)
    held = [*RelayState.unscoped.values(), *Event.unscoped.values()]
    assert held
    assert "ya29" not in str(held)


def test_the_configuration_says_where_the_token_comes_from(house: House, tmp_path: Path) -> None:
    houses = house, with_token(house, token_file=tmp_path), with_token(house, token_command=("give", "one"))
    sources = [routes_of(each.config)[0].relay.token_from for each in houses]
    assert sources == [None, tmp_path, ("give", "one")]


def test_the_table_does_not_hold_the_password(house: House) -> None:
    failed(with_relays(house, password="hunter2"), "smtp", fault(FaultKind.BUSY), NOW)
    assert "hunter2" not in str(RelayState.unscoped.values().get())


def test_tls_is_tried_again_every_quarter_of_an_hour(house: House) -> None:
    for minutes in (0, 15, 30):
        failed(house, "smtp", fault(FaultKind.TLS), NOW + minutes * MINUTE)
        assert relay_for(house, OURS, NOW + minutes * MINUTE) == Waiting(
            NOW + (minutes + 15) * MINUTE, "The relay smtp: It is tls."
        )


def answer(step: Step, said: str) -> Answer:
    return Answer(step, parse(f"{said}\r\n".encode()), final_dot_written=step is Step.FINAL_DOT)


def test_a_relay_whose_quota_is_used_up_rests_and_another_takes_over(house: House) -> None:
    assert heard(house, "smtp", answer(Step.FINAL_DOT, "550 5.4.5 Daily user sending limit exceeded"), NOW)
    assert relay_for(house, OURS, NOW) == Waiting(
        NOW + 60 * MINUTE, "The relay smtp: 550 5.4.5 Daily user sending limit exceeded"
    )
    assert name_at(with_relays(house, spare("spare"))) == "spare"


def test_what_is_said_to_mail_may_be_about_the_relay(house: House) -> None:
    assert not heard(house, "smtp", answer(Step.RCPT, "450 4.2.0 Busy"), NOW)
    assert not heard(house, "smtp", answer(Step.RCPT, "421 4.7.0 Too many"), NOW)
    assert not heard(house, "smtp", answer(Step.RCPT, "552 5.2.2 Over quota"), NOW)
    assert not heard(house, "smtp", answer(Step.FINAL_DOT, "250 2.0.0 Too many thanks"), NOW)
    assert not heard(house, "smtp", Answer(Step.MAIL, None, final_dot_written=False), NOW)
    assert name_at(house) == "smtp"
    assert heard(house, "smtp", answer(Step.MAIL, "421 4.7.0 Too many messages"), NOW)
    assert relay_for(house, OURS, NOW) == Waiting(NOW + MINUTE, "The relay smtp: 421 4.7.0 Too many messages")
    assert heard(house, "smtp", answer(Step.MAIL, "530 5.7.0 Authentication required"), NOW)
    assert relay_for(house, OURS, NOW) == Waiting(None, "The relay smtp: 530 5.7.0 Authentication required")


def test_a_relay_with_senders_takes_those_only_and_first(house: House) -> None:
    house = with_relays(house, spare("press", senders=("press.example.org",)), spare("spare"))
    assert name_at(house, domain="press.example.org") == "press"
    assert name_at(house) == "smtp"
    failed(house, "press", fault(FaultKind.BUSY), NOW)
    assert name_at(house, domain="press.example.org") == "smtp"
    failed(house, "smtp", fault(FaultKind.BUSY), NOW)
    assert name_at(house) == "spare"


def test_a_sender_that_no_relay_takes_is_told(house: House) -> None:
    smtp = replace(house.config.smtp, senders=(OURS,))
    house = replace(house, config=replace(house.config, smtp=smtp))
    waiting = relay_for(house, "elsewhere.example.com", NOW)
    assert isinstance(waiting, Waiting)
    assert waiting.until is None
    assert "elsewhere.example.com" in waiting.reason


def test_in_quiet_hours_mailings_wait_and_the_priority_lane_does_not(house: House) -> None:
    house = with_relays(house, quiet=quiet_hours("09:00-12:00"))
    assert relay_for(house, OURS, NOW) == Waiting(NOW + 120 * MINUTE, "Quiet hours, until Friday 12:00.")
    assert isinstance(relay_for(house, OURS, NOW, priority=True), Chosen)
    assert isinstance(relay_for(house, OURS, NOW + 120 * MINUTE), Chosen)


def test_a_relay_that_nobody_knows_cannot_be_resumed(house: House) -> None:
    with pytest.raises(NoSuchRelay, match="smtp, spare"):
        resume(the_operator("ann"), with_relays(house, spare("spare")), "spar", NOW)


def test_each_relay_that_may_take_over_must_sign(house: House) -> None:
    all_must_be_signed(house.config, ())
    all_must_be_signed(with_relays(house, spare("spare", signs=True)).config, ())
    with pytest.raises(Unsigned, match=r"spare\.example\.net"):
        all_must_be_signed(with_relays(house, spare("spare")).config, ())
