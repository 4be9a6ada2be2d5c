"""A real worker as a real process, a real site, a scripted mail server: nobody is lost, nobody gets two."""

import signal
import sys

from mailer.core.reply import Step
from mailer.transport.width import START
from tests.commands.site import DEADLINE, SILENT, Site, say, until
from tests.transport.deeds import Deed, Misbehaviour, Then
from tests.transport.helpers import MakeWire
from tests.transport.misbehaviours import refuses_recipient
from tests.worker.sending import PEOPLE, ends_well, finish, gated, interrupted

#: A worker that waits for a relay no longer than the test likes.
_SCRIPT = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "mailer.settings"
django.setup()
from mailer.cli import main
from mailer.worker import process
process.LAST_LETTER = 0.2
main()
"""
IMPATIENT = (sys.executable, "-P", "-c", _SCRIPT)


def counts(**states: int) -> dict[str, int]:
    """As a report shows them: no state of which there is none."""
    return {state: count for state, count in states.items() if count}


def test_a_newsletter_goes_from_a_file_to_the_relay_and_every_sum_closes(site: Site, wire: MakeWire) -> None:
    server = wire(refuses_recipient("a3@example.org"))
    site.use_relay(server.port)
    site.schedule_now()
    report = finish(site)
    assert report["candidates"] == PEOPLE + SILENT
    assert report["outcomes"] == {"accepted": PEOPLE - 1, "excluded": SILENT, "refused": 1}
    assert report["excluded"] == {"no_consent": SILENT}
    assert report["copies"] == {"accepted": PEOPLE - 1, "refused": 1}
    assert set(server.copies.values()) == {1}
    assert len(server.copies) == PEOPLE - 1
    assert list(site.folder.glob("var/journal/*.journal")) == []
    assert (site.folder / "said.txt").read_text() == "", "nothing to complain of, and no name in a log"


def test_a_signal_finishes_the_letter_in_hand_and_gives_the_rest_back(site: Site, wire: MakeWire) -> None:
    gate, server = gated(site, wire)
    with site.running("worker", "--json") as process:
        assert say(process)["event"] == "working"
        assert gate.reached.wait(DEADLINE)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        gate.open.set()
        ends_well(process)
    sent = len(server.messages)
    assert sent >= 8, "the letters in hand were finished"
    assert site.report()["copies"] == counts(accepted=sent, queued=PEOPLE - sent), "and all others given back"
    assert finish(site)["copies"] == {"accepted": PEOPLE}
    assert set(server.copies.values()) == {1}
    assert len(server.copies) == PEOPLE


def test_after_a_kill_only_the_letter_in_flight_is_in_doubt(site: Site, wire: MakeWire) -> None:
    server = interrupted(site, wire)
    copies = finish(site)["copies"]
    in_doubt = copies.pop("uncertain")
    assert 1 <= in_doubt <= START, "at most one on each connection"
    assert copies == {"accepted": PEOPLE - in_doubt}
    assert set(server.copies.values()) == {1}, "they may have arrived, so sending again might have doubled them"
    assert len(server.copies) >= PEOPLE - in_doubt


def test_two_workers_with_two_bells_are_harmless(site: Site, wire: MakeWire) -> None:
    server = wire()
    site.use_relay(server.port)
    with site.running("worker", "--json") as one, site.running("worker", "--json") as other:
        assert say(one)["event"] == say(other)["event"] == "working"
        site.schedule_now()
        until(lambda: site.report()["state"] == "sent", "the mailing is sent")
        for process in (one, other):
            process.send_signal(signal.SIGTERM)
        ends_well(one)
        ends_well(other)
    assert site.report()["copies"] == {"accepted": PEOPLE}
    assert set(server.copies.values()) == {1}
    assert len(server.copies) == PEOPLE


def test_a_relay_that_answers_no_more_is_not_waited_for(site: Site, wire: MakeWire) -> None:
    server = wire(_stalls_after(5))
    site.use_relay(server.port)
    site.schedule_now()
    with site.running("worker", "--json", command=IMPATIENT) as process:
        until(lambda: server.reached[Step.FINAL_DOT] > 5, "the server stalls")
        process.send_signal(signal.SIGTERM)
        ends_well(process)
    server.misbehaviours.clear()
    copies = finish(site)["copies"]
    in_doubt = copies["uncertain"]
    assert 1 <= in_doubt <= START
    assert copies == {"accepted": PEOPLE - in_doubt, "uncertain": in_doubt}
    assert set(server.copies.values()) == {1}


def _stalls_after(letters: int) -> Misbehaviour:
    stall = Deed((), Then.STALL)
    return lambda moment, proper: stall if moment.step is Step.FINAL_DOT and moment.kept >= letters else proper


def test_a_worker_that_may_not_sign_does_not_begin(site: Site) -> None:
    site.set("smtp", host='"mail.example.org"', port="587", tls='"starttls-required"', ehlo_name='"mail.example.org"')
    ended = site.call("worker")
    assert ended.returncode == 1
    assert "DKIM" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_worker_whose_lists_differ_from_the_database_says_so_and_ends(site: Site) -> None:
    regions = site.folder / "lists" / "regions.toml"
    regions.write_text(regions.read_text() + '\n[[region]]\nnumber = 99\nslug = "new-one"\nname = "New One"\n')
    ended = site.call("worker")
    assert ended.returncode == 1
    assert "mailer migrate" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_worker_with_other_keys_does_not_begin(site: Site) -> None:
    (site.folder / "var" / "keys" / "suppression.key").write_text("ab" * 32)
    ended = site.call("worker")
    assert ended.returncode == 1
    assert "suppression" in ended.stderr
