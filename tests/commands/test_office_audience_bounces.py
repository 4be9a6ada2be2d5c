"""Offices, audiences and the bounce log at the shell."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from mailer.commands.shell import login
from mailer.house import House
from tests.world import anne, bart, join, stream

pytestmark = pytest.mark.django_db
Mailer = Callable[..., Result]
SPECIMENS = Path(__file__).parent.parent / "core" / "bounce" / "specimens"
BY = ("--by", "anne@example.org")


def answer(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_an_office_is_granted_listed_and_revoked(mailer: Mailer) -> None:
    granted = mailer("office", "grant", "cy@example.org", "coordinator", "--region", "norfolk", "--region", "suffolk",
                     "--name", "Cy", "--from", "2026-11-01", "--until", "2027-11-01", "--json")  # fmt: skip
    number = answer(granted)["office"]
    (office,) = answer(mailer("office", "list", "--json"))["offices"]  # type: ignore[misc]
    assert office == {
        "number": number, "email": "cy@example.org", "name": "Cy", "role": "coordinator",
        "regions": ["norfolk", "suffolk"], "starts": "2026-11-01", "ends": "2027-11-01", "revoked": False,
        "system_user": None,
    }  # fmt: skip
    assert "norfolk, suffolk" in mailer("office", "list").stdout
    assert answer(mailer("office", "revoke", number, "--json")) == {"office": number, "revoked": True}
    refused = mailer("office", "revoke", number)
    assert refused.exit_code == 1
    assert "office list" in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    ["chair --region norfolk", "coordinator", "coordinator --region x", "chair --until 2020-01-01"],
)
def test_an_office_that_means_nothing_is_refused(mailer: Mailer, arguments: str) -> None:
    assert mailer("office", "grant", "cy@example.org", *arguments.split()).exit_code == 1


def test_a_login_acts_as_the_user_it_was_mapped_to(mailer: Mailer, house: House) -> None:
    mailer("office", "grant", "cy@example.org", "chair", "--system-user", login())
    member = join(house, "Ann Smith")
    assert mailer("members", "show", member.number).exit_code == 0


def test_an_office_gives_nothing_before_its_first_day(mailer: Mailer, house: House) -> None:
    mailer("office", "grant", "cy@example.org", "chair", "--from", "2026-11-21", "--system-user", login())
    assert mailer("audience", "chairs-newsletter", "--json").exit_code == 0
    assert answer(mailer("audience", "chairs-newsletter", "--json"))["candidates"] == 0


def test_the_audience_is_counted_by_outcome_and_reason(mailer: Mailer, house: House) -> None:
    anne()
    news = stream(house)
    join(house, "Ann Smith", consents=[news])
    join(house, "Bob Brown")
    join(house, "Gone Away", left=[news])
    join(house, "No Mailbox", None)
    told = answer(mailer("audience", "chairs-newsletter", "--json", *BY))
    assert told == {
        "list": "chairs-newsletter", "region": None, "candidates": 4,
        "outcomes": {"carried": 1, "excluded": 2, "unmailable": 1}, "excluded": {"left": 1, "no_consent": 1},
    }  # fmt: skip
    assert "they left this list" in mailer("audience", "chairs-newsletter", *BY).stdout


def test_one_person_is_explained(mailer: Mailer, house: House) -> None:
    anne()
    member = join(house, "Bob Brown")
    told = answer(mailer("audience", "chairs-newsletter", "--why", member.number, "--json", *BY))
    assert (told["member"], told["gets_it"]) == ("Bob Brown", False)
    assert "does not get it" in mailer("audience", "chairs-newsletter", "--why", member.number, *BY).stdout


def test_a_coordinator_counts_the_own_region_only(mailer: Mailer, house: House) -> None:
    bart()
    join(house, "Ann Smith", regions=["london"], consents=[stream(house, "local-notices", "london")])
    join(house, "Bob Brown", regions=["norfolk"], consents=[stream(house, "local-notices", "norfolk")])
    told = answer(mailer("audience", "local-notices", "--region", "norfolk", "--json", "--by", "bart@example.org"))
    assert told["candidates"] == 1
    assert mailer("audience", "local-notices", *BY).exit_code == 1, "which region?"


def test_reports_are_read_one_object_a_line_and_what_is_not_ours_changes_nothing(mailer: Mailer) -> None:
    anne()
    files = sorted(SPECIMENS.glob("rfc3464_0*.eml"))
    result = mailer("bounces", "read", *files, "--json")
    assert result.exit_code == 0, result.output
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["file"] for each in told] == [str(file) for file in files]
    assert all(set(each) == {"file", "kind", "findings", "matched"} for each in told)
    assert {each["matched"] for each in told} == {None}
    logged = mailer("bounces", "log", "--json", *BY).stdout.splitlines()
    assert len(logged) == len(files)
    assert "Zoë" not in mailer("bounces", "log", *BY).stdout


def test_a_folder_of_reports_is_read_whole(mailer: Mailer, tmp_path: Path) -> None:
    for name in ("a.eml", "b.eml"):
        (tmp_path / name).write_bytes((SPECIMENS / "rfc3464_01.eml").read_bytes())
    assert "2 reports read, 0 about letters of ours" in mailer("bounces", "read", tmp_path).stdout


def test_a_maildir_is_read_and_kept(mailer: Mailer, tmp_path: Path) -> None:
    for folder in ("new", "cur", "tmp"):
        (tmp_path / folder).mkdir()
    (tmp_path / "new" / "1.a.host").write_bytes((SPECIMENS / "rfc3464_01.eml").read_bytes())
    assert "1 reports read" in mailer("bounces", "read", tmp_path).stdout
    assert list((tmp_path / "new").iterdir()) == []
    assert [file for file in tmp_path.rglob("*") if file.name.startswith("1.a.host")]


def test_what_nobody_could_match_is_seen_by_the_whole_organisation_only(mailer: Mailer) -> None:
    anne()
    bart()
    mailer("bounces", "read", SPECIMENS / "rfc3464_01.eml")
    assert len(mailer("bounces", "log", "--json", *BY).stdout.splitlines()) == 1
    assert mailer("bounces", "log", "--json", "--by", "bart@example.org").stdout == ""


def test_polling_without_a_maildir_says_which_key(mailer: Mailer) -> None:
    refused = mailer("bounces", "poll")
    assert refused.exit_code == 1
    assert "bounces.maildir" in refused.stderr
