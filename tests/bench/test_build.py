"""The benchmarks of building and signing run, and their letters are what they say they are."""

import pytest

from mailer.bench import build, dkim, sample
from mailer.core.batch import Copier
from mailer.core.personalise import Builder


def test_the_letter_is_as_long_as_the_table_says_and_one_name_in_ten_is_beyond_ascii() -> None:
    people = sample.people(200)
    assert len({person.names for person in people}) == 200
    assert sum(not person.names[0].isascii() for person in people) == 20
    batch = Copier(Builder(sample.letter(), sample.HEADERS), sample.MARKS).batch(people)
    assert {len(b"".join(batch.letter(place, sample.DATE)[1])) // 1000 for place in range(200)} <= {36, 37, 38}


def test_each_of_sixteen_regions_gets_its_own_paragraph() -> None:
    copier = Copier(Builder(sample.with_inserts(sample.letter()), sample.HEADERS), sample.MARKS)
    batch = copier.batch(sample.people(16, sample.REGIONS))
    for place, region in enumerate(sample.REGIONS):
        raw = b"".join(batch.letter(place, sample.DATE)[1])
        assert [raw.count(f"News for {other}:".encode()) for other in sample.REGIONS] == [
            2 * (other == region) for other in sample.REGIONS
        ]


def test_building_is_measured_beside_joining() -> None:
    report = build.run(letters=600, rounds=1)
    assert [row.beside for row in report.rows] == ["joining ready pieces", "without"]
    assert all(row.ratio for row in report.rows)


def test_signing_is_measured_beside_openssl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dkim, "_SECONDS", 0.01)
    monkeypatch.setattr(dkim, "_openssl", lambda: 3000.0)
    report = dkim.run(rounds=1)
    assert report.rows[0].peer == 3000.0
    assert all(row.ours > 0 for row in report.rows)
