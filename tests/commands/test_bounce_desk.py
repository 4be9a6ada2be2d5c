"""The desk, the log and a restored address at the shell."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from mailer.house import House
from mailer.models import Mailbox, Matter
from mailer.models.base import writing
from mailer.models.returns import make_undeliverable
from tests.world import NOW, anne, bart, join, sima

pytestmark = pytest.mark.django_db
Mailer = Callable[..., Result]
SPECIMEN = Path(__file__).parent.parent / "core" / "bounce" / "specimens" / "rfc3464_01.eml"
BART, SIMA = ("--by", "bart@example.org"), ("--by", "sima@example.org")


@pytest.fixture
def given_up(house: House) -> Mailbox:
    """Gwen in Norfolk, whose mailbox has been full since May."""
    anne()
    bart()
    sima()
    mailbox = join(house, "Gwen Gone", "gwen@example.org", regions=["norfolk"]).mailbox
    assert mailbox is not None
    with writing():
        make_undeliverable(mailbox.pk, "552 5.2.2 full\x1b[2J since May", NOW)
    return mailbox


def lines(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_desk_is_shown_and_a_matter_is_closed(mailer: Mailer, given_up: Mailbox) -> None:
    (matter,) = lines(mailer("bounces", "desk", "--json", *BART))
    assert set(matter) == {
        "number", "kind", "in_words", "since", "address", "members", "said", "sender", "bounce", "may_be",
    }  # fmt: skip
    assert (matter["address"], matter["kind"]) == ("gwen@example.org", "undeliverable")
    shown = mailer("bounces", "desk", "--region", "norfolk", *BART).stdout
    assert "Gwen Gone" in shown
    assert "\x1b" not in shown
    closed = mailer("bounces", "judge", matter["number"], "--as", "restore", "--note", "rang her", "--json", *BART)
    assert lines(closed) == [{"number": matter["number"], "judgement": "restore"}]
    assert Mailbox.unscoped.get(pk=given_up.pk).deliverability == "unknown"
    assert "0 wait" in mailer("bounces", "desk", *BART).stdout


def test_another_region_sees_nothing_and_judges_nothing(mailer: Mailer, given_up: Mailbox, house: House) -> None:
    mailbox = join(house, "Hal", "hal@example.org", regions=["london"]).mailbox
    assert mailbox is not None
    with writing():
        make_undeliverable(mailbox.pk, "gone", NOW)
    number = Matter.unscoped.get(mailbox=mailbox).pk
    refused = mailer("bounces", "judge", number, "--as", "ignore", "--note", "x", *BART)
    assert (refused.exit_code, refused.stderr) == (1, f"Nothing on the desk has the number {number}.\n")
    assert len(lines(mailer("bounces", "desk", "--json", *BART))) == 1


def test_an_address_is_restored_by_a_named_officer(mailer: Mailer, given_up: Mailbox) -> None:
    assert mailer("bounces", "restore", "gwen@example.org", *SIMA).exit_code == 2, "no reason"
    assert mailer("bounces", "restore", "gwen@example.org", "--reason", "x", "--by", "anne@example.org").exit_code == 1
    done = mailer("bounces", "restore", "gwen@example.org", "--reason", "she rang", "--json", *SIMA)
    assert lines(done) == [{"address": "gwen@example.org", "restored": True}]


def test_the_log_has_its_documented_shape_and_its_days_are_the_organisations(mailer: Mailer) -> None:
    sima()
    mailer("bounces", "read", SPECIMEN)
    (line,) = lines(mailer("bounces", "log", "--json", "--since", "2026-11-20", "--until", "2026-11-20", *SIMA))
    assert set(line) == {
        "number", "received_at", "source", "kind", "reason", "class", "status", "reply_code", "diagnostic", "behind",
        "verdict", "matched_by", "matched", "mailing", "issue", "domain", "findings",
    }  # fmt: skip
    assert lines(mailer("bounces", "log", "--json", "--until", "2026-11-19", *SIMA)) == []
    assert lines(mailer("bounces", "log", "--json", "--kind", "letter", *SIMA)) == []
    assert mailer("bounces", "log", "--region", "nowhere", *SIMA).exit_code == 1


def test_a_letter_that_is_not_for_us_is_left_alone_and_nothing_of_it_is_kept(mailer: Mailer, tmp_path: Path) -> None:
    sima()
    (tmp_path / "private.eml").write_bytes(b"From: jo@example.net\nTo: anne@example.org\nSubject: Tea?\n\nAt four?")
    assert "left alone" in mailer("bounces", "read", tmp_path / "private.eml").stdout
    assert lines(mailer("bounces", "log", "--json", *SIMA)) == []


def test_a_specimen_is_printed_for_the_secretary_alone(mailer: Mailer) -> None:
    anne()
    sima()
    mailer("bounces", "read", SPECIMEN)
    (line,) = lines(mailer("bounces", "log", "--json", *SIMA))
    shown = mailer("bounces", "specimen", line["number"], *SIMA)
    assert shown.exit_code == 0
    assert "Final-Recipient" in shown.stdout
    assert "person1@example.org" in shown.stdout
    assert mailer("bounces", "specimen", line["number"], "--by", "anne@example.org").exit_code == 1
    assert mailer("bounces", "specimen", 999, *SIMA).exit_code == 1
