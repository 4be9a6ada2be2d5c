"""Writing, looking, scheduling, steering: what the commands answer, and what they refuse."""

import email
import json
from collections.abc import Callable
from datetime import timedelta
from email import policy
from pathlib import Path

import pytest
from click.testing import Result

from mailer.commands import issue as issue_command
from mailer.core.mailing import MailingState
from mailer.house import House
from mailer.models import Copy, Delivery, Issue, Mailing
from tests.commands.site import LETTER
from tests.models.rows import copy_row, mailing_row
from tests.transport.misbehaviours import refuses_recipient
from tests.transport.wire import Wire
from tests.world import NOW, anne, bart, join, stream

pytestmark = pytest.mark.django_db
Mailer = Callable[..., Result]
BY = ("--by", "anne@example.org")
AT = ("--at", "2026-11-20 11:00")


def answer(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "letter.md"
    path.write_text(LETTER, encoding="utf-8")
    return path


@pytest.fixture
def issue(mailer: Mailer, file: Path) -> int:
    anne()
    return int(str(answer(mailer("issue", "new", "chairs-newsletter", file, "--json", *BY))["issue"]))


def test_a_file_becomes_an_issue(mailer: Mailer, file: Path) -> None:
    anne()
    told = answer(mailer("issue", "new", "chairs-newsletter", file, "--json", *BY))
    assert told["subject"] == "News from the Friends in November"
    assert told["warnings"] == []
    assert "issue render" in mailer("issue", "new", "chairs-newsletter", file, *BY).stdout


def test_a_file_that_is_not_text_is_refused_in_words(mailer: Mailer, file: Path) -> None:
    anne()
    file.write_bytes(LETTER.replace("mended", "m\xe9nded").encode("latin-1"))
    refused = mailer("issue", "new", "chairs-newsletter", file, *BY)
    assert refused.exit_code == 1
    assert "UTF-8" in refused.stderr


def test_a_coordinator_writes_to_the_own_region_only(mailer: Mailer, file: Path) -> None:
    bart()
    by = ("--by", "bart@example.org")
    assert mailer("issue", "new", "local-notices", file, "--region", "norfolk", *by).exit_code == 0
    for slug, region in (("local-notices", ["--region", "london"]), ("chairs-newsletter", []), ("local-notices", [])):
        assert mailer("issue", "new", slug, file, *region, *by).exit_code == 1


def test_the_files_are_what_a_member_would_get_but_for_a_link_that_changes_nothing(
    mailer: Mailer, house: House, issue: int, tmp_path: Path
) -> None:
    member = join(house, "Zoë Adeyemi", "zoe@example.org", consents=[stream(house)])
    told = answer(mailer("issue", "render", issue, "--out", tmp_path / "out", "--as", member.number, "--json", *BY))
    html, text, raw = (Path(str(name)) for name in told["files"])  # type: ignore[attr-defined]
    message = email.message_from_bytes(raw.read_bytes(), policy=policy.default)
    assert message["To"] == "Zoë Adeyemi <zoe@example.org>"
    assert message["List-Unsubscribe"] == "<https://news.example.org/u/example>"
    assert "Dear Zoë Adeyemi," in text.read_text(encoding="utf-8")
    assert "Zoë Adeyemi" in html.read_text(encoding="utf-8")
    assert html.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    links = [part for part in html.read_text(encoding="utf-8").split('"') if "/u/" in part]
    assert links
    assert set(links) == {"https://news.example.org/u/example"}


def test_without_a_member_it_is_shown_to_an_invented_person(mailer: Mailer, issue: int, tmp_path: Path) -> None:
    mailer("issue", "render", issue, "--out", tmp_path / "new" / "folder", *BY)
    assert "Dear Alex Example," in (tmp_path / "new" / "folder" / f"issue-{issue}.txt").read_text(encoding="utf-8")


def test_a_member_without_an_address_has_no_letter_to_look_at(
    mailer: Mailer, house: House, issue: int, tmp_path: Path
) -> None:
    member = join(house, "Olwen Rees", None)
    refused = mailer("issue", "render", issue, "--out", tmp_path, "--as", member.number, *BY)
    assert refused.exit_code == 1
    assert "printed" in refused.stderr


@pytest.fixture
def relay(wire: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch) -> Wire:
    server = wire()
    monkeypatch.setenv("MAILER_SMTP__PORT", str(server.port))
    return server


def test_a_test_goes_to_an_office_holder_with_a_mark_and_a_dummy(mailer: Mailer, issue: int, relay: Wire) -> None:
    assert answer(mailer("issue", "test", issue, "--to", "Anne@example.org", "--json", *BY))["state"] == "accepted"
    (caught,) = relay.messages
    assert caught.recipients == ("anne@example.org",)
    message = email.message_from_bytes(caught.content, policy=policy.default)
    assert message["Subject"] == "[Test] News from the Friends in November"
    assert message["List-Unsubscribe"] == "<https://news.example.org/u/example>"


def test_a_test_that_the_relay_refuses_is_status_1(mailer: Mailer, issue: int, relay: Wire) -> None:
    relay.misbehaviours.append(refuses_recipient("anne@example.org"))
    refused = mailer("issue", "test", issue, "--to", "anne@example.org", *BY)
    assert refused.exit_code == 1
    assert "No such mailbox" in refused.stderr


def test_a_test_goes_to_nobody_else(mailer: Mailer, house: House, issue: int, relay: Wire) -> None:
    join(house, "Zoë Adeyemi", "zoe@example.org", consents=[stream(house)])
    refused = mailer("issue", "test", issue, "--to", "zoe@example.org", *BY)
    assert refused.exit_code == 1
    assert relay.messages == []


def test_off_production_a_test_keeps_to_the_allow_list(
    mailer: Mailer, issue: int, relay: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILER_SITE__ALLOW_LIST", "@example.net")
    refused = mailer("issue", "test", issue, "--to", "anne@example.org", *BY)
    assert refused.exit_code == 1
    assert "allow_list" in refused.stderr
    assert relay.commands == []


def test_scheduling_says_when_in_words_that_can_be_checked(mailer: Mailer, issue: int) -> None:
    told = answer(mailer("issue", "schedule", issue, *AT, "--json", *BY))
    assert told["starts"] == "Friday 20 November 2026, 11:00 GMT"
    assert told["not_after"] == "Sunday 22 November 2026, 11:00 GMT"
    again = mailer("issue", "schedule", issue, *AT, *BY)
    assert again.exit_code == 1
    assert "issue cancel" in again.stderr


@pytest.mark.parametrize("at", ["2026-11-20 09:59", "tomorrow", "2027-03-28 01:30", "2027-10-31 01:30"])
def test_a_time_that_cannot_be_meant_is_refused(mailer: Mailer, issue: int, at: str) -> None:
    assert mailer("issue", "schedule", issue, "--at", at, *BY).exit_code == 1


def test_the_minute_we_are_in_has_not_passed(mailer: Mailer, issue: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from mailer.commands.shell import Shell
    from tests.world import NOW

    monkeypatch.setattr(Shell, "now", NOW.replace(second=59))
    assert mailer("issue", "schedule", issue, "--at", "2026-11-20 10:00", *BY).exit_code == 0


def test_a_mailing_is_steered_by_its_issue(mailer: Mailer, issue: int) -> None:
    mailer("issue", "schedule", issue, *AT, *BY)
    assert answer(mailer("issue", "stop", issue, "--json", *BY))["state"] == "stopped"
    assert answer(mailer("issue", "resume", issue, "--json", *BY))["state"] == "scheduled"
    assert answer(mailer("issue", "again", issue, "--json", *BY))["copies"] == 0
    assert "Nobody is in doubt" in mailer("issue", "again", issue, *BY).stdout
    assert "cancelled" in mailer("issue", "cancel", issue, *BY).stdout
    refused = mailer("issue", "resume", issue, *BY)
    assert refused.exit_code == 1
    assert "cancelled" in refused.stderr


def test_status_and_report_have_their_documented_shapes(mailer: Mailer, issue: int) -> None:
    assert answer(mailer("issue", "report", issue, "--json", *BY))["mailings"] == []
    assert "not scheduled" in mailer("issue", "status", issue, *BY).stdout
    mailer("issue", "schedule", issue, *AT, *BY)
    (mailing,) = answer(mailer("issue", "report", issue, "--json", *BY))["mailings"]  # type: ignore[misc]
    assert {"list", "region", "state", "candidates", "outcomes", "excluded", "copies"} <= set(mailing)
    (short,) = answer(mailer("issue", "status", issue, "--json", *BY))["mailings"]  # type: ignore[misc]
    assert (short["state"], short["copies_decided"], short["copies"]) == ("scheduled", 0, 0)
    assert "scheduled, due Friday" in mailer("issue", "status", issue, *BY).stdout
    assert "scheduled, 0 candidates" in mailer("issue", "report", issue, *BY).stdout


def test_who_has_no_letter_is_named_with_the_reason_and_the_next_try(mailer: Mailer, house: House) -> None:
    anne()
    ann = join(house, "Ann Smith", "ann@example.org")
    mailing = mailing_row(house, MailingState.SENDING)
    copy = copy_row(mailing, "queued", mailbox=ann.mailbox)
    Delivery.unscoped.create(mailing=mailing, member=ann, copy=copy, outcome="carried")
    for state in ("claimed", "deferred"):
        Copy.unscoped.update(state=state, claim=1, claimed_by="w" * (state == "claimed"))
    Copy.unscoped.update(next_attempt_at=NOW + timedelta(minutes=40), attempts=2, reply_text="Greylisted")
    told = answer(mailer("issue", "report", mailing.issue_id, "--people", "--json", *BY))
    (person,) = told["people"]  # type: ignore[misc]
    assert person["member"] == "Ann Smith"
    assert person["because"].startswith("their mail server puts it off, and it is tried again Friday ")
    assert person["because"].endswith(": Greylisted")
    assert (person["attempts"], person["again_at"]) == (2, (NOW + timedelta(minutes=40)).isoformat())
    assert "people" not in answer(mailer("issue", "report", mailing.issue_id, "--json", *BY))
    shown = mailer("issue", "report", mailing.issue_id, "--people", *BY).stdout
    assert "Ann Smith" in shown
    assert "no region of yours" not in shown
    assert "Whether" not in shown
    assert "Everyone" not in shown


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("accepted", "Everyone it is meant for has their letter."),
        (
            "uncertain",
            "Whether 1 person got it nobody can say. `mailer issue again {issue}` sends it to them once more.",
        ),
    ],
)
def test_a_report_ends_with_what_is_to_be_done(mailer: Mailer, house: House, state: str, says: str) -> None:
    anne()
    ann = join(house, "Ann Smith", "ann@example.org")
    mailing = mailing_row(house, MailingState.SENDING)
    copy = copy_row(mailing, "queued", mailbox=ann.mailbox)
    Delivery.unscoped.create(mailing=mailing, member=ann, copy=copy, outcome="carried")
    Copy.unscoped.update(state="claimed", claim=1, claimed_by="w")
    Copy.unscoped.update(state=state, decided_at=NOW)
    shown = " ".join(mailer("issue", "report", mailing.issue_id, "--people", *BY).stdout.split())
    assert says.format(issue=mailing.issue_id) in shown
    status = " ".join(mailer("issue", "status", mailing.issue_id, *BY).stdout.split())
    assert ("issue again" in status) == (state == "uncertain")


@pytest.mark.parametrize(
    ("state", "waits", "words"),
    [("stopped", True, "until `mailer issue resume"), ("sending", False, "some people may have two")],
)
def test_sent_again_means_now_or_when_it_is_resumed(
    mailer: Mailer, house: House, state: str, waits: bool, words: str
) -> None:
    anne()
    mailing = mailing_row(house, MailingState(state))
    copy_row(mailing, "uncertain")
    told = answer(mailer("issue", "again", mailing.issue_id, "--json", *BY))
    assert told == {"issue": mailing.issue_id, "state": state, "copies": 1, "waits_for_resume": waits}
    copy_row(mailing, "uncertain")
    assert words in mailer("issue", "again", mailing.issue_id, *BY).stdout


def test_status_says_how_fast_where_and_until_when(mailer: Mailer, house: House) -> None:
    anne()
    mailing = mailing_row(house, MailingState.SENDING, prepared_at=NOW)
    for number in range(6):
        member = join(house, f"Ann {number}", regions=["norfolk"])
        copy = copy_row(mailing, "queued" if number else "accepted", decided_at=None if number else NOW)
        Copy.unscoped.filter(pk=copy.pk).update(mailbox=member.mailbox)
        Delivery.unscoped.create(mailing=mailing, member=member, copy=copy, outcome="carried")
    (told,) = answer(mailer("issue", "status", mailing.issue_id, "--json", *BY))["mailings"]  # type: ignore[misc]
    assert told["regions"] == {"norfolk": {"accepted": 1, "queued": 5}}
    assert told["domains"] == {"example.org": {"accepted": 1, "queued": 5}}
    assert (told["copies_decided"], told["copies"]) == (1, 6)
    assert told["plan"]["letters"] == 5
    said = mailer("issue", "status", mailing.issue_id, *BY).stdout
    assert "1 of 6 copies decided" in said
    assert "5 letters left; ends Friday" in said
    assert "1 accepted, 5 queued" in said
    assert "\u2501" not in said, "no bar in a pipe"


def test_a_mailing_is_watched_until_it_moves_no_more(
    mailer: Mailer, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    anne()
    mailing = mailing_row(house, MailingState.SENDING, prepared_at=NOW)
    copy_row(mailing, "accepted")
    looks = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            Mailing.unscoped.update(state=MailingState.SENT)

    monkeypatch.setattr(issue_command.time, "sleep", pause)
    assert ": sent" in mailer("issue", "status", mailing.issue_id, "--watch", *BY).stdout
    assert looks == [issue_command._LOOK] * 3


def test_ctrl_c_ends_the_watching_and_not_the_mailing(
    mailer: Mailer, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    anne()
    mailing = mailing_row(house, MailingState.SENDING, prepared_at=NOW)
    monkeypatch.setattr(issue_command.time, "sleep", interrupt)
    ended = mailer("issue", "status", mailing.issue_id, "--watch", *BY)
    assert ended.exit_code == 0
    assert ": sending" in ended.stdout


def test_a_correction_is_an_issue_of_its_own(mailer: Mailer, house: House, file: Path) -> None:
    anne()
    mailing = mailing_row(house, MailingState.SENT)
    told = answer(mailer("issue", "correct", mailing.issue_id, file, "--json", *BY))
    assert told["corrects"] == mailing.issue_id
    assert Issue.unscoped.get(pk=told["issue"]).corrects_id == mailing.issue_id
    assert "only to those who have issue" in mailer("issue", "correct", mailing.issue_id, file, *BY).stdout
    Mailing.unscoped.update(state=MailingState.SENDING)
    refused = mailer("issue", "correct", mailing.issue_id, file, *BY)
    assert refused.exit_code == 1
    assert "issue stop" in refused.stderr


def test_a_foreign_issue_looks_like_none(mailer: Mailer, issue: int) -> None:
    bart()
    by = ("--by", "bart@example.org")
    for command in (
        ["status"],
        ["status", "--watch"],
        ["report"],
        ["stop"],
        ["render", "--out", "x"],
        ["schedule", *AT],
    ):
        refusals = {mailer("issue", command[0], n, *command[1:], *by).stderr.replace(str(n), "N") for n in (issue, 999)}
        assert refusals == {"There is no issue N.\n"}
