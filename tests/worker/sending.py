"""A real worker that sends through a scripted server: let to the end, or killed on its way."""

import signal
import subprocess
from threading import Event

from mailer.core.reply import Step
from tests.commands.site import CONSENTING, DEADLINE, Site, say, until
from tests.transport.deeds import Deed, Moment
from tests.transport.helpers import MakeWire
from tests.transport.wire import Wire

PEOPLE = CONSENTING


class Gate:
    """Holds the server before it answers the final dot of the letter after `letters` others."""

    def __init__(self, letters: int) -> None:
        self.letters, self.reached, self.open = letters, Event(), Event()

    def __call__(self, moment: Moment, proper: Deed) -> Deed:
        if moment.step is Step.FINAL_DOT and moment.kept == self.letters and not self.reached.is_set():
            self.reached.set()
            assert self.open.wait(DEADLINE)
        return proper


def ends_well(process: "subprocess.Popen[str]") -> None:
    """It ends by itself, with status 0."""
    assert process.wait(DEADLINE) == 0


def finish(site: Site) -> dict[str, object]:
    """Let a worker send what is left, and stop it."""
    with site.running("worker", "--json") as process:
        assert say(process)["event"] == "working"
        until(lambda: site.report()["state"] == "sent", "the mailing is sent")
        process.send_signal(signal.SIGTERM)
        ends_well(process)
    return site.report()


def gated(site: Site, wire: MakeWire) -> tuple[Gate, Wire]:
    """A mailing that is due, and a server that holds the answer to its eighth letter."""
    gate = Gate(7)
    server = wire(gate)
    site.use_relay(server.port)
    site.schedule_now()
    return gate, server


def interrupted(site: Site, wire: MakeWire) -> Wire:
    """Killed after some letters of its only mailing."""
    gate, server = gated(site, wire)
    with site.running("worker", "--json") as process:
        assert gate.reached.wait(DEADLINE)
        process.kill()
        process.wait(DEADLINE)
        gate.open.set()
    return server
