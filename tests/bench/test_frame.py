"""How benchmarks measure and speak."""

import json

import pytest

from mailer.bench.frame import Report, Round, Row, compared, in_turn, peak_mib, show, this_machine
from mailer.commands.shell import Shell


def test_both_are_measured_in_turn_and_none_is_always_first() -> None:
    asked: list[str] = []

    def measured(name: str, value: float) -> float:
        asked.append(name)
        return value

    rounds = in_turn(lambda: measured("ours", 2.0), lambda: measured("peer", 1.0), rounds=3)
    assert rounds == (Round(2.0, 1.0),) * 3
    assert asked == ["ours", "peer", "peer", "ours", "ours", "peer"]


def test_the_ratio_is_the_median_of_the_rounds_and_not_of_the_rates() -> None:
    """A machine that is twice as fast for a round is so for both."""
    row = compared("x", "1/s", "y", [Round(10, 10), Round(40, 20), Round(9, 3)], must="1x")
    assert (row.ratio, row.worst, row.ours, row.peer) == (2.0, 1.0, 10, 10)
    assert row.rounds == (Round(10, 10), Round(40, 20), Round(9, 3))


def test_where_less_is_better_more_than_one_is_still_better() -> None:
    row = compared("x", "s", "y", [Round(1, 2), Round(4, 2)], less_is_better=True)
    assert (row.ratio, row.worst) == (1.25, 0.5)


def test_a_report_is_a_table_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    show(Shell(as_json=False), _report())
    shown = capsys.readouterr().out
    for word in ("building", "281,090", "0.34x", "0.25x", "Peak memory 30 MiB", "of: a test"):
        assert word in shown


def test_a_report_is_one_object_for_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    show(Shell(as_json=True), _report())
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found["rows"][0]["rounds"] == [{"ours": 1.0, "peer": 3.0}]
    assert found["machine"]["cores"] >= 1
    assert found["facts"] == {"of": "a test"}


def test_the_machine_and_its_memory_can_be_read_here() -> None:
    machine = this_machine()
    assert machine.cpu
    assert machine.memory_gib > 0
    assert machine.system.startswith(("Debian", "Ubuntu")) or "Linux" in machine.system
    assert peak_mib() > 1


def _report() -> Report:
    row = Row(
        "building", "letters/s", 281_090.0, "joining", 823_000.0, 0.3415, 0.3, "0.25x", "0.5x", (Round(1.0, 3.0),)
    )
    return Report("build", (row,), 30.2, this_machine(), {"of": "a test"})
