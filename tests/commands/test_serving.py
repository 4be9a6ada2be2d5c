"""Pages and supervision, as real processes on a real port."""

import json
import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mailer.commands import serving
from mailer.commands.serving import workers_of
from mailer.house import House
from tests.commands.site import DEADLINE, Site, say, until


def answers(url: str) -> bytes:
    with urllib.request.urlopen(f"{url}health", timeout=DEADLINE) as response:  # noqa: S310 - http on loopback
        return bytes(response.read())


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def test_the_pages_are_served_until_a_signal_ends_them(site: Site) -> None:
    with site.running("web", "--listen", "127.0.0.1:0", "--json") as process:
        event = say(process)
        assert event["event"] == "listening"
        assert event["url"].startswith("http://127.0.0.1:")
        assert json.loads(answers(event["url"])) == {"ok": True, "alarms": []}
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0


def test_beside_the_pages_somebody_watches_and_somebody_finishes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    class Beside:
        def __init__(self, name: str) -> None:
            self.name = name

        def start(self) -> None:
            told.append(f"{self.name} starts")

        def stop(self) -> None:
            told.append(f"{self.name} ends")

    def pages(*_: object, sockets: list[socket.socket], **__: object) -> SimpleNamespace:
        return SimpleNamespace(effective_port=1, run=lambda: told.append("pages"), close=sockets[0].close)

    desk: Any = SimpleNamespace(house=house, config=house.config, clock=None, tell=lambda *_: None)
    monkeypatch.setattr(serving, "Watchman", lambda *_: Beside("watchman"))
    monkeypatch.setattr(serving, "Finisher", lambda *_: Beside("finisher"))
    monkeypatch.setattr(serving, "create_server", pages)
    monkeypatch.setattr(serving, "_warm_up", lambda *_: None)
    monkeypatch.setattr(serving.signal, "signal", lambda *_: None)
    serving.web(desk, listen="127.0.0.1:0")
    assert sorted(told[:2]) == ["finisher starts", "watchman starts"]
    assert told[2] == "pages"
    assert sorted(told[3:]) == ["finisher ends", "watchman ends"]


def test_a_port_that_is_taken_is_a_refusal_in_words(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = site.call("web", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert ended.returncode == 1
    assert "--listen" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("place", ["8000", "127.0.0.1:x", "127.0.0.1:99999"])
def test_a_place_that_is_none_is_wrong_usage(site: Site, place: str) -> None:
    assert site.call("run", "--listen", place).returncode == 2


@pytest.mark.parametrize(("asked", "cores", "workers"), [(0, 1, 1), (0, 2, 2), (0, 32, 4), (1, 8, 1), (6, 2, 6)])
def test_a_process_sends_on_each_core_unless_somebody_says_otherwise(
    house: House, asked: int, cores: int, workers: int
) -> None:
    config = house.config
    assert workers_of(replace(config, sending=replace(config.sending, workers=asked)), cores) == workers


def events(process: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


def test_a_child_that_dies_is_started_again_and_a_signal_ends_all(site: Site) -> None:
    site.set("sending", workers="1")
    with site.running("run", "--listen", "127.0.0.1:0", "--json") as process:
        said, pids, ended = events(process), {"web": 0, "worker": 0}, []
        for event in said:
            if event["event"] == "started":
                again = pids[event["process"]]
                pids[event["process"]] = event["pid"]
                if again:
                    break
            elif event["event"] == "ended":
                ended.append(event)
            elif event["event"] == "working":
                os.kill(pids["worker"], signal.SIGKILL)
        assert [(event["process"], event["status"]) for event in ended] == [("worker", -signal.SIGKILL)]
        assert all(map(lives, pids.values()))
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 0
        assert list(said)[-1] == {"event": "stopped", "clean": True}
        until(lambda: not any(map(lives, pids.values())), "both children are gone")
