"""The simulation of scale: what is slowest sets the pace, and docs/scale.md shows what it says."""

from dataclasses import replace

import pytest

from mailer.bench.scale import Constants, Site, simulate
from tests.scale_doc import DOCUMENT, document

SITE = Site("anybody", 100_000, cores=4, relay=1e6, link=1e6)


def test_the_page_shows_what_the_simulation_says() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run: .venv/bin/python -m tests.scale_doc"


@pytest.mark.parametrize(
    ("part", "site", "constants"),
    [
        ("the relay", replace(SITE, relay=100), Constants()),
        ("the link", replace(SITE, link=10), Constants()),
        ("the cores", SITE, Constants()),
        ("the database", SITE, Constants(on_sqlite=0.01)),
    ],
)
def test_the_slowest_part_is_the_busiest(part: str, site: Site, constants: Constants) -> None:
    outcome = simulate(site, constants)
    assert outcome.busiest == part
    assert 0.9 < outcome.shares[part] <= 1.001


def test_a_mailing_takes_as_long_as_the_relay_needs() -> None:
    assert simulate(replace(SITE, relay=100)).seconds == pytest.approx(1000, rel=0.01)


def test_twice_the_cores_are_twice_as_fast() -> None:
    assert simulate(replace(SITE, cores=8)).seconds == pytest.approx(simulate(SITE).seconds / 2, rel=0.1)
