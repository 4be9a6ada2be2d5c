"""People at the pages: asked by plan, whatever becomes of those before, and each counted from when it was due."""

import socket
import threading
import time
from collections.abc import Iterator
from itertools import count, repeat

import pytest

from mailer.bench.load import Ask, open_loop

_ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nyes"


class Door:
    """Answers everybody at once; the first can be kept until the twentieth has asked."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.first_may_go = threading.Event()
        self.first_may_go.set()
        self.asked: list[bytes] = []
        self.answer = _ANSWER
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        for number in count():
            try:
                caller, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(caller, number), daemon=True).start()

    def _answer(self, caller: socket.socket, number: int) -> None:
        with caller:
            self.asked.append(caller.recv(1 << 16))
            if number == 0:
                self.first_may_go.wait(10)
            elif number == 19:
                self.first_may_go.set()
            caller.sendall(self.answer)


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    door.listener.close()


def asks(door: Door, how_many: int, wanted: bytes = b"yes") -> list[Ask]:
    return list(repeat(Ask(door.port, b"GET / HTTP/1.0\r\n\r\n", lambda *got: got == (200, wanted)), how_many))


def test_all_are_asked_and_judged(door: Door) -> None:
    load = open_loop(asks(door, 20), 200, lambda _: True)
    assert (len(load.answers), load.wrong, load.left) == (20, 0, 0)
    assert door.asked == [b"GET / HTTP/1.0\r\n\r\n"] * 20
    assert open_loop(asks(door, 3, b"no"), 200, lambda _: True).wrong == 3


def test_one_that_is_not_answered_keeps_nobody_waiting(door: Door) -> None:
    """The first is answered when the twentieth has asked."""
    door.first_may_go.clear()
    load = open_loop(asks(door, 40), 200, lambda _: True)
    assert (len(load.answers), load.wrong) == (40, 0)
    assert max(answer.seconds for answer in load.answers) >= 18 / 200


def test_who_is_asked_late_is_counted_from_when_it_was_due(door: Door) -> None:
    """Else a server that stalls whoever asks would hide how long people would have waited."""
    stalls = iter([0.0, 0.3, 0.0])
    load = open_loop(asks(door, 60), 200, lambda _: not time.sleep(next(stalls)))  # type: ignore[func-returns-value]
    assert sorted(answer.seconds for answer in load.answers)[-10] >= 0.2


def test_what_is_no_answer_is_wrong(door: Door) -> None:
    door.answer = b"oops, I died"
    assert open_loop(asks(door, 3), 200, lambda _: True).wrong == 3


def test_it_ends_when_it_is_told_to(door: Door) -> None:
    assert len(open_loop(asks(door, 1000), 200, lambda passed: passed < 0.2).answers) < 1000


def test_where_nobody_answers_all_is_wrong() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        ask = Ask(nobody.getsockname()[1], b"GET / HTTP/1.0\r\n\r\n", lambda *_: True)
        assert open_loop([ask] * 3, 200, lambda _: True).wrong == 3
