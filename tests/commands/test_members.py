"""The secretary's commands: what they show, to whom, and what they answer to programs."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result

from mailer.actions.seal_ledger import heads_file, seal_ledger
from mailer.house import House
from mailer.models import Seal
from mailer.models.ledger import broken_seal
from tests.world import NOW, anne, bart, join, sima, stream

pytestmark = pytest.mark.django_db
Mailer = Callable[..., Result]
FILE = """number,name,e-mail,standing,regions,chairs-newsletter consent date,chairs-newsletter consent channel,\
chairs-newsletter consent wording,chairs-newsletter consent evidence,chairs-newsletter left date,shoe size
1001,Zoë Adeyemi,zoe@example.org,member,London,2025-03-04,paper form,1,"form 17, folder B",,44
1002,Tom O'Brien,home@example.org,member,Norfolk; London,2025-03-04,event,1,sheet of the AGM,2026-01-31,
1003,Ann O'Brien,home@example.org,supporter,Atlantis,,,,,,
,,,member,Suffolk,,,,,,
"""
BY = ("--by", "sima@example.org")


@pytest.fixture(autouse=True)
def _heads(house: House) -> None:
    heads_file(house).unlink(missing_ok=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    sima()
    path = tmp_path / "members.csv"
    path.write_text(FILE, encoding="utf-8")
    return path


def answer(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_a_dry_run_shows_every_change_and_writes_nothing(mailer: Mailer, file: Path) -> None:
    said = mailer("members", "import", file, "--dry-run", *BY).stdout
    for expected in ("zoe@example.org", "consent of 2025-03-04", "left on 2026-01-31", "Nothing was written"):
        assert expected in said
    assert answer(mailer("members", "import", file, "--dry-run", "--json", *BY))["new"] == 3


def test_an_import_tells_what_waits_and_the_second_changes_nothing(mailer: Mailer, file: Path) -> None:
    first = answer(mailer("members", "import", file, "--json", *BY))
    assert {key: first[key] for key in ("rows", "new", "changed", "unchanged", "dry_run", "unknown_columns")} == {
        "rows": 4, "new": 3, "changed": 0, "unchanged": 0, "dry_run": False, "unknown_columns": ["shoe size"],
    }  # fmt: skip
    assert [(each["line"], each["column"]) for each in first["complaints"]] == [(4, "regions")]
    assert [(each["line"], each["doubt"]) for each in first["undecided"]] == [(5, "no_name")]
    assert [(each["line"], each["reason"]) for each in first["withheld"]] == [(3, "left")]
    said = mailer("members", "import", file, *BY).stdout
    assert "0 new, 0 changed, 3 unchanged, 1 undecided" in said
    assert "Columns nobody knows, whose cells were not used: shoe size" in said


def test_a_change_is_shown_with_before_and_after(mailer: Mailer, file: Path) -> None:
    answer(mailer("members", "import", file, "--json", *BY))
    file.write_text("number,name,e-mail,regions\n1001,Zoë Adeyemi,zoe@example.net,Norfolk\n", encoding="utf-8")
    told = answer(mailer("members", "import", file, "--dry-run", "--json", *BY))
    assert told["changes"] == [
        {"line": 2, "who": "Zoë Adeyemi", "what": "e-mail", "before": "zoe@example.org", "after": "zoe@example.net"},
        {"line": 2, "who": "Zoë Adeyemi", "what": "regions", "before": "london", "after": "norfolk"},
    ]


def test_only_the_secretary_and_the_chair_import(mailer: Mailer, file: Path) -> None:
    bart()
    refused = mailer("members", "import", file, "--by", "bart@example.org")
    assert refused.exit_code == 1
    assert "secretary" in refused.stderr


def test_who_says_nothing_about_themselves_is_told_how(mailer: Mailer, file: Path) -> None:
    refused = mailer("members", "import", file)
    assert refused.exit_code == 1
    assert "--by EMAIL" in refused.stderr


def test_a_member_is_shown_with_what_they_get(mailer: Mailer, house: House) -> None:
    sima()
    member = join(house, "Zoë Adeyemi", regions=["norfolk", "london"], consents=[stream(house)])
    told = answer(mailer("members", "show", member.number, "--json", *BY))
    assert (told["name"], told["regions"]) == ("Zoë Adeyemi", ["London", "Norfolk"])
    assert [(each["stream"], each["state"]) for each in told["streams"]] == [(stream(house), "active")]
    assert "Zoë Adeyemi" in mailer("members", "show", member.number, *BY).stdout


def test_a_coordinator_sees_no_other_region_of_a_member(mailer: Mailer, house: House) -> None:
    bart()
    streams = [stream(house, "local-notices", region) for region in ("norfolk", "london")]
    member = join(house, "Zoë Adeyemi", regions=["norfolk", "london"], consents=streams)
    told = answer(mailer("members", "show", member.number, "--json", "--by", "bart@example.org"))
    assert told["regions"] == ["Norfolk"]
    assert [each["stream"] for each in told["streams"]] == streams[:1]


def test_foreign_and_missing_members_look_the_same(mailer: Mailer, house: House) -> None:
    bart()
    foreign = join(house, "Zoë Adeyemi", regions=["london"])
    for command in ("show", "proof"):
        refusals = {
            mailer("members", command, name, "--by", "bart@example.org").stderr.replace(name, "X")
            for name in (str(foreign.number), "T-none")
        }
        assert len(refusals) == 1


def test_an_address_of_several_members_is_refused_with_the_list(mailer: Mailer, house: House) -> None:
    sima()
    for name in ("Tom O'Brien", "Ann O'Brien"):
        join(house, name, "home@example.org")
    refused = mailer("members", "show", "home@example.org", *BY)
    assert refused.exit_code == 1
    assert "Tom O'Brien" in refused.stderr
    assert "Ann O'Brien" in refused.stderr


def test_a_proof_shows_words_channel_time_person_and_evidence(mailer: Mailer, house: House, file: Path) -> None:
    answer(mailer("members", "import", file, "--json", *BY))
    assert seal_ledger(house, NOW)
    said = mailer("members", "proof", "1001", *BY).stdout
    for expected in ("Yes, please send me", "paper_form", "2025-03-04 12:00", "Sima Secretary", "form 17, folder B",
                     "as committed", "in the sealed chain: yes", "The chain holds"):  # fmt: skip
        assert expected in said, said
    told = answer(mailer("members", "proof", "1001", "--json", *BY))
    assert told["holds"] is True
    assert [(line["kind"], line["wording_version"], line["matches"], line["sealed"]) for line in told["lines"]] == [
        ("given", 1, True, True)
    ]


def test_evidence_that_was_not_committed_to_is_found(mailer: Mailer, house: House) -> None:
    from mailer.core.consent import Kind, commitment
    from mailer.models.base import writing
    from mailer.models.ledger import Line, append
    from tests.world import _entry

    sima()
    member = join(house, "Zoë Adeyemi")
    line = _entry(member, stream(house), Kind.GIVEN, NOW, wording=1, committed=commitment(b"salt", "form 7"))
    with writing():
        append([Line(member, line, b"salt", "form 8")])
    proved = mailer("members", "proof", member.number, *BY)
    assert proved.exit_code == 1
    assert "NOT WHAT WAS COMMITTED" in proved.stdout


def test_many_lines_are_sealed_a_few_at_a_time_and_each_head_is_kept(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else can write while lines are sealed, and an import adds a hundred thousand."""
    monkeypatch.setattr("mailer.models.ledger.LINES_A_SEAL", 2)
    for name in ("Ann Smith", "Bob Brown", "Eve Jones"):
        join(house, name, consents=[stream(house)])
    assert seal_ledger(house, NOW)
    assert Seal.unscoped.count() == 2
    assert len(heads_file(house).read_text().splitlines()) == 2
    assert broken_seal() is None
    assert not seal_ledger(house, NOW)


def test_an_older_ledger_than_the_head_outside_is_found(mailer: Mailer, house: House) -> None:
    anne()
    join(house, "Ann Smith", consents=[stream(house)])
    assert seal_ledger(house, NOW)
    assert not seal_ledger(house, NOW), "nothing new"
    with heads_file(house).open("a") as heads:
        heads.write(f"{NOW + timedelta(hours=1)} {'ab' * 32}\n")
    member = join(house, "Bob Brown", consents=[stream(house)])
    proved = mailer("members", "proof", member.number, "--by", "anne@example.org")
    assert proved.exit_code == 1
    assert "restored" in proved.stdout
