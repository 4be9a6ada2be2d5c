"""What chaos found, each reduced to its moment."""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailer.core.envelope import Envelope
from mailer.transport.journal import Journal, left_behind
from mailer.transport.pool import Pool
from mailer.transport.relay import Relay
from mailer.transport.smtp import connect
from tests.chaos.sink import Sink

_open = os.open


def test_a_worker_that_looks_around_takes_no_newcomers_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looking: list[Iterator[Any]] = []

    def opened(path: Any, flags: int, *mode: int) -> int:
        """Somebody who recovers comes just after the file was made, and is done when it is opened again."""
        number = _open(path, flags, *mode)
        if flags & os.O_CREAT and str(path).endswith(".journal"):
            if looking:
                list(looking[0])
            else:
                looking.append(left_behind(tmp_path))
                next(looking[0], None)
        return number

    monkeypatch.setattr(os, "open", opened)
    Journal(tmp_path, "newcomer").close()


def test_a_journal_that_another_has_just_settled_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dead.journal").touch()

    def opened(path: Path, flags: int, *mode: int) -> int:
        path.unlink(missing_ok=True)
        return _open(path, flags, *mode)

    monkeypatch.setattr(os, "open", opened)
    assert list(left_behind(tmp_path)) == []


class _Parcel:
    """A letter that knows how many before it are begun and not yet told to be over."""

    def __init__(self, number: int, begun: "set[_Parcel]") -> None:
        self.envelope = Envelope("b@example.net", f"a{number}@example.org", (b"Subject: x\r\n\r\nx\r\n",))
        self.begun = begun
        self.beside = 0

    def may_go(self) -> bool:
        self.begun.add(self)
        self.beside = len(self.begun)
        return True

    def heard(self, *_: object) -> None:
        """The server has answered."""
        self.begun.discard(self)


def test_a_connection_leaves_one_letter_in_doubt_and_not_two() -> None:
    begun: set[_Parcel] = set()
    parcels = [_Parcel(number, begun) for number in range(20)]
    waiting = iter(parcels)
    with Sink(0.0, random.Random(0)) as sink:
        relay = Relay("127.0.0.1", sink.port, "none", "localhost")
        pool = Pool(lambda: connect(relay).lane, time.monotonic, most=1)
        while len(sink.letters) < len(parcels) or begun:
            for parcel, _ in pool.step(1.0, lambda: next(waiting, None)):
                parcel.heard()  # type: ignore[attr-defined]
        pool.rest()
    assert max(parcel.beside for parcel in parcels) == 1
