"""The demo, whole: its sums close, nobody is written to who should not be, and it touches nothing but its own."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from random import Random
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mailer.core.dkim import Signer, public_record
from mailer.demo import guard
from mailer.demo.people import NEWSLETTER, NOTICES, Cast, Role, cast
from mailer.demo.site import FIRST_PORT, FOLDER, MARK, DemoRefused, listen, make_site
from mailer.demo.story import _SEED
from tests.demo.played import PROJECT, environment, play, served, start

EAST = {"east-of-england", "norfolk", "suffolk", "essex", "cambridgeshire"}


@dataclass(frozen=True)
class Played:
    """One story: what it said as JSON, what lies in the Maildir, and a port that somebody else had."""

    end: Mapping[str, Any]
    process: "subprocess.CompletedProcess[str]"
    caught: tuple[EmailMessage, ...]
    folder: Path
    taken: int

    def of(self, slug: str) -> list[str]:
        """Who got letters of a list."""
        return [str(letter["Delivered-To"]) for letter in self.caught if slug in str(letter["List-Id"])]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder = tmp_path_factory.mktemp("demo")
    with listen(FIRST_PORT) as other:
        process = play(folder, as_json=True, MAILER_CONFIG="/nowhere/config.toml", MAILER_SMTP__HOST="smtp.example.org")
        letters = [file.read_bytes() for file in sorted((folder / FOLDER / "caught" / "new").iterdir())]
        caught = tuple(message_from_bytes(letter, policy=policy.SMTP) for letter in letters)
        yield Played(json.loads(process.stdout), process, caught, folder, other.getsockname()[1])


@pytest.fixture(scope="module")
def members() -> Cast:
    return cast(Random(_SEED), datetime.now(UTC).date())


def test_it_ends_well_and_says_only_what_a_program_reads(played: Played) -> None:
    assert (played.process.returncode, played.process.stderr) == (0, "")
    assert played.process.stdout.count("\n") == 1
    assert played.end["ok"] is True
    assert played.end["faults"] == []


def test_every_sum_closes(played: Played) -> None:
    assert [(mailing["list"], mailing["region"]) for mailing in played.end["mailings"]] == [
        (NEWSLETTER, None),
        (NOTICES, "east-of-england"),
    ]
    for mailing in played.end["mailings"]:
        assert mailing["state"] == "sent"
        assert mailing["candidates"] == sum(mailing["outcomes"].values()) > 0
        assert mailing["outcomes"]["excluded"] == sum(mailing["excluded"].values()) > 0
        accepted = sum(mailing["copies"].get(state, 0) for state in ("accepted", "bounced", "complained"))
        assert mailing["server_counted"] == accepted == len(played.of(mailing["list"])) > 0


def test_everyone_it_is_for_is_a_candidate(played: Played, members: Cast) -> None:
    news, notice = played.end["mailings"]
    assert news["candidates"] == len(members.people)
    assert notice["candidates"] == sum(not EAST.isdisjoint(person.regions) for person in members.people)


@pytest.mark.parametrize("slug", [NEWSLETTER, NOTICES])
def test_nobody_gets_a_letter_without_consent_or_twice(played: Played, members: Cast, slug: str) -> None:
    agreed = {
        person.address
        for person in members.people
        if (given := person.consents.get(slug)) and given.evidence and not given.left and person.standing != "claimed"
        if slug == NEWSLETTER or not EAST.isdisjoint(person.regions)
    }
    assert set(played.of(slug)) <= agreed
    assert max(Counter(played.of(slug)).values()) == 1


def test_whoever_leaves_half_way_gets_nothing_more(played: Played, members: Cast) -> None:
    leaver = members.leaver.address
    assert leaver in played.of(NEWSLETTER)
    assert leaver not in played.of(NOTICES)
    assert played.end["mailings"][1]["withdrawn"]["suppressed"] == 1
    assert played.end["left"] == 1 + max(map(len, members.households))


def test_a_household_that_leaves_by_one_click_gets_one_farewell_with_a_way_back_for_each(
    played: Played, members: Cast
) -> None:
    (farewell,) = [letter for letter in played.caught if letter["List-Id"] is None]
    household = next(h for h in members.households if h[0].address == farewell["Delivered-To"])
    text = farewell.get_body(("plain",)).get_content()
    assert all(person.name in text for person in household)
    assert len(set(re.findall(r"/back/\S+", text))) == len(household)
    assert farewell["Return-Path"] == "<>"


def test_what_comes_back_is_read(played: Played, members: Cast) -> None:
    assert played.end["bounces"].keys() == {"hard", "complaint", "autoreply", "soft"}
    assert played.end["mailings"][0]["outcomes"]["complained"] == 1
    assert not list((played.folder / FOLDER / "bounces" / ".kept").glob("*/*"))


def test_deferred_letters_come_in_the_end(played: Played, members: Cast) -> None:
    deferred = {address for address, behaviour in members.behaviours.items() if behaviour == "defer"}
    assert deferred <= set(played.of(NEWSLETTER))


def test_a_port_that_is_taken_is_passed_over(played: Played) -> None:
    port = int(re.fullmatch(r"http://127\.0\.0\.1:([0-9]+)/demo/", played.end["pages"])[1])
    assert port != played.taken


def test_both_signatures_verify_by_somebody_elses_hand(played: Played) -> None:
    records = {}
    for name, selector in (("dkim-rsa.pem", "rsa1"), ("dkim-ed25519.pem", "ed1")):
        key = load_pem_private_key((played.folder / FOLDER / name).read_bytes(), None)
        signer = Signer("example.org", selector, key)
        records[f"{signer.record_name}.".encode()] = public_record(signer).encode()
    raw = next(file for file in sorted((played.folder / FOLDER / "caught" / "new").iterdir())).read_bytes()
    letter = raw.split(b"\r\n", 2)[2]  # without the trace that the receiving server wrote
    assert letter.count(b"DKIM-Signature:") == 2
    for index in range(2):
        assert dkim.DKIM(letter).verify(index, dnsfunc=lambda name, **_: records.get(name))


def test_the_story_is_told_in_fifteen_lines_that_fit_a_terminal() -> None:
    told = served().told
    assert len(told) <= 15
    assert max(map(len, told)) <= 80
    assert not any("\x1b" in line for line in told)
    assert "Every sum closes" in told[-2]


@pytest.mark.long
def test_ctrl_c_ends_it_well_and_says_nothing_more() -> None:
    demo = start()
    assert demo.end() == 0
    assert (demo.folder / "told").read_text().splitlines() == demo.told


@pytest.mark.long
def test_a_sum_that_does_not_close_is_said_and_is_a_failure(tmp_path: Path) -> None:
    broken = (
        "from mailer.demo.server import DemoServer\n"
        "honest = DemoServer.counted_by_list.fget\n"
        "DemoServer.counted_by_list = property(lambda self: {k: n + 1 for k, n in honest(self).items()})"
    )
    process = play(tmp_path, as_json=True, before=broken)
    end = json.loads(process.stdout)
    assert (process.returncode, end["ok"]) == (1, False)
    assert any("were counted" in fault for fault in end["faults"])


def test_what_the_demo_did_not_make_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(DemoRefused, match="was not made by the demo"):
        make_site(tmp_path)
    assert (tmp_path / "letter.txt").read_text() == "mine"


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / MARK).touch()
    (tmp_path / "demo").symlink_to(real)
    with pytest.raises(DemoRefused, match="not a folder of the demo's"):
        make_site(tmp_path / "demo")


def test_an_earlier_demo_is_cleared_away_and_one_that_runs_is_not(tmp_path: Path) -> None:
    (tmp_path / MARK).touch()
    (tmp_path / "old").touch()
    site = make_site(tmp_path)
    assert not (tmp_path / "old").exists()
    with pytest.raises(DemoRefused, match="running already"):
        make_site(tmp_path)
    assert (tmp_path / "keys").is_dir()
    site.close()
    make_site(tmp_path).close()


@pytest.mark.parametrize("host", ["192.0.2.1", "0.0.0.0", "2001:db8::1", "::", "mail.example.org", b"192.0.2.1", ""])
@pytest.mark.parametrize("event", ["socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"])
def test_the_guard_refuses_every_way_off_this_machine(event: str, host: object) -> None:
    with pytest.raises(guard.OffLoopback):
        guard._refuse(event, (None, (host, 25)))


@pytest.mark.parametrize("address", [("127.0.0.1", 25), ("127.8.8.8", 1), ("::1", 25, 0, 0), "/run/a.socket", None])
def test_the_guard_lets_this_machine_talk_to_itself(address: object) -> None:
    guard._refuse("socket.connect", (None, address))


def test_the_guard_asks_no_name_server() -> None:
    with pytest.raises(guard.OffLoopback, match="name server"):
        guard._refuse("socket.getaddrinfo", ("mail.example.org", 25, 0, 0, 0))
    guard._refuse("socket.getaddrinfo", ("localhost", 25, 0, 0, 0))


def test_the_guard_holds_in_a_process_whatever_library_is_used() -> None:
    script = """
import smtplib, socket, sys
from mailer.demo import guard
guard.install()
tries = [
    lambda: smtplib.SMTP("192.0.2.1", timeout=1),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)),
    lambda: socket.getaddrinfo("example.org", 80),
    lambda: socket.socket().bind(("", 0)),
]
for attempt in tries:
    try:
        attempt()
    except guard.OffLoopback:
        continue
    sys.exit(1)
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
    print("held")
"""
    process = subprocess.run(
        [sys.executable, "-c", script], env=environment(), cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stdout) == (0, "held\n"), process.stderr


def test_everyone_who_is_worth_watching_is_in_the_right_place(members: Cast) -> None:
    assert not EAST.isdisjoint(members.leaver.regions)
    assert members.playing(Role.LEAVES) == (members.leaver,)
    for household in members.households:
        assert len({person.language for person in household}) == 1
