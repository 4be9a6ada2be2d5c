"""Every specimen is read as its .toml says; a bug report becomes a file here (docs/adding-a-detector.md)."""

import tomllib
from pathlib import Path

import pytest

from mailer.core import bounce
from mailer.core.bounce import _DETECTORS, read
from mailer.core.bounce.formats import FORMATS
from mailer.core.bounce.mail import Mail

SPECIMENS = Path(__file__).parent / "specimens"
FAMILIES = sorted(SPECIMENS.glob("*.eml"))
SHOWN = ("kind", "reason", "detector", "recipient", "status", "reply_code")


@pytest.mark.parametrize("eml", FAMILIES, ids=lambda path: path.stem)
def test_a_specimen_is_read_as_its_table_says(eml: Path) -> None:
    expected = tomllib.loads(eml.with_suffix(".toml").read_text())
    report = read(eml.read_bytes())

    found = [{name: getattr(finding, name) for name in SHOWN} for finding in report.findings]
    assert [{k: v for k, v in row.items() if v is not None} for row in found] == expected.get("findings", [])
    assert report.kind == expected["kind"]
    assert report.message_ids == tuple(expected["message_ids"])
    assert "b+tok3n@bounce.example.org" in report.delivered_to


def test_line_ends_make_no_difference() -> None:
    for eml in FAMILIES:
        unix = eml.read_bytes().replace(b"\r\n", b"\n")
        expected = read(unix)
        assert read(unix.replace(b"\n", b"\r\n")) == expected, eml
        assert read(unix.replace(b"\n", b"\r")) == expected, eml
        assert read(b"From MAILER-DAEMON Tue Nov  3 09:14:07 2026\n" + unix) == expected, eml


def test_every_detector_has_a_specimen_and_a_line_in_the_guide() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "adding-a-detector.md").read_text()
    for detector in _DETECTORS:
        assert any(detector(Mail(bounce.mime.parse(eml.read_bytes()))) for eml in FAMILIES), detector
        assert f"`{detector.__module__.rpartition('.')[2]}.{detector.__name__}`" in guide


def test_every_format_has_a_specimen() -> None:
    found = {finding.detector for eml in FAMILIES for finding in read(eml.read_bytes()).findings}
    assert {row.name for row in FORMATS} <= found


def test_every_table_has_its_mail() -> None:
    assert {toml.stem for toml in SPECIMENS.glob("*.toml")} == {eml.stem for eml in FAMILIES}
